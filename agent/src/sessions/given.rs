//! A sign-in with a token that the person, or another program, already has.

use crate::error::{AgentError, ErrorKind};
use crate::profile::{Profile, ProfileName};
use crate::providers::Answer;
use crate::sessions::install::Login;
use crate::sessions::registry::Registry;
use crate::storage::record::SignInMethod;
use crate::token::{AccessToken, Kind};

/// Signs in with a given token, which is checked before it is kept. The notes are for the person.
///
/// # Errors
/// `BAD_REQUEST` where it is empty, `LOGIN_EXPIRED` where the provider refuses it, `ISSUER_UNREACHABLE` where
/// the provider cannot be asked.
pub(crate) async fn sign_in(
    registry: &Registry,
    name: &ProfileName,
    profile: Profile,
    token: &str,
    organization: Option<String>,
) -> Result<Vec<String>, AgentError> {
    let token = AccessToken::new(token.trim());
    if token.expose().is_empty() {
        let hint = "create one at the provider, and paste the whole of it";
        return Err(AgentError::new(ErrorKind::BadRequest, "no access token was given", hint));
    }
    let issuer = registry.shared.issuers.issuer(&profile, Kind::Fixed);
    let worker = registry.ensure(name);
    // A sign-out while the provider is asked is the person's last word.
    let generation = worker.view().generation;
    let granted = issuer.finish(Answer::Given(token, registry.shared.now())).await?;
    registry.logins.cancel(name);
    let login = Login { profile, granted, method: SignInMethod::Token, generation, organization };
    worker.install(login).await
}
