//! Which profile a caller means, and the errors if there is none.

use crate::sessions::install::Login;
use crate::storage::record::SignInMethod;
use crate::testing::fakes::profile;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use seqera_agent_proto::v1::{LoginRequest, ProfileSettings};

use crate::api::login::login;
use crate::error::ErrorKind;
use crate::profile::{Profile, ProfileName};
use crate::providers::scitoolkit;
use crate::sessions::target::target;
use crate::testing::fakes::{Agent, work};

fn name(text: &str) -> ProfileName {
    text.parse().unwrap()
}

fn at(authority: &str) -> Profile {
    Profile { authority: authority.into(), ..Profile::default() }
}

#[tokio::test(start_paused = true)]
async fn a_named_profile_of_another_authority_is_refused_recorded_or_configured() {
    let agent = Agent::signed_in().await;
    agent.registry.reload(BTreeMap::from([(name("home"), at("https://home.test/api"))]));
    let resolve = |name: &str, authority: &str| agent.registry.resolve(name, authority).map_err(|e| e.kind);
    assert_eq!(resolve("work", "https://home.test/api"), Err(ErrorKind::AuthorityMismatch));
    assert_eq!(resolve("home", "https://sandbox.test/api"), Err(ErrorKind::AuthorityMismatch));
    assert_eq!(resolve("home", "https://home.test/api/"), Ok(name("home")));
    assert_eq!(resolve("", "https://sandbox.test/api"), Ok(work()));
    assert_eq!(resolve("", "https://nobody.test/api"), Err(ErrorKind::SignedOut));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_came_to_nothing_makes_no_profile() {
    let agent = Agent::start();
    agent.registry.ensure(&work());
    assert_eq!(agent.registry.worker(&work()).err().map(|error| error.kind), Some(ErrorKind::UnknownProfile));
    agent.login("work").await;
    assert!(agent.registry.worker(&work()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_a_session_ends_with_the_login_that_needed_it() {
    let agent = Agent::signed_in().await;
    let mut ends = Vec::new();
    for number in 0..100 {
        let asked = LoginRequest {
            profile: format!("new-{number}"),
            settings: Some(ProfileSettings { authority: "https://x.test/api".into(), ..Default::default() }),
            ..LoginRequest::default()
        };
        let mut events = login(&agent.registry, asked).unwrap();
        ends.push(agent.registry.ensure(&name(&format!("new-{number}"))).watch());
        let error = loop {
            match events.next().await.expect("a login ends with its result") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.message().contains("not played here"), "{error}");
    }
    for mut view in ends {
        while view.changed().await.is_ok() {}
    }
    let left: Vec<_> = agent.registry.workers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, [work()]);
    assert!(agent.token(0, 0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_somebody_talks_to_is_the_only_one_of_its_name() {
    let agent = Agent::start();
    let held = agent.registry.ensure(&name("held"));
    agent.registry.ensure(&name("other"));
    agent.registry.ensure(&name("third"));
    let left: Vec<_> = agent.registry.workers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, [name("held"), name("third")]);
    agent.login("held").await;
    assert_eq!(held.view().standing, crate::sessions::verdict::Standing::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_cannot_be_read_are_an_error_that_names_the_file_and_not_signed_out() {
    let agent = Agent::signed_in().await;
    let path = agent.places.places().run_dir().join("sessions.json");
    std::fs::write(&path, "{\n  broken").unwrap();
    let Agent { places, store, provider, clock, .. } = agent;
    let agent = Agent::over(places, store, provider, clock);
    let error = agent.registry.worker(&name("default")).err().unwrap();
    assert_eq!(error.kind, ErrorKind::StoreFailed);
    assert!(error.to_string().contains("sessions.json:2:3"), "{error}");
    agent.login("work").await;
    assert!(agent.token(0, 0).await.is_ok(), "a login sets the file aside");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_no_profile_in_particular_does_not_move_one_that_has_an_authority() {
    let agent = Agent::signed_in().await;
    let given = |authority_is_default| ProfileSettings {
        authority: "https://other.test/api".into(),
        api_url: "https://api.other.test".into(),
        authority_is_default,
        ..ProfileSettings::default()
    };
    let of = |name: &str, given: &ProfileSettings| target(&agent.registry, name, given).unwrap();
    let (_, kept) = of("work", &given(true));
    assert_eq!((kept.authority.as_str(), kept.api_url.as_str()), ("https://sandbox.test/api", ""));
    let (_, moved) = of("work", &given(false));
    assert_eq!(moved.authority, "https://other.test/api");
    let (chosen, new) = of("", &given(true));
    assert_eq!((chosen.as_str(), new.authority.as_str()), ("default", "https://other.test/api"));
    let (_, fresh) = of("fresh", &given(true));
    assert_eq!(fresh.authority, "https://other.test/api");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_known_is_refused_and_not_taken_for_another() {
    let agent = Agent::start();
    let given = |provider: &str| ProfileSettings { provider: provider.into(), ..ProfileSettings::default() };
    let outcome = |provider| target(&agent.registry, "work", &given(provider)).map(drop).map_err(|e| e.kind);
    assert_eq!(outcome("moon"), Err(ErrorKind::BadRequest));
    assert_eq!((outcome("platform"), outcome("")), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn scitoolkit_has_a_profile_of_its_own_and_takes_no_default_of_a_platform() {
    let agent = Agent::signed_in().await;
    let scitoolkit = ProfileSettings { provider: "scitoolkit".into(), ..ProfileSettings::default() };
    let of = |name: &str, given: &ProfileSettings| target(&agent.registry, name, given).unwrap();
    let (own, profile) = of("", &scitoolkit);
    assert_eq!((own.as_str(), profile.provider), ("scitoolkit", scitoolkit::ID));
    let (authority, api) = (profile.authority.as_str(), profile.api_url.as_str());
    assert_eq!((authority, api), ("https://scitoolkit.org", "https://scitoolkit.org/api"));
    assert_eq!((profile.client_id.as_str(), profile.scopes.as_str()), ("", ""));
    // The first is a Platform's profile that moves to SciToolkit; the second is SciToolkit's by its name alone.
    assert_eq!(of("work", &scitoolkit).1.authority, "https://scitoolkit.org");
    assert_eq!(of("scitoolkit", &ProfileSettings::default()).1.provider, scitoolkit::ID);
    let variable = ProfileSettings {
        authority: "https://other.test/api".into(),
        authority_is_default: true,
        ..ProfileSettings::default()
    };
    assert_eq!(of("scitoolkit", &variable).1.authority, "https://scitoolkit.org");
    assert!(agent.registry.worker(&own).is_ok() && !agent.registry.names().contains(&own));
}

#[tokio::test(start_paused = true)]
async fn addresses_of_another_account_are_neither_taken_nor_kept() {
    let agent = Agent::start();
    let given = |settings_of: &str| ProfileSettings {
        authority: "https://a.test/api".into(),
        api_url: "https://b.test/api".into(),
        backend_url: "https://ai.b.test".into(),
        client_id: "b-client".into(),
        settings_of: settings_of.into(),
        ..ProfileSettings::default()
    };
    let of = |given: &ProfileSettings| target(&agent.registry, "home", given).unwrap().1;
    // An older client does not say what the addresses were set for.
    for stranger in ["", "https://b.test/api"] {
        let profile = of(&given(stranger));
        assert_eq!((profile.api(), profile.backend()), ("https://a.test/api", ""), "{stranger}");
        assert_eq!((profile.api_url.as_str(), profile.backend_url.as_str()), ("", ""), "{stranger}");
    }
    assert_eq!(of(&given("https://b.test/api")).client_id, "seqera_ai_cli");
    let own = of(&given("https://a.test/api"));
    assert_eq!((own.api(), own.backend()), ("https://b.test/api", "https://ai.b.test"));
    assert_eq!(own.client_id, "b-client");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_an_older_version_recorded_for_another_account_is_not_used_and_named() {
    let agent = Agent::start();
    let wrong = Profile { api_url: "https://b.test/api".into(), ..profile() };
    let worker = agent.registry.ensure(&work());
    let (granted, generation) = (agent.granted(), worker.view().generation);
    let method = SignInMethod::Browser;
    worker.install(Login { profile: wrong, granted, method, generation, organization: None }).await.unwrap();
    let record = worker.view().record.profile.clone();
    assert_eq!(record.api(), record.authority);
    let notes = crate::api::status::status(&agent.registry, &work(), &worker.view()).notes;
    assert!(
        notes.iter().any(|note| note.contains("https://b.test/api") && note.contains("not used")),
        "{notes:?}"
    );
    // The next sign-in repairs it.
    let given = ProfileSettings { authority: record.authority.clone(), ..ProfileSettings::default() };
    assert_eq!(target(&agent.registry, "work", &given).unwrap().1.api_url, "");
}

#[tokio::test(start_paused = true)]
async fn an_authority_with_a_password_is_refused_and_not_shown() {
    let agent = Agent::start();
    for authority in ["https://ada:canary@a.test/api", "ada:canary@a.test", "http://canary@a.test/api"] {
        let given = ProfileSettings { authority: authority.into(), ..ProfileSettings::default() };
        let error = target(&agent.registry, "work", &given).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn profiles_of_the_file_that_never_had_a_session_are_shown_without_a_worker() {
    let agent = Agent::signed_in().await;
    let many = (0..5_000).map(|number| (name(&format!("p{number}")), at("https://file.test/api"))).collect();
    agent.registry.reload(many);
    let standings: BTreeSet<_> = agent
        .registry
        .names()
        .iter()
        .map(|name| format!("{:?}", agent.registry.view(name).standing))
        .collect();
    assert_eq!(standings.into_iter().collect::<Vec<_>>(), ["SignedIn", "SignedOut"]);
    assert_eq!(agent.registry.workers().len(), 1);
    let worker = agent.registry.ensure(&name("p7"));
    assert_eq!(agent.registry.view(&name("p7")).standing, worker.view().standing);
}
