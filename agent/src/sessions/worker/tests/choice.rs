//! Choices that coincide with renewals, logins and sign-outs. Under a paused clock.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::error::{AgentError, ErrorKind};
use crate::sessions::choice::Choice;
use crate::sessions::install::{Login, look_up};
use crate::storage::record::{Record, SignInMethod};
use crate::testing::fakes::{Agent, pass, profile, work};
use crate::token::{Account, Memberships, Organization};

fn organization(id: i64) -> Organization {
    Organization { id, name: format!("organization-{id}").into(), ..Organization::default() }
}

fn choosing(agent: &Arc<Agent>, id: i64) -> JoinHandle<Result<(), ErrorKind>> {
    let worker = agent.worker();
    let generation = worker.view().generation;
    let choice = Choice::Organization(Some(organization(id)));
    tokio::spawn(async move { worker.choose(choice, generation).await.map_err(|error| error.kind) })
}

fn recorded(agent: &Agent) -> Record {
    Arc::unwrap_or_clone(agent.registry.shared.state.record(&work()).unwrap())
}

async fn login(agent: &Agent, subject: &str, wanted: Option<&str>) -> Result<Vec<String>, AgentError> {
    let worker = agent.registry.ensure(&work());
    let mut granted = agent.granted();
    granted.account.subject = subject.into();
    let organizations = vec![organization(1), organization(2)];
    granted.memberships = Some(Memberships { organizations, workspaces: None });
    let generation = worker.view().generation;
    let (profile, shared) = (profile(), &agent.registry.shared);
    let organization = look_up(wanted, &mut granted, (&work(), &profile), shared).await?;
    let login = Login { profile, granted, method: SignInMethod::Browser, generation, organization };
    worker.install(login).await
}

#[tokio::test(start_paused = true)]
async fn a_choice_and_a_renewal_that_save_at_the_same_time_lose_nothing_of_each_other() {
    let agent = Arc::new(Agent::signed_in().await);
    let before = recorded(&agent).secret_sha256;
    agent.store.hold_saves();
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    let choice = choosing(&agent, 7);
    pass(1).await;
    agent.store.release();
    assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    choice.await.unwrap().unwrap();
    let seen = recorded(&agent);
    assert_eq!(seen.organization, Some(organization(7)));
    assert!(seen.secret_sha256 != before && seen.intent.is_none(), "{seen:?}");
    assert_eq!(agent.worker().view().record.organization, Some(organization(7)));
    agent.clock.jump(200);
    agent.token(0, 30).await.unwrap();
    assert_eq!(recorded(&agent).organization, Some(organization(7)), "the next renewal keeps it");
    let agent = Arc::into_inner(agent).unwrap().restart().await;
    assert_eq!(agent.worker().view().record.organization, Some(organization(7)));
}

#[tokio::test(start_paused = true)]
async fn a_choice_for_an_account_that_has_gone_is_refused() {
    let agent = Arc::new(Agent::signed_in().await);
    let worker = agent.worker();
    let generation = worker.view().generation;
    login(&agent, "grace", None).await.unwrap();
    let late = worker.choose(Choice::Organization(Some(organization(7))), generation).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::Ended);
    assert_eq!(recorded(&agent).organization, Some(organization(1)));
    worker.sign_out(false).await.unwrap();
    assert_eq!(choosing(&agent, 7).await.unwrap(), Err(ErrorKind::SignedOut));
    assert_eq!(recorded(&agent).organization, None);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_has_the_last_word_over_a_choice_that_waits() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let _caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    let choice = choosing(&agent, 7);
    pass(1).await;
    let worker = agent.worker();
    let out = tokio::spawn(async move { worker.sign_out(false).await });
    pass(1).await;
    agent.provider.held.send_replace(false);
    out.await.unwrap().unwrap();
    assert_eq!(choice.await.unwrap(), Err(ErrorKind::Ended));
    assert_eq!(recorded(&agent).organization, None);
}

#[tokio::test(start_paused = true)]
async fn the_same_account_keeps_its_choice_at_a_login_and_another_account_does_not() {
    let agent = Arc::new(Agent::start());
    assert_eq!(login(&agent, "ada", None).await.unwrap(), Vec::<String>::new());
    assert_eq!(recorded(&agent).organization, Some(organization(1)));
    choosing(&agent, 2).await.unwrap().unwrap();
    login(&agent, "ada", None).await.unwrap();
    assert_eq!(recorded(&agent).organization, Some(organization(2)));
    let worker = agent.worker();
    let generation = worker.view().generation;
    worker.choose(Choice::Organization(None), generation).await.unwrap();
    login(&agent, "ada", None).await.unwrap();
    assert_eq!(recorded(&agent).organization, None, "cleared stays cleared");
    login(&agent, "grace", None).await.unwrap();
    assert_eq!(recorded(&agent).organization, Some(organization(1)));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_asks_for_an_organisation_that_is_not_there_replaces_nothing() {
    let agent = Arc::new(Agent::start());
    login(&agent, "ada", Some("organization-2")).await.unwrap();
    let (before, stored) = (recorded(&agent), agent.stored());
    assert_eq!((&before.organization, before.organization_is_chosen), (&Some(organization(2)), true));
    let refused = login(&agent, "grace", Some("nope")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest);
    assert!(refused.to_string().contains("\"nope\"") && refused.hint().contains("organization-1 (1)"));
    assert_eq!((recorded(&agent).account, agent.stored()), (before.account, stored));
    pass(1).await;
    assert_eq!(agent.provider.revoked(), ["refresh-0", "access-0"], "nobody else would ever do it");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_asks_for_an_organisation_fails_where_nobody_tells_which_there_are() {
    let agent = Agent::start();
    let (mut granted, profile, shared) = (agent.granted(), profile(), &agent.registry.shared);
    let refused = look_up(Some("lab"), &mut granted, (&work(), &profile), shared).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Misconfigured);
    assert_eq!(look_up(None, &mut granted, (&work(), &profile), shared).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_person_keeps_a_choice_where_another_way_to_sign_in_names_another_subject() {
    let agent = Arc::new(Agent::start());
    let sign_in = async |subject: &str, user_id| {
        let worker = agent.registry.ensure(&work());
        let mut granted = agent.granted();
        granted.account = Account { subject: subject.into(), user_id, ..Account::default() };
        let (profile, generation) = (profile(), worker.view().generation);
        let login = Login { profile, granted, method: SignInMethod::Token, generation, organization: None };
        worker.install(login).await.unwrap();
    };
    sign_in("oidc-subject", 7).await;
    choosing(&agent, 2).await.unwrap().unwrap();
    sign_in("7", 7).await;
    assert_eq!(recorded(&agent).organization, Some(organization(2)));
    sign_in("8", 8).await;
    assert_eq!(recorded(&agent).organization, None);
}
