//! Where the password of a proxy comes from, and how long it stays with a session.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::ExposeSecret;

use super::*;
use crate::profile::ProfileName;
use crate::providers::{Issuer, Revocable, Revocation};
use crate::storage::record::Record;
use crate::testing::fakes::{Agent, pass, work};

const PROXY: &str = "http://ada@proxy.test:3128";

fn brought(password: &str) -> Network {
    Network::read(&PROXY.replace('@', &format!(":{password}@")), "", "").unwrap()
}

fn shown(password: Option<Password>) -> Option<String> {
    password.map(|password| password.open().expose_secret().to_owned())
}

/// Makes the profile use the proxy, and stores this password with its secret.
async fn keep(agent: &Agent, name: &ProfileName, password: &str, logged_in_at: u64) {
    let shared = &agent.registry.shared;
    let change = move |record: &mut Record| {
        record.profile.network = brought("x").recorded();
        record.logged_in_at = Some(logged_in_at);
    };
    shared.state.update(name, change).await.unwrap();
    let place = shared.state.record(name).unwrap().store.unwrap();
    let mut stored = shared.ladder.load(name, place).await.unwrap().unwrap();
    stored.proxy_password = Some(Password::new(password));
    let patience = crate::storage::store::Patience::Background;
    shared.ladder.save(name, &stored, Some(place), patience).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_start_the_store_is_asked_and_the_newest_login_through_the_proxy_is_believed() {
    let agent = Agent::signed_in().await;
    let other: ProfileName = "other".parse().unwrap();
    agent.login("other").await;
    keep(&agent, &work(), "old", 100).await;
    keep(&agent, &other, "new", 200).await;
    let passwords = &agent.registry.shared.passwords;
    let asked = Network::read(PROXY, "", "").unwrap();
    assert_eq!(shown(passwords.known(&asked)), None, "nobody has asked the store yet");
    assert_eq!(shown(passwords.password(&asked).await).as_deref(), Some("new"));
    let elsewhere = Network::read("http://ada@elsewhere.test:3128", "", "").unwrap();
    assert_eq!(shown(passwords.password(&elsewhere).await), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_login_brought_is_believed_before_the_store_and_for_that_login_alone_until_it_succeeds() {
    let agent = Agent::signed_in().await;
    keep(&agent, &work(), "stored", 100).await;
    let passwords = &agent.registry.shared.passwords;
    let plain = Network::read(PROXY, "", "").unwrap();
    assert_eq!(shown(passwords.password(&brought("tried")).await).as_deref(), Some("tried"));
    assert_eq!(
        shown(passwords.password(&plain).await).as_deref(),
        Some("stored"),
        "the trial changed nothing"
    );
    passwords.learn(&brought("good"));
    assert_eq!(shown(passwords.password(&plain).await).as_deref(), Some("good"));
}

/// Fails to revoke until it is told to succeed.
#[derive(Default)]
struct Revoker(AtomicBool);

#[async_trait]
impl Issuer for Revoker {
    async fn revoke(&self, _: &Revocable) -> Revocation {
        if self.0.load(Ordering::SeqCst) { Revocation::Revoked } else { Revocation::Failed("busy".into()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_forgotten_with_the_last_session_that_needs_it() {
    let agent = Agent::signed_in().await;
    let other: ProfileName = "other".parse().unwrap();
    agent.login("other").await;
    keep(&agent, &work(), "good", 100).await;
    keep(&agent, &other, "good", 200).await;
    let passwords = &agent.registry.shared.passwords;
    let asked = Network::read(PROXY, "", "").unwrap();
    assert_eq!(shown(passwords.password(&asked).await).as_deref(), Some("good"));
    agent.registry.ensure(&work()).sign_out(false).await.unwrap();
    pass(1).await;
    assert!(passwords.known(&asked).is_some(), "another session needs it");
    agent.registry.ensure(&other).sign_out(false).await.unwrap();
    pass(1).await;
    assert!(passwords.known(&asked).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_password_is_remembered_while_a_revocation_is_owed_or_a_sign_out_goes_on() {
    let agent = Agent::signed_in().await;
    keep(&agent, &work(), "good", 100).await;
    let shared = &agent.registry.shared;
    let asked = Network::read(PROXY, "", "").unwrap();
    assert_eq!(shown(shared.passwords.password(&asked).await).as_deref(), Some("good"));
    let hold = shared.passwords.hold();
    shared.passwords.retain(|_| false);
    assert!(shared.passwords.known(&asked).is_some(), "a sign-out goes on");
    drop(hold);
    let issuer = Arc::new(Revoker::default());
    shared.pending.revoke(&work(), Arc::clone(&issuer) as Arc<dyn Issuer>, Revocable::default());
    agent.registry.ensure(&work()).sign_out(false).await.unwrap();
    pass(1).await;
    assert!(shared.passwords.known(&asked).is_some(), "a revocation is owed");
    issuer.0.store(true, Ordering::SeqCst);
    pass(300).await;
    assert!(shared.passwords.known(&asked).is_none(), "nothing is owed any more");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_after_a_start_keeps_the_password_with_the_new_token() {
    let agent = Agent::signed_in().await;
    keep(&agent, &work(), "stored", 100).await;
    let agent = agent.restart().await;
    agent.token(0, 30).await.unwrap();
    let shared = &agent.registry.shared;
    let place = shared.state.record(&work()).unwrap().store.unwrap();
    let stored = shared.ladder.load(&work(), place).await.unwrap().unwrap();
    assert_eq!(shown(stored.proxy_password).as_deref(), Some("stored"));
    assert_eq!(agent.provider.calls(), 1, "it was renewed");
}
