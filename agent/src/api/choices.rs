//! `Sessions`: organisations, workspaces, and the profile that an empty name means. The Platform is asked for
//! what there is; what is chosen goes through the profile's worker.

use async_trait::async_trait;
use seqera_agent_proto::v1::choice::Choice as Wanted;
use seqera_agent_proto::v1::{
    AccountOf, ChooseOrganizationRequest, ChooseResponse, ChooseWorkspaceRequest, ListOrganizationsResponse,
    ListWorkspacesResponse, account_of,
};

use crate::api::convert;
use crate::api::status::status;
use crate::api::tokens::hand_out;
use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::providers::{Issuer, Issuers, Untold};
use crate::sessions::choice::{Choice, find, find_workspace, left, vanished};
use crate::sessions::registry::Registry;
use crate::sessions::target;
use crate::sessions::verdict::{Ask, Standing};
use crate::sessions::view::View;
use crate::storage::record::Record;
use crate::token::{AccessToken, Kind, Organization, Workspace};

/// Bytes of a name. Longer ones would not fit into the answer that quotes them.
const LONGEST: usize = 1000;

/// A profile whose choice is to change, and the session that the choice is made for.
struct Chooser {
    name: ProfileName,
    generation: u64,
    record: Record,
}

/// What a provider can be asked for with a token.
#[async_trait]
trait Question {
    type Answer: Send;
    /// Asks once. `user` is the account's id at the Platform, 0 where that is not known.
    async fn put(issuer: &dyn Issuer, token: &AccessToken, user: i64) -> Result<Self::Answer, Untold>;
}

struct Organizations;

#[async_trait]
impl Question for Organizations {
    type Answer = Vec<Organization>;

    async fn put(issuer: &dyn Issuer, token: &AccessToken, _: i64) -> Result<Self::Answer, Untold> {
        issuer.organizations(token).await
    }
}

struct Workspaces;

#[async_trait]
impl Question for Workspaces {
    type Answer = Vec<Workspace>;

    async fn put(issuer: &dyn Issuer, token: &AccessToken, user: i64) -> Result<Self::Answer, Untold> {
        issuer.workspaces(token, user).await
    }
}

/// Asks for what there is to choose from, and keeps choices.
pub(super) struct Choices<'a> {
    /// All profiles.
    pub(super) registry: &'a Registry,
    /// Ask the providers.
    pub(super) issuers: &'a dyn Issuers,
}

impl Choices<'_> {
    /// The organisations of an account.
    ///
    /// # Errors
    /// Where the profile has no token, or its provider does not say.
    pub(super) async fn organizations(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<ListOrganizationsResponse, AgentError> {
        let (all, whose) = self.told::<Organizations>(asked, until).await?;
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
        let (all, whose) = self.told::<Workspaces>(asked, until).await?;
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
                let (all, _) = self.asked::<Organizations>(&chooser.name, until).await?;
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
                let (all, _) = self.asked::<Workspaces>(&chooser.name, until).await?;
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
        let status = status(self.registry, &name, &view);
        let workspace = view.record.workspace.as_ref().map(convert::workspace);
        Ok(ChooseResponse { status: Some(status), notes, workspace })
    }

    /// The Platform's answer about an account, and the profile that it belongs to.
    async fn told<Q: Question>(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<(Q::Answer, Option<(ProfileName, Record)>), AgentError> {
        let name = match asked.account {
            Some(account_of::Account::InlineToken(token)) => {
                let profile = target::inline(&asked.settings.unwrap_or_default())?;
                let token = AccessToken::new(token.trim());
                let issuer = self.issuers.issuer(&profile, Kind::Fixed);
                return Ok((Q::put(&*issuer, &token, 0).await?, None));
            }
            Some(account_of::Account::Profile(name)) => name,
            None => String::new(),
        };
        let name = self.registry.resolve(&name, &asked.authority)?;
        let (answer, record) = self.asked::<Q>(&name, until).await?;
        Ok((answer, Some((name, record))))
    }

    /// The Platform's answer to a profile's token. One that the Platform refuses is renewed, once.
    async fn asked<Q: Question>(
        &self,
        name: &ProfileName,
        until: Moment,
    ) -> Result<(Q::Answer, Record), AgentError> {
        let mut ask = Ask::default();
        loop {
            let served = hand_out(self.registry, name, ask.clone(), until).await?;
            let record = &served.record;
            let user = record.account.as_ref().map(|account| account.user_id).unwrap_or_default();
            let issuer = self.issuers.issuer(&record.profile, record.kind);
            match Q::put(&*issuer, &served.held.token, user).await {
                Ok(answer) => return Ok((answer, Record::clone(record))),
                Err(Untold::Refused(_)) if ask.rejected.is_none() => {
                    ask.rejected = Some(served.held.sha256.clone());
                }
                Err(untold) => return Err(untold.into()),
            }
        }
    }
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
