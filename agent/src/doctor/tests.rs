//! What the checks find in an agent with one session, and what a repair does.

use futures_util::StreamExt;
use seqera_agent_proto::v1::check::Verdict;

use super::*;
use crate::clock::{SystemClock, WallOffset};
use crate::providers::Renewal;
use crate::providers::http::{Http, Limits};
use crate::storage::store::StoreError;
use crate::testing::fakes::{Agent, work};

async fn examined(agent: &Agent, repair: bool) -> Vec<Check> {
    let clock = Arc::new(SystemClock::new(WallOffset::default()));
    let providers = Arc::new(Providers::new(Http::new(clock.clone(), Limits::default()), clock));
    let surroundings = vec!["the lock lies beside the socket".to_owned()];
    let info = InfoResponse {
        problems: [surroundings.clone(), vec!["config.json:1:1".into()]].concat(),
        ..Default::default()
    };
    let registry = Arc::clone(&agent.registry);
    let doctor = Doctor { registry, providers, info, surroundings, user: String::new() };
    let settings = Some(seqera_agent_proto::v1::ProfileSettings {
        // Nothing listens on this port.
        authority: "http://127.0.0.1:1/api".into(),
        ..Default::default()
    });
    doctor.examine(DiagnoseRequest { repair, profile: "other".into(), settings }).collect().await
}

fn found<'a>(checks: &'a [Check], name: &str, profile: &str) -> &'a Check {
    let mut matching = checks.iter().filter(|check| check.name == name && check.profile == profile);
    matching.next().unwrap_or_else(|| panic!("no {name} of {profile:?} in {checks:#?}"))
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_where_it_should_be_is_well_and_one_that_has_gone_is_a_problem() {
    let agent = Agent::signed_in().await;
    assert_eq!(found(&examined(&agent, false).await, "secret", "work").verdict(), Verdict::Ok);
    agent.store.empty(&work());
    let gone = examined(&agent, false).await;
    let gone = found(&gone, "secret", "work");
    assert_eq!(gone.verdict(), Verdict::Problem);
    assert!(gone.remedy.contains("seqera login --force --profile work"), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_provider_has_ended_is_told_with_the_login_that_mends_it() {
    let agent = Agent::signed_in().await;
    agent.provider.script.lock().unwrap().push(Renewal::Rejected("invalid_grant".into()));
    agent.clock.jump(200);
    agent.token(0, 30).await.unwrap_err();
    let checks = examined(&agent, false).await;
    let ended = found(&checks, "session", "work");
    assert_eq!(ended.verdict(), Verdict::Warning);
    assert!(
        ended.text.contains("invalid_grant") && ended.remedy.contains("login --profile work"),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_be_reached_is_a_problem_of_the_profile_that_would_sign_in_there() {
    let agent = Agent::signed_in().await;
    let checks = examined(&agent, false).await;
    let authority = found(&checks, "authority", "other");
    assert_eq!(authority.verdict(), Verdict::Problem);
    assert!(authority.text.contains("http://127.0.0.1:1/api/.well-known"), "{authority:?}");
    assert!(!authority.remedy.is_empty());
    assert_eq!(found(&checks, "proxy", "other").text, "none");
}

#[tokio::test(start_paused = true)]
async fn a_locked_keychain_is_a_warning_and_a_corrupt_item_a_problem_that_names_both_remedies() {
    let agent = Agent::signed_in().await;
    agent.store.break_with(Some(StoreError::Locked("it wants a password".into())));
    assert_eq!(found(&examined(&agent, false).await, "secret", "work").verdict(), Verdict::Warning);
    agent.store.break_with(Some(StoreError::Corrupt("item:1:2: not a stored secret".into())));
    let checks = examined(&agent, false).await;
    let corrupt = found(&checks, "secret", "work");
    assert_eq!(corrupt.verdict(), Verdict::Problem);
    assert!(corrupt.remedy.contains("--repair") && corrupt.text.contains("item:1:2"), "{corrupt:?}");
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_read_are_set_aside_by_a_repair_and_by_nothing_else() {
    let agent = Agent::signed_in().await;
    let summary = agent.places.places().config_dir.join("auth-state.json");
    std::fs::write(&summary, "{ broken").unwrap();
    agent.registry.shared.state.flush().await.ok();
    agent.login("work").await;
    assert_eq!(found(&examined(&agent, false).await, "state", "").verdict(), Verdict::Problem);
    assert_eq!(std::fs::read_to_string(&summary).unwrap(), "{ broken");
    let repaired = examined(&agent, true).await;
    assert!(found(&repaired, "repair", "").text.contains("auth-state.json.corrupt-"));
    assert_eq!(found(&repaired, "state", "").verdict(), Verdict::Ok);
    assert!(!summary.exists());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_token_of_the_older_cli_and_an_open_file_are_told_and_never_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let agent = Agent::signed_in().await;
    let old = agent.places.places().config_dir.join("refresh-token.old");
    std::fs::write(&old, "canary-canary-canary-canary").unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
    let checks = examined(&agent, false).await;
    assert_eq!(found(&checks, "plain credentials", "").verdict(), Verdict::Warning);
    let open = found(&checks, "private files", "");
    assert_eq!(open.remedy, format!("chmod 600 {}", old.display()));
    assert!(!format!("{checks:?}").contains("canary-canary"));
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_says_wrongly_is_a_problem_and_what_surrounds_the_agent_a_warning() {
    let agent = Agent::signed_in().await;
    let checks = examined(&agent, false).await;
    assert_eq!(found(&checks, "surroundings", "").verdict(), Verdict::Warning);
    let configuration = found(&checks, "configuration", "");
    assert_eq!((configuration.verdict(), configuration.text.as_str()), (Verdict::Problem, "config.json:1:1"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_failed_is_named_with_since_when_and_what_happens_next() {
    let agent = Agent::on_the_ladder();
    agent.keychain.break_with(Some(StoreError::Locked("it wants a password".into())));
    agent.login("work").await;
    let checks = examined(&agent, false).await;
    let kept = found(&checks, "secret", "work");
    assert_eq!(kept.verdict(), Verdict::Warning);
    let since = prost_types::Timestamp::from(crate::clock::Clock::now(&*agent.clock).wall).to_string();
    let words =
        ["kept in the file since ", &since[..16], "because the keychain failed", "it wants a password"];
    assert!(words.iter().all(|word| kept.text.contains(word)), "{kept:?}");
    assert!(kept.remedy.contains("at most once an hour"), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn the_session_of_another_host_is_named_with_how_to_take_it_over() {
    let agent = Agent::start();
    let run = agent.places.places().config_dir.join("run").join("h2");
    std::fs::create_dir_all(&run).unwrap();
    let session = r#"{"profile": {}, "account": {"subject": "ada"}, "loggedInAt": 1767225600}"#;
    let session = session.replace("{}", &serde_json::to_string(&crate::testing::fakes::profile()).unwrap());
    let sessions = format!(r#"{{"hostName": "node7", "profiles": {{"work": {session}}}}}"#);
    std::fs::write(run.join("sessions.json"), sessions).unwrap();
    let agent = agent.restart().await;
    let checks = examined(&agent, false).await;
    let other = found(&checks, "other host", "work");
    assert_eq!(other.verdict(), Verdict::Warning);
    assert!(other.text.contains("host 'node7', last renewed 2026-01-01T00:00:00Z"), "{other:?}");
    assert!(other.remedy.contains("seqera login --adopt --profile work"), "{other:?}");
    // Whoever is signed in here as well shares the folder with another host on purpose.
    agent.login("work").await;
    let checks = examined(&agent, false).await;
    assert_eq!(found(&checks, "other host", "work").verdict(), Verdict::Skipped);
}
