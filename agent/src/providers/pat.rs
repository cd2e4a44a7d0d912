//! A personal access token: one secret that the person made at the Platform and that does not renew.

use async_trait::async_trait;

use super::{Answer, Check, Granted, Issuer, Revocable, Revocation};
use crate::error::{AgentError, ErrorKind};
use crate::profile::Profile;
use crate::providers::platform::{Platform, PlatformError, refused_token, token_id, unchecked};
use crate::providers::{Description, Probe, Untold};
use crate::token::{AccessToken, Account, Credential, Organization, Workspace};

/// The Platform as the place where a personal access token is checked and deleted.
pub(crate) struct Pat {
    platform: Platform,
    api: String,
    authority: String,
}

impl Pat {
    /// Asks nobody yet.
    pub(crate) fn new(platform: Platform, profile: &Profile) -> Self {
        Self { platform, api: profile.api().to_owned(), authority: profile.authority.clone() }
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

#[async_trait]
impl Issuer for Pat {
    fn refusal(&self, what: &str) -> AgentError {
        let message = format!("a personal access token has no {what}");
        let hint = "give it to '{login} --with-token' on standard input";
        AgentError::new(ErrorKind::BadRequest, message, hint)
    }

    fn outlives_sign_out(&self) -> bool {
        true
    }

    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        let Answer::Given(token, sent) = answer else { return Err(self.refusal("login in a browser")) };
        let account = self.owner(&token).await?;
        // Somebody who may use a token may not be able to list organisations with it; then there are none.
        let memberships = self.platform.memberships(&token, account.user_id).await.ok();
        let credential = Credential::Fixed { token, expires_at: None, minted: false };
        Ok(Granted { credential, account, sent, memberships, notes: Vec::new() })
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

    async fn describe(&self, token: &AccessToken) -> Result<Description, AgentError> {
        self.platform.describe(token).await
    }

    async fn organizations(&self, token: &AccessToken) -> Result<Vec<Organization>, Untold> {
        self.platform.organizations(token).await
    }

    async fn workspaces(&self, token: &AccessToken, user: i64) -> Result<Vec<Workspace>, Untold> {
        self.platform.workspaces_of(token, user).await
    }

    fn probes(&self) -> Vec<Probe> {
        self.platform.probes(&self.authority)
    }
}

#[cfg(test)]
mod tests;
