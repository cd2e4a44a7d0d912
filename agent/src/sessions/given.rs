//! Sign-in with a token that the person or another program already has.

use crate::error::{AgentError, ErrorKind};
use crate::foreign;
use crate::profile::{Profile, ProfileName};
use crate::providers::Answer;
use crate::sessions::install::{Login, look_up};
use crate::sessions::registry::Registry;
use crate::storage::record::SignInMethod;
use crate::token::{AccessToken, Kind};

/// An access token that a caller gave.
///
/// # Errors
/// `BAD_REQUEST` if it is empty, or cannot be one.
pub(crate) fn access_token(given: &str) -> Result<AccessToken, AgentError> {
    let hint = "create one at the provider, and paste the whole of it";
    let bad = |why: String| AgentError::new(ErrorKind::BadRequest, why, hint);
    match given.trim() {
        "" => Err(bad("no access token was given".into())),
        given => foreign::access_token(given)
            .map(AccessToken::new)
            .map_err(|why| bad(format!("this is no access token: {why}"))),
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
