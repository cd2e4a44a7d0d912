//! Calls for organisations, workspaces, and the profile that an empty name means.

use std::time::Duration;

use seqera_agent_proto::methods::sessions;
use seqera_agent_proto::v1::account_of::Account;
use seqera_agent_proto::v1::choice::Choice as Wanted;
use seqera_agent_proto::v1::{self, AccountOf, Choice};

use crate::client::Client;
use crate::error::Error;
use crate::reply::Reply;
use crate::route::Call;

/// A running renewal is waited for, and a sign-out and the stores have their own limits.
const CHANGE: Duration = Duration::from_secs(60);

impl Client {
    /// Asks the Platform for the organisations of the profile's account. The answer also has the chosen one.
    ///
    /// # Errors
    /// As [`Client::describe`]; also `MISCONFIGURED` if the authority has no Platform API.
    pub fn organizations(&self) -> Reply<'_, v1::ListOrganizationsResponse> {
        let account = Some(self.own_account());
        self.ask(sessions::LIST_ORGANIZATIONS, v1::ListOrganizationsRequest { account })
    }

    /// Asks the Platform for the organisations of a token. The agent uses the token for this call and keeps
    /// nothing.
    ///
    /// # Errors
    /// As [`Client::describe_token`]; also `MISCONFIGURED` if the authority has no Platform API.
    pub fn organizations_of_token(
        &self,
        token: &str,
        settings: v1::ProfileSettings,
    ) -> Reply<'_, v1::ListOrganizationsResponse> {
        let account = Some(account_of_token(token, settings));
        self.ask(sessions::LIST_ORGANIZATIONS, v1::ListOrganizationsRequest { account })
    }

    /// Chooses the organisation that is billed, by id or name; `None` chooses none.
    ///
    /// # Errors
    /// As [`Client::organizations`]; also `BAD_REQUEST` for a name that matches nothing or several.
    pub fn choose_organization(&self, wanted: Option<&str>) -> Reply<'_, v1::ChooseResponse> {
        let (profile, authority, choice) = (self.profile(), self.authority(), Some(choice(wanted)));
        let message = v1::ChooseOrganizationRequest { profile, authority, choice };
        self.ask(sessions::CHOOSE_ORGANIZATION, message)
    }

    /// Asks the Platform for the workspaces of the profile's account, in all its organisations. The answer
    /// also has the chosen one.
    ///
    /// # Errors
    /// As [`Client::organizations`].
    pub fn workspaces(&self) -> Reply<'_, v1::ListWorkspacesResponse> {
        let account = Some(self.own_account());
        self.ask(sessions::LIST_WORKSPACES, v1::ListWorkspacesRequest { account })
    }

    /// Asks the Platform for the workspaces of a token. The agent uses the token for this call and keeps
    /// nothing.
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

    /// Chooses the workspace that programs get, by id or name; `None` chooses none, so that they use the
    /// account's own.
    ///
    /// # Errors
    /// As [`Client::choose_organization`]; also for a workspace that is not in the chosen organisation.
    pub fn choose_workspace(&self, wanted: Option<&str>) -> Reply<'_, v1::ChooseResponse> {
        let (profile, authority, choice) = (self.profile(), self.authority(), Some(choice(wanted)));
        let message = v1::ChooseWorkspaceRequest { profile, authority, choice };
        self.ask(sessions::CHOOSE_WORKSPACE, message)
    }

    /// Chooses the profile that an empty name means; an empty `name` chooses `default`. Returns the profile
    /// that is now meant.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `UNKNOWN_PROFILE` with similar names, `STORE_FAILED` if
    /// the choice cannot be saved.
    pub async fn use_profile(&self, name: &str) -> Result<String, Error> {
        let message = v1::UseProfileRequest { profile: name.to_owned() };
        Ok(self.ask(sessions::USE_PROFILE, message).await?.default_profile)
    }

    /// Forgets a profile. With `force` one that is signed in is signed out first.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `UNKNOWN_PROFILE`, `OTHER_HOST`; `BAD_REQUEST` if it is signed
    /// in, or only `config.json` names it; `STORE_FAILED` or `KEYCHAIN_LOCKED` if its secret could not be removed.
    pub fn remove_profile(&self, name: &str, force: bool) -> Reply<'_, v1::RemoveProfileResponse> {
        let message = v1::RemoveProfileRequest { profile: name.to_owned(), force };
        self.route.ask(Call::within(CHANGE), sessions::REMOVE_PROFILE, message)
    }

    /// Gives a profile another name; its session goes on.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `UNKNOWN_PROFILE`, `OTHER_HOST`; `BAD_REQUEST` if the new name
    /// is taken; `STORE_FAILED` or `KEYCHAIN_LOCKED` if its secret could not be moved. Nothing has changed then.
    pub fn rename_profile(&self, name: &str, new_name: &str) -> Reply<'_, v1::RenameProfileResponse> {
        let message = v1::RenameProfileRequest { profile: name.to_owned(), new_name: new_name.to_owned() };
        self.route.ask(Call::within(CHANGE), sessions::RENAME_PROFILE, message)
    }

    /// Takes sessions of the client's profile, or of every profile, over from another host; an empty `host` means the
    /// only one that has some. With `look_only` nothing is changed. Returns the sessions.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `OTHER_HOST` if there is none or its host keeps it,
    /// `BAD_REQUEST` if several hosts could be meant or the profile is signed in here, `KEYCHAIN_LOCKED`.
    pub async fn adopt(&self, host: &str, look_only: bool) -> Result<Vec<v1::SessionStatus>, Error> {
        let message = v1::AdoptRequest { profile: self.profile(), host: host.to_owned(), look_only };
        Ok(self.ask(sessions::ADOPT, message).await?.sessions)
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
