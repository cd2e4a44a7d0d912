//! Organisations and workspaces as the Platform lists them, and the calls about them.

use std::future::Future;
use std::time::Duration;

use seqera_client::proto::v1::{ChooseResponse, Organization, SessionStatus, Workspace};
use seqera_client::{Client, Error};
use serde_json::{Value, json};

use crate::commands::described::perhaps_enterprise;
use crate::screen::ask::Choice;
use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::subject::{Named, Subject};

/// Anybody who waits longer wants to know what for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Organization,
    Workspace,
}

/// The words for it.
pub(super) struct Words {
    /// Used in sentences, and as a key of objects.
    pub(super) word: &'static str,
    pub(super) heading: &'static str,
    pub(super) command: &'static str,
    /// Ends the sentence which says that none is chosen.
    pub(super) without: &'static str,
    /// What to do instead while a token in the environment is used.
    pub(super) instead: &'static str,
}

impl Kind {
    pub(super) fn words(self) -> Words {
        match self {
            Self::Organization => Words {
                word: "organization",
                heading: "Organization",
                command: "org",
                without: "",
                instead: "name a profile with --profile, or unset the variable",
            },
            Self::Workspace => Words {
                word: "workspace",
                heading: "Workspace",
                command: "workspace",
                without: ": programs use the account's own",
                instead: "set TOWER_WORKSPACE_ID as well, or name a profile with --profile",
            },
        }
    }

    /// Chooses an item by id or name; `None` chooses nothing.
    pub(super) async fn choose(self, client: &Client, wanted: Option<&str>) -> Result<ChooseResponse, Error> {
        match self {
            Self::Organization => client.choose_organization(wanted).await,
            Self::Workspace => client.choose_workspace(wanted).await,
        }
    }

    /// What the agent remembers as chosen.
    pub(super) fn chosen(self, status: &SessionStatus) -> Option<Item> {
        let organization = status.organization.clone().filter(|one| one.id != 0);
        match self {
            Self::Organization => organization.map(Item::from),
            Self::Workspace => (status.workspace_id != 0).then(|| Item {
                id: status.workspace_id,
                name: status.workspace_name.clone(),
                full_name: String::new(),
                organization: Some(organization.unwrap_or_default()),
            }),
        }
    }

    /// Lists what the Platform has for a profile, or for a token in the environment.
    pub(super) fn list(self, context: &Context, subject: Subject) -> Result<Listing, Failure> {
        match subject {
            Subject::Profile(named) => {
                let client = context.client(named)?;
                wait(patiently(context, self, self.of_profile(&client)))
            }
            Subject::Token(token) => {
                let settings = context.settings_of(&token)?;
                let client = context.client(Named::default())?;
                wait(patiently(context, self, self.of_token(&client, &token, &settings)))
                    .map_err(|failure| perhaps_enterprise(failure, &settings))
            }
        }
    }

    /// Lists what the Platform has for the client's profile.
    pub(super) async fn of_profile(self, client: &Client) -> Result<Listing, Error> {
        Ok(match self {
            Self::Organization => client.organizations().await?.into(),
            Self::Workspace => client.workspaces().await?.into(),
        })
    }

    async fn of_token(self, client: &Client, token: &EnvToken, to: &Settings) -> Result<Listing, Error> {
        Ok(match self {
            Self::Organization => client.organizations_of_token(&token.secret, to.message()).await?.into(),
            Self::Workspace => client.workspaces_of_token(&token.secret, to.message()).await?.into(),
        })
    }
}

/// Waits for an answer, and says what for if the Platform takes long.
pub(super) async fn patiently<T>(
    context: &Context,
    kind: Kind,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        response = &mut answer => return Ok(response?),
        () = tokio::time::sleep(PATIENCE), if !context.screen.json => {
            context.screen.tell(&format!("asking the Platform for your {}s...", kind.words().word));
        }
    }
    Ok(answer.await?)
}

/// An organisation or a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) name: String,
    full_name: String,
    /// Set for a workspace only.
    organization: Option<Organization>,
}

impl From<Organization> for Item {
    fn from(one: Organization) -> Self {
        Self { id: one.id, name: one.name, full_name: one.full_name, organization: None }
    }
}

impl From<Workspace> for Item {
    fn from(one: Workspace) -> Self {
        let organization = Some(one.organization.unwrap_or_default());
        Self { id: one.id, name: one.name, full_name: one.full_name, organization }
    }
}

impl Item {
    /// The full name; empty if it says no more than the name.
    pub(super) fn full_name(&self) -> String {
        if self.full_name == self.name { String::new() } else { self.full_name.clone() }
    }

    pub(super) fn organization(&self) -> String {
        self.organization.as_ref().map(|of| of.name.clone()).unwrap_or_default()
    }

    /// What a person can type for this item, whatever else is chosen.
    pub(super) fn address(&self) -> String {
        match &self.organization {
            Some(of) => format!("{}/{}", of.name, self.name),
            None => self.name.clone(),
        }
    }

    /// What a person chooses from, in one organisation or in all of them.
    pub(super) fn choice(&self, within_one: bool) -> Choice {
        let name = if within_one { self.name.clone() } else { self.address() };
        let full_name = self.full_name();
        let shown = if full_name.is_empty() { name.clone() } else { format!("{name}  ({full_name})") };
        Choice { shown, names: vec![name, self.name.clone(), full_name, self.id.to_string()] }
    }

    pub(super) fn object(&self) -> Value {
        let mut object = json!({"id": self.id, "name": self.name, "full_name": self.full_name});
        if let Some(of) = &self.organization {
            object["organization"] = json!({"id": of.id, "name": of.name});
        }
        object
    }
}

/// The items that the Platform lists, and the chosen one.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) all: Vec<Item>,
    pub(super) chosen: Option<Item>,
    /// The organisation whose workspaces can be chosen; `None`: any.
    pub(super) organization: Option<Organization>,
    /// Empty for a token in the environment.
    pub(super) profile: String,
}

impl From<seqera_client::proto::v1::ListOrganizationsResponse> for Listing {
    fn from(response: seqera_client::proto::v1::ListOrganizationsResponse) -> Self {
        let all = response.organizations.into_iter().map(Item::from).collect();
        Self { all, chosen: response.chosen.map(Item::from), organization: None, profile: response.profile }
    }
}

impl From<seqera_client::proto::v1::ListWorkspacesResponse> for Listing {
    fn from(response: seqera_client::proto::v1::ListWorkspacesResponse) -> Self {
        let all = response.workspaces.into_iter().map(Item::from).collect();
        let (chosen, organization) = (response.chosen.map(Item::from), response.organization);
        Self { all, chosen, organization, profile: response.profile }
    }
}

impl Listing {
    /// The chosen item, if the Platform no longer has it.
    pub(super) fn vanished(&self) -> Option<&Item> {
        self.chosen.as_ref().filter(|chosen| self.all.iter().all(|one| one.id != chosen.id))
    }

    pub(super) fn is_chosen(&self, one: &Item) -> bool {
        self.chosen.as_ref().is_some_and(|chosen| chosen.id == one.id)
    }

    /// The items that can be chosen now.
    pub(super) fn reachable(&self) -> Vec<&Item> {
        let here = |one: &&Item| match (&self.organization, &one.organization) {
            (Some(chosen), Some(of)) => chosen.id == of.id,
            (None, _) | (_, None) => true,
        };
        self.all.iter().filter(here).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(id: i64) -> Organization {
        Organization { id, name: format!("organization-{id}"), full_name: String::new() }
    }

    fn workspace(id: i64, of: i64) -> Item {
        let name = format!("workspace-{id}");
        Workspace { id, name, full_name: String::new(), organization: Some(organization(of)) }.into()
    }

    #[test]
    fn workspaces_are_picked_from_the_chosen_organisation_and_from_all_where_none_is_chosen() {
        let all = vec![workspace(1, 7), workspace(2, 8)];
        let any = Listing { all: all.clone(), ..Listing::default() };
        assert_eq!(any.reachable().len(), 2);
        let one = Listing { all, organization: Some(organization(8)), ..Listing::default() };
        assert_eq!(one.reachable().iter().map(|one| one.id).collect::<Vec<_>>(), [2]);
        let organizations = Listing { all: vec![organization(7).into()], ..one };
        assert_eq!(organizations.reachable().len(), 1);
    }

    #[test]
    fn a_choice_that_the_platform_does_not_list_has_vanished() {
        let all = vec![Item::from(organization(7))];
        let chosen =
            |id| Listing { all: all.clone(), chosen: Some(organization(id).into()), ..Listing::default() };
        assert_eq!(chosen(8).vanished().map(|one| one.id), Some(8));
        assert_eq!((chosen(7).vanished(), chosen(7).is_chosen(&all[0])), (None, true));
        assert_eq!(Listing { all: all.clone(), ..Listing::default() }.vanished(), None);
    }
}
