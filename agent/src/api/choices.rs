//! `Sessions`: organisations, workspaces, and the profile that an empty name means. The Platform is asked for
//! what there is; what is chosen goes through the profile's worker.

use seqera_agent_proto::v1::account_of;
use seqera_agent_proto::v1::choice::Choice as Wanted;
use seqera_agent_proto::v1::{
    AccountOf, ChooseOrganizationRequest, ChooseResponse, ChooseWorkspaceRequest, ListOrganizationsResponse,
    ListWorkspacesResponse,
};

use crate::api::sessions::Sessions;
use crate::api::status::status;
use crate::api::tokens::hand_out;
use crate::api::{convert, describe};
use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::profile::{Profile, ProfileName};
use crate::provider::Provider;
use crate::providers::platform::{Platform, PlatformError};
use crate::sessions::choice::{Choice, find, find_workspace, left, vanished};
use crate::sessions::registry::Registry;
use crate::sessions::target;
use crate::sessions::verdict::{Ask, Standing};
use crate::sessions::view::View;
use crate::storage::record::Record;
use crate::token::{AccessToken, Workspace};

/// Bytes of a name. Longer ones would not fit into the answer that quotes them.
const LONGEST: usize = 1000;

/// A profile whose choice is to change, and the session that the choice is made for.
struct Chooser {
    name: ProfileName,
    generation: u64,
    record: Record,
}

impl Sessions {
    /// The organisations of an account.
    ///
    /// # Errors
    /// As [`describe::describe`], and where the profile has no token.
    pub(super) async fn organizations(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<ListOrganizationsResponse, AgentError> {
        let question = async |platform: &Platform, token: &AccessToken, _| platform.orgs(token).await;
        let (all, whose) = self.told(asked, until, question).await?;
        let (profile, record) = whose.map(|(name, record)| (name.to_string(), record)).unwrap_or_default();
        Ok(ListOrganizationsResponse {
            organizations: all.iter().map(convert::organization).collect(),
            chosen: record.organization.as_ref().map(convert::organization),
            profile,
        })
    }

    /// The workspaces of an account, of all its organisations.
    ///
    /// # Errors
    /// As [`Self::organizations`].
    pub(super) async fn workspaces(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<ListWorkspacesResponse, AgentError> {
        let (all, whose) = self.told(asked, until, workspaces_of).await?;
        let (profile, record) = whose.map(|(name, record)| (name.to_string(), record)).unwrap_or_default();
        Ok(ListWorkspacesResponse {
            workspaces: all.iter().map(convert::workspace).collect(),
            chosen: record.workspace.as_ref().map(convert::workspace),
            organization: record.organization.as_ref().map(convert::organization),
            profile,
        })
    }

    /// Chooses what is billed.
    ///
    /// # Errors
    /// As [`Self::organizations`]; `BAD_REQUEST` for a name that means none or several.
    pub(super) async fn choose_organization(
        &self,
        asked: ChooseOrganizationRequest,
        until: Moment,
    ) -> Result<ChooseResponse, AgentError> {
        let chooser = self.chooser(&asked.profile, &asked.authority)?;
        let former = chooser.record.organization.as_ref();
        let mut notes = Vec::new();
        let organization = match wanted(asked.choice.and_then(|choice| choice.choice))? {
            None => None,
            Some(wanted) => {
                let question = async |platform: &Platform, token: &AccessToken, _| platform.orgs(token).await;
                let (all, _) = self.asked(&chooser.name, until, question).await?;
                notes.extend(vanished(former, &all));
                Some(find(all.iter(), &wanted)?.clone())
            }
        };
        notes.extend(left(chooser.record.workspace.as_ref(), organization.as_ref()));
        self.keep(chooser, Choice::Organization(organization), notes).await
    }

    /// Chooses the workspace that programs get.
    ///
    /// # Errors
    /// As [`Self::choose_organization`], and for a workspace of another organisation than the chosen one.
    pub(super) async fn choose_workspace(
        &self,
        asked: ChooseWorkspaceRequest,
        until: Moment,
    ) -> Result<ChooseResponse, AgentError> {
        let chooser = self.chooser(&asked.profile, &asked.authority)?;
        let mut notes = Vec::new();
        let workspace = match wanted(asked.choice.and_then(|choice| choice.choice))? {
            None => None,
            Some(wanted) => {
                let (all, _) = self.asked(&chooser.name, until, workspaces_of).await?;
                notes.extend(vanished(chooser.record.workspace.as_ref(), &all));
                Some(find_workspace(&all, chooser.record.organization.as_ref(), &wanted)?.clone())
            }
        };
        self.keep(chooser, Choice::Workspace(workspace), notes).await
    }

    /// Whose choice it is, before anybody is asked: what comes in between makes the choice void.
    fn chooser(&self, name: &str, authority: &str) -> Result<Chooser, AgentError> {
        let name = self.registry.resolve(name, authority)?;
        let view = self.registry.worker(&name)?.view();
        let View { standing, generation, record, .. } = &*view;
        match standing {
            Standing::SignedOut => Err(AgentError::signed_out(&name)),
            Standing::SignedIn | Standing::Expired(_) => {
                Ok(Chooser { name, generation: *generation, record: Record::clone(record) })
            }
        }
    }

    async fn keep(
        &self,
        chooser: Chooser,
        choice: Choice,
        notes: Vec<String>,
    ) -> Result<ChooseResponse, AgentError> {
        let Chooser { name, generation, .. } = chooser;
        let worker = self.registry.worker(&name)?;
        worker.choose(choice, generation).await?;
        let view = worker.view();
        let status = status(&self.registry, &name, &view);
        let workspace = view.record.workspace.as_ref().map(convert::workspace);
        Ok(ChooseResponse { status: Some(status), notes, workspace })
    }

    /// The Platform's answer about an account, and the profile that it belongs to.
    async fn told<T>(
        &self,
        asked: AccountOf,
        until: Moment,
        question: impl AsyncFn(&Platform, &AccessToken, i64) -> Result<T, PlatformError>,
    ) -> Result<(T, Option<(ProfileName, Record)>), AgentError> {
        let name = match asked.account {
            Some(account_of::Account::InlineToken(token)) => {
                let profile = target::inline(&asked.settings.unwrap_or_default())?;
                let token = AccessToken::new(token.trim());
                let answer = question(&self.platform(&profile)?, &token, 0).await;
                return Ok((answer.map_err(|error| untold(&profile, &error))?, None));
            }
            Some(account_of::Account::Profile(name)) => name,
            None => String::new(),
        };
        let name = self.registry.resolve(&name, &asked.authority)?;
        let (answer, record) = self.asked(&name, until, question).await?;
        Ok((answer, Some((name, record))))
    }

    /// Where the organisations of a profile are. Another provider is not asked for any: its refusal would read as
    /// one of the token.
    fn platform(&self, profile: &Profile) -> Result<Platform, AgentError> {
        match profile.provider {
            Provider::Platform => Ok(self.providers.platform(profile)),
            Provider::SciToolkit => {
                let hint = "name a profile of a Platform with --profile; 'seqera profile list' shows all";
                let message = "SciToolkit has no organizations and workspaces";
                Err(AgentError::new(ErrorKind::Misconfigured, message, hint))
            }
        }
    }

    /// The Platform's answer to a profile's token. One that the Platform refuses is renewed, once.
    async fn asked<T>(
        &self,
        name: &ProfileName,
        until: Moment,
        question: impl AsyncFn(&Platform, &AccessToken, i64) -> Result<T, PlatformError>,
    ) -> Result<(T, Record), AgentError> {
        let mut ask = Ask::default();
        loop {
            let served = hand_out(&self.registry, name, ask.clone(), until).await?;
            let record = &served.record;
            let user = record.account.as_ref().map(|account| account.user_id).unwrap_or_default();
            let platform = self.platform(&record.profile)?;
            match question(&platform, &served.held.token, user).await {
                Ok(answer) => return Ok((answer, Record::clone(record))),
                Err(PlatformError::Unauthorized) if ask.rejected.is_none() => {
                    ask.rejected = Some(served.held.sha256.clone());
                }
                Err(error) => return Err(untold(&record.profile, &error)),
            }
        }
    }
}

/// Why there is nothing to choose from.
fn untold(profile: &Profile, error: &PlatformError) -> AgentError {
    match error {
        PlatformError::NotAPlatform(api) => {
            let message = format!("there is no Platform API at {api}, so no organizations and workspaces");
            let hint = "where the API is elsewhere, set SEQERA_PLATFORM_API_URL to it and sign in again";
            AgentError::new(ErrorKind::Misconfigured, message, hint)
        }
        PlatformError::Unreachable(why) => {
            let message = format!("{} could not be asked: {why}", profile.api());
            AgentError::new(ErrorKind::Unreachable, message, "nothing was changed; try again later")
        }
        other => describe::failure(profile, other),
    }
}

/// `user` is the account's id at the Platform, 0 where that is not known.
async fn workspaces_of(
    platform: &Platform,
    token: &AccessToken,
    user: i64,
) -> Result<Vec<Workspace>, PlatformError> {
    let user = if user == 0 { platform.user_info(token).await?.user.id } else { user };
    platform.workspaces(token, user).await
}

/// An id or a name; `None`: nothing shall be chosen.
fn wanted(choice: Option<Wanted>) -> Result<Option<String>, AgentError> {
    match choice {
        Some(Wanted::None(_)) => Ok(None),
        Some(Wanted::Wanted(wanted)) if wanted.len() > LONGEST => {
            let hint = "give the id, or the name as the Platform lists it";
            Err(AgentError::new(ErrorKind::BadRequest, "the choice is longer than any name", hint))
        }
        Some(Wanted::Wanted(wanted)) if !wanted.trim().is_empty() => Ok(Some(wanted)),
        Some(Wanted::Wanted(_)) | None => {
            Err(AgentError::new(ErrorKind::BadRequest, "the choice is empty", "give an id or a name"))
        }
    }
}

/// Chooses the profile that an empty name means; an empty name here means `default`. Answers which it is.
///
/// # Errors
/// `UNKNOWN_PROFILE` with near names, `STORE_FAILED` where it is not durable.
pub(super) async fn use_profile(registry: &Registry, asked: &str) -> Result<ProfileName, AgentError> {
    let fallback = ProfileName::fallback();
    let name: ProfileName = if asked.is_empty() { fallback.clone() } else { asked.parse()? };
    if name != fallback && !registry.names().contains(&name) {
        return Err(registry.unknown(&name));
    }
    let chosen = Some(name.clone()).filter(|name| *name != fallback);
    let written = registry.shared.state.set_default(chosen).await;
    written.map_err(|error| AgentError::not_durable(&error)).map(|()| name)
}

#[cfg(test)]
mod tests;
