use crate::storage::record::SignInMethod;
use std::sync::Arc;

use seqera_agent_proto::v1::account_of::Account;
use seqera_agent_proto::v1::{self};
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock as _;
use crate::profile::Profile;
use crate::providers::http::{Http, Limits};
use crate::providers::known::Providers;
use crate::sessions::install::Login;
use crate::testing::double::{Double, answer, json_answer};
use crate::testing::fakes::{Agent, profile, work};

/// A signed-in profile `work` whose Platform is a test double.
struct Bench {
    agent: Agent,
    double: Double,
    providers: Providers,
}

impl Bench {
    async fn new() -> Self {
        let (agent, double) = (Agent::start(), Double::bare().await);
        let worker = agent.registry.ensure(&work());
        let mut granted = agent.granted();
        granted.account.user_id = 5;
        let profile = Profile { api_url: double.url.clone(), endpoints_of: profile().authority, ..profile() };
        let generation = worker.view().generation;
        let login = Login { profile, granted, method: SignInMethod::Browser, generation, organization: None };
        worker.install(login).await.unwrap();
        let http = Http::new(agent.clock.clone(), Limits::default());
        let providers = Providers::new(http, agent.clock.clone());
        let bench = Self { agent, double, providers };
        bench.has(&[(1, "lab"), (2, "clinic")]);
        bench
    }

    fn choices(&self) -> Choices<'_> {
        Choices { registry: &self.agent.registry, issuers: &self.providers }
    }

    /// Sets the Platform's organisations, each with one workspace `<name>-rna`.
    fn has(&self, orgs: &[(i64, &str)]) {
        let org = |(id, name): &(i64, &str)| json!({ "orgId": id, "name": name });
        let row = |(id, name): &(i64, &str)| {
            let (workspace, of) = (id * 10, format!("{name}-rna"));
            json!({ "orgId": id, "orgName": name, "workspaceId": workspace, "workspaceName": of })
        };
        let list = json!({ "organizations": orgs.iter().map(org).collect::<Vec<Value>>() });
        let rows = json!({ "orgsAndWorkspaces": orgs.iter().map(row).collect::<Vec<Value>>() });
        self.double.script("GET /orgs", json_answer(200, &list));
        self.double.script("GET /user/5/workspaces", json_answer(200, &rows));
    }

    fn until(&self) -> Moment {
        self.agent.clock.now().plus(std::time::Duration::from_secs(30))
    }

    async fn list(&self) -> Result<ListOrganizationsResponse, AgentError> {
        let account = Some(Account::Profile("work".into()));
        self.choices().organizations(AccountOf { account, ..AccountOf::default() }, self.until()).await
    }

    async fn switch(&self, wanted: &str) -> Result<ChooseResponse, AgentError> {
        let choice = choice(wanted);
        let asked = ChooseOrganizationRequest { profile: "work".into(), choice, ..Default::default() };
        self.choices().choose_organization(asked, self.until()).await
    }

    async fn workspace(&self, wanted: &str) -> Result<ChooseResponse, AgentError> {
        let choice = choice(wanted);
        let asked = ChooseWorkspaceRequest { profile: "work".into(), choice, ..Default::default() };
        self.choices().choose_workspace(asked, self.until()).await
    }
}

/// An empty text clears the choice.
fn choice(wanted: &str) -> Option<v1::Choice> {
    let choice = if wanted.is_empty() { Wanted::None(true) } else { Wanted::Wanted(wanted.into()) };
    Some(v1::Choice { choice: Some(choice) })
}

#[tokio::test]
async fn an_organisation_and_a_workspace_in_it_are_chosen_shown_and_cleared() {
    let bench = Bench::new().await;
    assert_eq!(bench.list().await.unwrap().chosen, None);
    let chosen = bench.switch("CLINIC").await.unwrap();
    assert_eq!(chosen.status.unwrap().organization.unwrap().id, 2);
    let status = bench.workspace("clinic-rna").await.unwrap().status.unwrap();
    assert_eq!((status.workspace_id, status.workspace_name.as_str()), (20, "clinic-rna"));
    let elsewhere = bench.workspace("lab-rna").await.unwrap_err();
    assert!(elsewhere.hint().contains("seqera org switch 1"), "{elsewhere}");
    let moved = bench.switch("1").await.unwrap();
    assert!(moved.notes[0].contains("clinic-rna") && moved.status.unwrap().workspace_id == 0);
    let cleared = bench.switch("").await.unwrap().status.unwrap();
    assert!(cleared.organization.is_none() && cleared.organization_is_chosen);
    assert_eq!(bench.workspace("lab/lab-rna").await.unwrap().status.unwrap().workspace_id, 10);
    assert_eq!(bench.workspace("").await.unwrap().status.unwrap().workspace_id, 0);
}

#[tokio::test]
async fn a_choice_that_has_vanished_is_kept_and_said_when_another_is_made() {
    let bench = Bench::new().await;
    bench.switch("clinic").await.unwrap();
    bench.has(&[(1, "lab")]);
    let listed = bench.list().await.unwrap();
    assert_eq!((listed.organizations.len(), listed.chosen.unwrap().id), (1, 2));
    let next = bench.switch("lab").await.unwrap();
    assert!(next.notes[0].contains("clinic (2) is no longer one of yours"), "{:?}", next.notes);
}

#[tokio::test]
async fn a_token_that_the_platform_refuses_is_renewed_once() {
    let bench = Bench::new().await;
    let list = json_answer(200, &json!({ "organizations": [] }));
    bench.double.scripts("GET /orgs", [answer(401, &[], ""), list]);
    assert!(bench.list().await.unwrap().organizations.is_empty());
    let seen = bench.double.seen("GET /orgs");
    assert!(seen[0].head.contains("Bearer access-0") && seen[1].head.contains("Bearer access-1"));
    bench.double.script("GET /orgs", answer(401, &[], ""));
    assert!(bench.list().await.is_err());
    assert!(bench.agent.provider.calls() <= 2, "it does not go round");
}

#[tokio::test]
async fn where_there_is_no_platform_that_is_said_and_a_choice_can_still_be_cleared() {
    let bench = Bench::new().await;
    bench.switch("lab").await.unwrap();
    bench.double.script("GET /orgs", answer(404, &[], "no such page"));
    let error = bench.list().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(
        error.to_string().contains("no Platform API") && error.hint().contains("SEQERA_PLATFORM_API_URL")
    );
    assert!(bench.switch("").await.unwrap().status.unwrap().organization.is_none());
}

#[tokio::test]
async fn a_token_given_inline_lists_and_has_nothing_chosen() {
    let bench = Bench::new().await;
    bench.double.script("GET /user-info", json_answer(200, &json!({ "user": { "id": 5 } })));
    let settings = Some(v1::ProfileSettings { authority: bench.double.url.clone(), ..Default::default() });
    let account = Some(Account::InlineToken(" inline-1\n".into()));
    let asked = AccountOf { account, settings, ..AccountOf::default() };
    let listed = bench.choices().workspaces(asked, bench.until()).await.unwrap();
    assert_eq!((listed.workspaces.len(), listed.chosen, listed.profile.as_str()), (2, None, ""));
    let seen = bench.double.seen("GET /user/5/workspaces");
    assert!(seen[0].head.contains("Bearer inline-1"));
}

#[tokio::test(start_paused = true)]
async fn the_profile_that_an_empty_name_means_is_chosen_among_those_that_are_known() {
    let agent = Agent::signed_in().await;
    agent.login("home").await;
    let registry = Arc::clone(&agent.registry);
    let of_authority = || registry.of_authority("https://sandbox.test/api").unwrap().to_string();
    assert_eq!(of_authority(), "home");
    agent.login("ci").await;
    agent.login("default").await;
    assert_eq!(of_authority(), "default", "whatever other profiles are called");
    use_profile(&registry, "work").await.unwrap();
    assert_eq!(registry.resolve("", "").unwrap(), work());
    assert_eq!(of_authority(), "work", "of two at one authority the chosen one is meant");
    let unknown = use_profile(&registry, "wrok").await.unwrap_err();
    assert!(unknown.kind == ErrorKind::UnknownProfile && unknown.hint().contains("'work'"), "{unknown}");
    assert_eq!(use_profile(&registry, "No Name").await.unwrap_err().kind, ErrorKind::BadRequest);
    drop(registry);
    let agent = agent.restart().await;
    assert_eq!(agent.registry.resolve("", "").unwrap(), work());
    use_profile(&agent.registry, "").await.unwrap();
    assert_eq!(agent.registry.resolve("", "").unwrap().as_str(), "default");
}

#[tokio::test]
async fn a_name_that_no_answer_could_quote_is_refused_before_anybody_is_asked() {
    let bench = Bench::new().await;
    let error = bench.switch(&"x".repeat(20_000)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.to_string().len() < 100 && bench.double.seen("GET /orgs").is_empty(), "{error}");
}

#[tokio::test]
async fn a_provider_that_has_no_organizations_is_not_asked_for_any() {
    let bench = Bench::new().await;
    let worker = bench.agent.registry.ensure(&work());
    let profile = Profile {
        provider: crate::providers::scitoolkit::ID,
        api_url: bench.double.url.clone(),
        endpoints_of: profile().authority,
        ..profile()
    };
    let (granted, generation) = (bench.agent.granted(), worker.view().generation);
    let login = Login { profile, granted, method: SignInMethod::Browser, generation, organization: None };
    worker.install(login).await.unwrap();
    let error = bench.switch("lab").await.unwrap_err();
    assert!(error.to_string().contains("SciToolkit has no organizations"), "{error}");
    assert!(bench.double.seen("GET /orgs").is_empty());
}
