//! Service `Sessions`: organisations, workspaces, and the profile that an empty name means. The Platform
//! lists what exists; the profile's worker records the choice.

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
use crate::error::{AgentError, ErrorKind, Typed};
use crate::profile::ProfileName;
use crate::providers::{Issuer, Issuers, Untold};
use crate::sessions::choice::{Choice, find, find_workspace, left, vanished};
use crate::sessions::registry::Registry;
use crate::sessions::verdict::{Ask, Standing};
use crate::sessions::view::View;
use crate::sessions::{given, target};
use crate::storage::record::Record;
use crate::token::{AccessToken, Kind, Organization, Workspace};

/// The longest name in bytes. A longer one would not fit into the answer that quotes it.
const LONGEST: usize = 1000;

/// The profile whose choice changes, and the session that the choice is made for.
struct Chooser {
    name: ProfileName,
    generation: u64,
    record: Record,
}

/// A question that a provider answers for the owner of a token.
#[async_trait]
trait Question {
    type Answer: Send;
    /// Sends one request. `user` is the account's id at the Platform, or 0 if unknown.
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

/// Lists organisations and workspaces, and records which one is chosen.
pub(super) struct Choices<'a> {
    pub(super) registry: &'a Registry,
    pub(super) issuers: &'a dyn Issuers,
}

impl Choices<'_> {
    /// Lists the organisations of an account.
    ///
    /// # Errors
    /// If the profile has no token, or its provider does not answer or has no organisations.
    pub(super) async fn organizations(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<ListOrganizationsResponse, AgentError> {
        let (all, whose) = self.for_account::<Organizations>(asked, until).await?;
        let (profile, record) = whose.map(|(name, record)| (name.to_string(), record)).unwrap_or_default();
        Ok(ListOrganizationsResponse {
            organizations: all.iter().map(convert::organization).collect(),
            chosen: record.organization.as_ref().map(convert::organization),
            profile,
        })
    }

    /// Lists the workspaces of an account in all its organisations.
    ///
    /// # Errors
    /// As for [`Self::organizations`].
    pub(super) async fn workspaces(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<ListWorkspacesResponse, AgentError> {
        let (all, whose) = self.for_account::<Workspaces>(asked, until).await?;
        let (profile, record) = whose.map(|(name, record)| (name.to_string(), record)).unwrap_or_default();
        Ok(ListWorkspacesResponse {
            workspaces: all.iter().map(convert::workspace).collect(),
            chosen: record.workspace.as_ref().map(convert::workspace),
            organization: record.organization.as_ref().map(convert::organization),
            profile,
        })
    }

    /// Chooses the organisation that is billed.
    ///
    /// # Errors
    /// As for [`Self::organizations`], and `BAD_REQUEST` if the name matches no organisation or several.
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
                let (all, _) = self.for_profile::<Organizations>(&chooser.name, until).await?;
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
    /// As for [`Self::choose_organization`], and if the workspace is outside the chosen organisation.
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
                let (all, _) = self.for_profile::<Workspaces>(&chooser.name, until).await?;
                notes.extend(vanished(chooser.record.workspace.as_ref(), &all));
                let found = find_workspace(&all, chooser.record.organization.as_ref(), &wanted);
                Some(found.map_err(|error| error.typed(&Typed::of(&chooser.name)))?.clone())
            }
        };
        self.keep(chooser, Choice::Workspace(workspace), notes).await
    }

    /// Notes the session before the Platform is asked. If the session changes in between, the choice is void.
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

    /// The Platform's answer about an account, and its profile unless the caller sent a token.
    async fn for_account<Q: Question>(
        &self,
        asked: AccountOf,
        until: Moment,
    ) -> Result<(Q::Answer, Option<(ProfileName, Record)>), AgentError> {
        let name = match asked.account {
            Some(account_of::Account::InlineToken(token)) => {
                let profile = target::inline(&asked.settings.unwrap_or_default())?;
                let token = given::access_token(&token)?;
                let issuer = self.issuers.issuer(&profile, Kind::Fixed);
                return Ok((Q::put(&*issuer, &token, 0).await?, None));
            }
            Some(account_of::Account::Profile(name)) => name,
            None => String::new(),
        };
        let name = self.registry.resolve(&name, &asked.authority)?;
        let (answer, record) = self.for_profile::<Q>(&name, until).await?;
        Ok((answer, Some((name, record))))
    }

    /// The Platform's answer to a profile's token. If the Platform refuses the token, it is renewed once.
    async fn for_profile<Q: Question>(
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

/// The id or name to choose. `None` clears the choice.
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

/// Chooses the profile that an empty name means, and returns it. An empty name here means `default`.
///
/// # Errors
/// `UNKNOWN_PROFILE` with similar names, or `STORE_FAILED` if the choice cannot be written to disk.
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
