use super::*;
use crate::clock::Clock;
use crate::leases::Order;
use crate::profile::Profile;
use crate::sessions::verdict::Ask;
use crate::storage::record::Ends;
use crate::storage::store::StoreError;
use crate::testing::fakes::{Agent, pass, profile, work};

fn lab() -> ProfileName {
    "lab".parse().unwrap()
}

async fn to_lab(agent: &Agent) -> Result<Vec<String>, AgentError> {
    rename(&agent.registry, work(), lab()).await
}

fn kind<T: std::fmt::Debug>(result: Result<T, AgentError>) -> ErrorKind {
    result.unwrap_err().kind
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_under_another_name_and_so_do_those_who_wait_and_watch() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.registry.shared.state.set_default(Some(work())).await.unwrap();
    let worker = agent.worker();
    let mut watched = worker.watch();
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    let registry = Arc::clone(&agent.registry);
    let renaming = tokio::spawn(async move { rename(&registry, work(), lab()).await });
    pass(1).await;
    agent.provider.held.send_replace(false);
    assert_eq!(caller.await.unwrap().unwrap(), "access-1", "the renewal comes first");
    assert_eq!(renaming.await.unwrap().unwrap(), Vec::<String>::new());
    watched.wait_for(|view| view.renamed == Some(lab())).await.unwrap();
    assert_eq!(kind(agent.registry.worker(&work()).map(drop)), ErrorKind::UnknownProfile);
    assert_eq!(agent.registry.present(work()), lab());
    let stored: Vec<_> = agent.store.contents().into_iter().collect();
    assert_eq!(stored, [(lab(), "refresh-1".to_owned())]);
    assert_eq!(agent.registry.resolve("", "").unwrap(), lab());

    agent.clock.jump(200);
    let until = agent.clock.now().plus(std::time::Duration::from_secs(30));
    let served = agent.registry.worker(&lab()).unwrap().token(Ask::default(), until).await.unwrap();
    assert_eq!(served.held.token.expose(), "access-2");
    assert_eq!(agent.store.contents()[&lab()], "refresh-2", "it is renewed under its new name");
    let agent = Arc::into_inner(agent).unwrap().restart().await;
    assert!(agent.registry.worker(&lab()).unwrap().view().is_usable());
    assert_eq!(agent.provider.revoked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_being_made_for_a_program_meanwhile_belongs_to_the_new_name() {
    let agent = Agent::signed_in().await;
    let shared = &agent.registry.shared;
    let record = shared.state.record(&work()).unwrap();
    let (by, program) = (crate::token::AccessToken::new("access-0"), "nextflow".to_owned());
    let order = Order { profile: work(), record, by, ends: Ends::At(u64::MAX), program };
    let outside = &agent.provider.outside;
    outside.held.send_replace(true);
    let (leases, access) = (Arc::clone(&shared.leases), Arc::clone(&agent.registry));
    let making = tokio::spawn(async move { leases.create(order, access).await });
    outside.called(1).await;
    to_lab(&agent).await.unwrap();
    outside.held.send_replace(false);
    assert_eq!(making.await.unwrap().unwrap().lease.profile, lab());
    agent.registry.worker(&lab()).unwrap().sign_out(false).await.unwrap();
    assert_eq!(outside.names(), [""; 0], "it ends with its session");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_after_that_comes_back_under_the_new_name() {
    let agent = Agent::signed_in().await;
    to_lab(&agent).await.unwrap();
    let worker = agent.registry.worker(&lab()).unwrap();
    worker.panic().await;
    pass(1).await;
    assert!(worker.view().is_usable());
    worker.sign_out(false).await.unwrap();
    assert!(agent.registry.shared.state.record(&lab()).unwrap().signed_out);
    assert_eq!(agent.registry.shared.state.record(&work()), None);
}

#[tokio::test(start_paused = true)]
async fn where_the_store_refuses_nothing_has_changed() {
    for error in [StoreError::Locked("no".into()), StoreError::Failed("full".into())] {
        let agent = Agent::signed_in().await;
        match error {
            StoreError::Locked(_) => agent.store.break_with(Some(error)),
            _ => agent.store.fail_next_save(error),
        }
        assert!(matches!(kind(to_lab(&agent).await), ErrorKind::KeychainLocked | ErrorKind::StoreFailed));
        agent.store.break_with(None);
        assert_eq!(agent.token(0, 30).await.unwrap(), "access-0");
        assert_eq!(agent.store.contents().len(), 1);
        assert_eq!(kind(agent.registry.worker(&lab()).map(drop)), ErrorKind::UnknownProfile);
        to_lab(&agent).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_or_means_something_else_is_refused() {
    let agent = Agent::signed_in().await;
    agent.login("home").await;
    let elsewhere = Profile { authority: "https://other.test/api".into(), ..Profile::default() };
    agent.registry.reload([("there".parse().unwrap(), elsewhere), (lab(), profile())].into());
    for taken in ["home", "work", "there", "scitoolkit"] {
        let refused = rename(&agent.registry, work(), taken.parse().unwrap()).await;
        assert_eq!(kind(refused), ErrorKind::BadRequest, "{taken}");
    }
    assert_eq!(kind(rename(&agent.registry, lab(), "x".parse().unwrap()).await), ErrorKind::BadRequest);
    assert_eq!(
        kind(rename(&agent.registry, "nobody".parse().unwrap(), lab()).await),
        ErrorKind::UnknownProfile
    );
    to_lab(&agent).await.unwrap();
    assert!(
        agent.registry.worker(&lab()).unwrap().view().is_usable(),
        "the file means the same account by it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_began_to_sign_in_under_the_new_name_before_is_not_installed() {
    let agent = Agent::signed_in().await;
    let early = agent.registry.ensure(&lab());
    let (granted, generation) = (agent.granted(), early.view().generation);
    to_lab(&agent).await.unwrap();
    let method = crate::storage::record::SignInMethod::Token;
    let login = crate::sessions::install::Login {
        profile: profile(),
        granted,
        method,
        generation,
        organization: None,
    };
    assert_eq!(kind(early.install(login).await), ErrorKind::Ended);
    assert_eq!(agent.store.contents().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_is_signed_out_is_forgotten_and_one_that_is_not_only_by_force() {
    let agent = Agent::signed_in().await;
    agent.registry.shared.state.set_default(Some(work())).await.unwrap();
    assert_eq!(kind(remove(&agent.registry, work(), false).await), ErrorKind::BadRequest);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-0");
    let (signed_out, notes) = remove(&agent.registry, work(), true).await.unwrap();
    assert_eq!(signed_out, Some(SignedOut::Revoked));
    assert!(notes[0].contains("chosen profile"), "{notes:?}");
    assert_eq!((agent.store.contents().len(), agent.registry.names().len()), (0, 0));
    let sessions = agent.registry.shared.state.snapshot();
    assert_eq!((sessions.profiles.len(), sessions.default_profile.clone()), (0, None));
    assert_eq!(kind(remove(&agent.registry, work(), false).await), ErrorKind::UnknownProfile);

    agent.login("lab").await.sign_out(false).await.unwrap();
    assert_eq!(remove(&agent.registry, lab(), false).await.unwrap(), (None, Vec::new()));
    let agent = agent.restart().await;
    assert!(agent.registry.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_profile_whose_secret_cannot_be_removed_stays_known() {
    let agent = Agent::signed_in().await;
    agent.store.break_with(Some(StoreError::Failed("read-only".into())));
    assert_eq!(kind(remove(&agent.registry, work(), true).await), ErrorKind::StoreFailed);
    assert!(agent.registry.shared.state.record(&work()).is_some());
    assert_eq!(kind(to_lab(&agent).await), ErrorKind::KeychainLocked);
}
