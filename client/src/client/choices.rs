//! The calls about organisations, workspaces, and the profile that an empty name means.

use seqera_agent_proto::methods::sessions;
use seqera_agent_proto::v1::account_of::Account;
use seqera_agent_proto::v1::choice::Choice as Wanted;
use seqera_agent_proto::v1::{self, AccountOf, Choice};

use crate::client::Client;
use crate::error::Error;
use crate::reply::Reply;

impl Client {
    /// The organisations of the profile's account, asked at the Platform, and the chosen one.
    ///
    /// # Errors
    /// As [`Client::describe`]; `MISCONFIGURED` where the authority has no Platform API.
    pub fn organizations(&self) -> Reply<'_, v1::ListOrganizationsResponse> {
        let account = Some(self.own_account());
        self.ask(sessions::LIST_ORGANIZATIONS, v1::ListOrganizationsRequest { account })
    }

    /// The organisations of a token. The agent uses it for this call and keeps nothing.
    ///
    /// # Errors
    /// As [`Client::describe_token`]; `MISCONFIGURED` where the authority has no Platform API.
    pub fn organizations_of_token(
        &self,
        token: &str,
        settings: v1::ProfileSettings,
    ) -> Reply<'_, v1::ListOrganizationsResponse> {
        let account = Some(account_of_token(token, settings));
        self.ask(sessions::LIST_ORGANIZATIONS, v1::ListOrganizationsRequest { account })
    }

    /// Chooses what is billed, by id or name; `None`: nothing.
    ///
    /// # Errors
    /// As [`Client::organizations`]; `BAD_REQUEST` for a name that means none or several.
    pub fn choose_organization(&self, wanted: Option<&str>) -> Reply<'_, v1::ChooseResponse> {
        let (profile, authority, choice) = (self.profile(), self.authority(), Some(choice(wanted)));
        let message = v1::ChooseOrganizationRequest { profile, authority, choice };
        self.ask(sessions::CHOOSE_ORGANIZATION, message)
    }

    /// The workspaces of the profile's account in all its organisations, and the chosen one.
    ///
    /// # Errors
    /// As [`Client::organizations`].
    pub fn workspaces(&self) -> Reply<'_, v1::ListWorkspacesResponse> {
        let account = Some(self.own_account());
        self.ask(sessions::LIST_WORKSPACES, v1::ListWorkspacesRequest { account })
    }

    /// The workspaces of a token. The agent uses it for this call and keeps nothing.
    ///
    /// # Errors
    /// As [`Client::organizations_of_token`].
    pub fn workspaces_of_token(
        &self,
        token: &str,
        settings: v1::ProfileSettings,
    ) -> Reply<'_, v1::ListWorkspacesResponse> {
        let account = Some(account_of_token(token, settings));
        self.ask(sessions::LIST_WORKSPACES, v1::ListWorkspacesRequest { account })
    }

    /// Chooses the workspace that programs get, by id or name; `None`: none, which is the account's own.
    ///
    /// # Errors
    /// As [`Client::choose_organization`], and for a workspace of another organisation than the chosen one.
    pub fn choose_workspace(&self, wanted: Option<&str>) -> Reply<'_, v1::ChooseResponse> {
        let (profile, authority, choice) = (self.profile(), self.authority(), Some(choice(wanted)));
        let message = v1::ChooseWorkspaceRequest { profile, authority, choice };
        self.ask(sessions::CHOOSE_WORKSPACE, message)
    }

    /// Chooses the profile that an empty name means; an empty name here means `default`. Answers which it is.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `UNKNOWN_PROFILE` with near names, `STORE_FAILED` where
    /// the choice cannot be kept.
    pub async fn use_profile(&self, name: &str) -> Result<String, Error> {
        let message = v1::UseProfileRequest { profile: name.to_owned() };
        Ok(self.ask(sessions::USE_PROFILE, message).await?.default_profile)
    }

    fn own_account(&self) -> AccountOf {
        let account = Some(Account::Profile(self.profile()));
        AccountOf { account, authority: self.authority(), ..AccountOf::default() }
    }
}

fn account_of_token(token: &str, settings: v1::ProfileSettings) -> AccountOf {
    let account = Some(Account::InlineToken(token.to_owned()));
    AccountOf { account, settings: Some(settings), ..AccountOf::default() }
}

fn choice(wanted: Option<&str>) -> Choice {
    let wanted = wanted.map_or(Wanted::None(true), |wanted| Wanted::Wanted(wanted.to_owned()));
    Choice { choice: Some(wanted) }
}
