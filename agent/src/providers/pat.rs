//! A personal access token: one secret that the person made at the Platform and that does not renew.

use crate::providers::platform::refused_token;
use crate::providers::platform::unchecked;
use async_trait::async_trait;
use url::Url;

use super::{Answer, Check, DeviceFlow, Granted, Issuer, Poll, Renewal, Revocable, Revocation};
use crate::error::{AgentError, ErrorKind};
use crate::profile::Profile;
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::providers::page;
use crate::providers::platform::{Platform, PlatformError, token_id};
use crate::token::{AccessToken, Account, Credential, RefreshToken};

/// The Platform as the place where a personal access token is checked and deleted.
pub(crate) struct Pat {
    platform: Platform,
    api: String,
}

impl Pat {
    /// Asks nobody yet.
    pub(crate) fn new(platform: Platform, profile: &Profile) -> Self {
        Self { platform, api: profile.api().to_owned() }
    }

    /// Whose token it is.
    async fn owner(&self, token: &AccessToken) -> Result<Account, AgentError> {
        match check(&self.platform, token).await {
            Check::Valid(account) => Ok(account),
            Check::Refused => Err(refused_token(&format!("{} refuses this access token", self.api))),
            Check::Unsure(why) => Err(unchecked(&self.api, &why)),
        }
    }
}

/// Asks the Platform whether a token works. Only 401 is a verdict: an answer of 403 may concern the question.
pub(super) async fn check(platform: &Platform, token: &AccessToken) -> Check {
    match platform.user_info(token).await {
        Ok(info) => Check::Valid(info.user.complete(None)),
        Err(PlatformError::Unauthorized) => Check::Refused,
        Err(PlatformError::Unreachable(why)) => {
            Check::Unsure(why.said(|why| format!("the Platform could not be asked: {why}")))
        }
        Err(error) => Check::Unsure(error.to_string().into()),
    }
}

fn no_browser_login() -> AgentError {
    let hint = "give it to 'seqera login --with-token' on standard input";
    AgentError::new(ErrorKind::BadRequest, "a personal access token does not sign in by a browser", hint)
}

#[async_trait]
impl Issuer for Pat {
    fn landing(&self) -> Landing {
        Landing { path: "/callback", ports: 0..0 }
    }

    fn outlives_sign_out(&self) -> bool {
        true
    }

    async fn start(&self, _redirect_uri: &Url) -> Result<Flow, AgentError> {
        Err(no_browser_login())
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        Err(no_browser_login())
    }

    async fn poll(&self, _flow: &DeviceFlow) -> Poll {
        Poll::Ended(no_browser_login())
    }

    fn callback(&self, _flow: &Flow, _request: &CallbackRequest) -> Callback {
        let error = no_browser_login();
        Callback::Failed(page::failed(&error), error)
    }

    fn page(&self, outcome: Result<&Account, &AgentError>) -> Page {
        match outcome {
            Ok(account) => page::signed_in(account),
            Err(error) => page::failed(error),
        }
    }

    /// The token is checked before it is kept.
    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        let Answer::Given(token, sent) = answer else { return Err(no_browser_login()) };
        let account = self.owner(&token).await?;
        // Somebody who may use a token may not be able to list organisations with it; then there are none.
        let memberships = self.platform.memberships(&token, account.user_id).await.ok();
        let credential = Credential::Fixed { token, expires_at: None, minted: false };
        Ok(Granted { credential, account, sent, memberships, notes: Vec::new() })
    }

    async fn renew(&self, _refresh: &RefreshToken, _subject: &str) -> Renewal {
        Renewal::Misconfigured("a personal access token does not renew".into())
    }

    async fn check(&self, token: &AccessToken) -> Check {
        check(&self.platform, token).await
    }

    /// Deletes the token at the Platform, where its shape tells its id.
    async fn revoke(&self, what: &Revocable) -> Revocation {
        let Some(token) = &what.access else { return Revocation::Revoked };
        let Some(id) = token_id(token) else { return Revocation::NotOffered };
        match self.platform.delete_token(token, id).await {
            Ok(()) => Revocation::Revoked,
            // It is gone already: a token that the Platform does not accept cannot be used.
            Err(PlatformError::Unauthorized) => Revocation::Revoked,
            Err(PlatformError::Unreachable(why)) => Revocation::Failed(why.to_string()),
            Err(error) => Revocation::Refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
