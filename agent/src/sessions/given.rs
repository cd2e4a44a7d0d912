//! Sign-in with a token that the person or another program already has.

use seqera_agent_proto::values::token;

use crate::error::{AgentError, ErrorKind};
use crate::foreign;
use crate::profile::{Profile, ProfileName};
use crate::providers::Answer;
use crate::sessions::install::{Login, look_up};
use crate::sessions::registry::Registry;
use crate::storage::record::SignInMethod;
use crate::token::{AccessToken, Kind};

/// An access token as a caller has it, perhaps with what people keep around it.
///
/// # Errors
/// `BAD_REQUEST` with what is odd about it, and without any part of it.
pub(crate) fn access_token(given: &str) -> Result<AccessToken, AgentError> {
    let hint = "create one at the provider, and paste the whole of it";
    let bad = |why: String| AgentError::new(ErrorKind::BadRequest, why, hint);
    match token::read(given.as_bytes()) {
        Ok(None) => Err(bad("no access token was given".into())),
        Ok(Some(token)) => foreign::access_token(&token)
            .map(AccessToken::new)
            .map_err(|why| bad(format!("this is not an access token: {why}"))),
        Err(odd) => Err(bad(format!("this is not an access token: it {odd}"))),
    }
}

/// Signs in with a token, which the provider checks before it is stored. Returns notes for the person.
///
/// # Errors
/// `BAD_REQUEST` if the token is empty or cannot be one, or the account has no such organisation, `LOGIN_EXPIRED`
/// if the provider refuses the token, `ISSUER_UNREACHABLE` if the provider cannot be asked.
pub(crate) async fn sign_in(
    registry: &Registry,
    name: &ProfileName,
    profile: Profile,
    token: &str,
    organization: Option<String>,
) -> Result<Vec<String>, AgentError> {
    let token = access_token(token)?;
    let issuer = registry.shared.issuers.issuer(&profile, Kind::Fixed);
    let worker = registry.ensure(name);
    // Taken before the provider is asked, so that a sign-out in the meantime prevails.
    let generation = worker.view().generation;
    let mut granted = issuer.finish(Answer::Given(token, registry.shared.now())).await?;
    let of = (name, &profile);
    let organization = look_up(organization.as_deref(), &mut granted, of, &registry.shared).await?;
    registry.logins.cancel(name);
    let login = Login { profile, granted, method: SignInMethod::Token, generation, organization };
    worker.install(login).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_at_the_door_for_every_client() {
        for given in ["tok", " tok\n", "Bearer tok", "export TOWER_ACCESS_TOKEN=\"tok\""] {
            assert_eq!(access_token(given).unwrap().expose(), "tok", "{given}");
        }
        for (given, said) in
            [("", "no access token"), ("canary canary", "2 words"), ("\"canary", "quotation mark")]
        {
            let error = access_token(given).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest);
            assert!(error.to_string().contains(said) && !error.to_string().contains("canary"), "{error}");
        }
    }
}
