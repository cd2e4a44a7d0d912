use super::*;

const SECRET: (&str, &str) = ("TOWER_JWT_SECRET", "a secret of a test, 35 characters long");

fn read(yaml: &str, variables: &[(&str, &str)]) -> Result<(Tower, Settings), TowerError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration = Configuration::read(yaml, variables).unwrap();
    let mut settings = Settings::default();
    Tower::read(&configuration, &mut settings).map(|tower| (tower, settings))
}

fn refused(yaml: &str, variables: &[(&str, &str)]) -> String {
    match read(yaml, variables) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    }
}

const OIDC: [(&str, &str); 4] = [
    SECRET,
    ("TOWER_OIDC_CLIENT", "id"),
    ("TOWER_OIDC_SECRET", "hush"),
    ("TOWER_OIDC_ISSUER", "http://127.0.0.1:1/realms/a"),
];

#[test]
fn a_platform_without_a_jwt_secret_is_refused_and_a_short_one_is_warned_about() {
    assert!(refused("tower:\n  server-url: http://127.0.0.1:1\n", &[]).contains("TOWER_JWT_SECRET"));
    let (short, _) = read("", &[("TOWER_JWT_SECRET", "too short, with 34 characters ....")]).unwrap();
    assert!(short.warnings[0].contains("35"), "{:?}", short.warnings);
    assert!(read("", &[SECRET]).unwrap().0.warnings.is_empty());
}

#[test]
fn the_lifetimes_of_the_document_s_examples_are_understood() {
    let yaml = "micronaut:\n  security:\n    token:\n      jwt:\n        signatures:\n          refresh-token:\n            \
                expiration: 8h\n      generator:\n        access-token:\n          expiration: 3600\n      refresh:\n        \
                cookie:\n          cookie-max-age: 10h\ntower:\n  ephemeral:\n    duration: 8h\n";
    let (tower, settings) = read(yaml, &[SECRET]).unwrap();
    assert_eq!((settings.access_lifetime, settings.refresh_lifetime), (3600, 28_800));
    assert_eq!((tower.cookie_max_age, tower.ephemeral_duration), (36_000, 28_800));
    assert!(tower.warnings.is_empty(), "{:?}", tower.warnings);
}

#[test]
fn without_lifetimes_they_are_those_of_the_document() {
    let (tower, settings) = read("", &[SECRET]).unwrap();
    assert_eq!((settings.access_lifetime, settings.refresh_lifetime), (3600, 21_600));
    assert_eq!((tower.cookie_max_age, tower.ephemeral_duration), (43_200, 21_600));
}

#[test]
fn the_newer_spelling_of_the_refresh_lifetime_counts_where_both_are_given() {
    let path = |of: &str| format!("micronaut.security.token.jwt.{of}.refresh-token.expiration");
    let newer = format!("{}: 7h\n", path("generator"));
    let (tower, settings) = read(&newer, &[SECRET, ("TOWER_EPHEMERAL_DURATION", "PT7H")]).unwrap();
    assert_eq!((settings.refresh_lifetime, tower.warnings.len()), (25_200, 0));
    let both = format!("{newer}{}: 8h\n", path("signatures"));
    let (tower, settings) = read(&both, &[SECRET, ("TOWER_EPHEMERAL_DURATION", "7h")]).unwrap();
    assert_eq!((settings.refresh_lifetime, tower.warnings.len()), (25_200, 1));
}

#[test]
fn a_short_cookie_and_an_ephemeral_duration_of_its_own_are_warned_about() {
    let yaml = "micronaut.security.token.refresh.cookie.cookie-max-age: 5h\ntower.ephemeral.duration: 12h\n";
    let warnings = read(yaml, &[SECRET]).unwrap().0.warnings;
    assert!(warnings[0].contains("cookie-max-age") && warnings[1].contains("ephemeral"), "{warnings:?}");
    assert_eq!(warnings.len(), 2);
}

#[test]
fn providers_of_different_kinds_combine_and_a_second_oidc_provider_is_refused() {
    let others = [
        ("TOWER_GITHUB_CLIENT", "id"),
        ("TOWER_GITHUB_SECRET", "hush"),
        ("SANDBOX_GITHUB_URL", "http://127.0.0.1:2"),
        ("TOWER_GOOGLE_CLIENT", "id"),
        ("TOWER_GOOGLE_SECRET", "hush"),
        ("SANDBOX_GOOGLE_ISSUER", "http://127.0.0.1:3"),
        ("TOWER_SMTP_HOST", "127.0.0.1"),
        ("TOWER_CONTACT_EMAIL", "sandbox@sandbox.test"),
    ];
    let (tower, _) = read("", &[&OIDC[..], &others].concat()).unwrap();
    let names: Vec<Name> = tower.providers.iter().map(|provider| provider.name).collect();
    assert_eq!(names, [Name::Github, Name::Google, Name::Oidc]);
    assert!(tower.email.is_some());

    let second = "micronaut.security.oauth2.clients.okta.openid.issuer: http://127.0.0.1:4\n";
    let told = refused(second, &OIDC);
    assert!(
        told.contains("only one") && told.contains("TOWER_OIDC_ISSUER") && told.contains("okta"),
        "{told}"
    );
    let third = "micronaut.security.oauth2.clients.entra.openid.issuer: http://127.0.0.1:5\n";
    assert!(refused(&format!("{second}{third}"), &[SECRET]).contains("only one"));
}

#[test]
fn the_one_oidc_provider_may_be_written_as_micronaut_has_it() {
    let yaml = "micronaut:\n  security:\n    oauth2:\n      clients:\n        okta:\n          client-id: id\n          \
                client-secret: hush\n          openid:\n            issuer: http://127.0.0.1:4\n";
    let (tower, _) = read(yaml, &[SECRET]).unwrap();
    assert_eq!(tower.provider(Name::Oidc).unwrap().address, "http://127.0.0.1:4");
}

#[test]
fn a_provider_that_is_set_up_by_half_is_refused_by_the_name_of_what_is_missing() {
    assert!(refused("", &OIDC[..3]).contains("TOWER_OIDC_ISSUER"));
    assert!(refused("", &[SECRET, OIDC[3]]).contains("TOWER_OIDC_CLIENT"));
    let github = [SECRET, ("TOWER_GITHUB_CLIENT", "id"), ("TOWER_GITHUB_SECRET", "hush")];
    assert!(refused("", &github).contains("SANDBOX_GITHUB_URL"), "the real one is never met by chance");
    assert!(refused("", &[SECRET, ("TOWER_SMTP_HOST", "127.0.0.1")]).contains("TOWER_CONTACT_EMAIL"));
}

#[test]
fn email_is_switched_off_only_beside_an_oauth_or_oidc_provider() {
    let mail = [
        ("TOWER_SMTP_HOST", "127.0.0.1"),
        ("TOWER_CONTACT_EMAIL", "sandbox@sandbox.test"),
        ("TOWER_AUTH_DISABLE_EMAIL", "true"),
    ];
    let (alone, _) = read("", &[&[SECRET][..], &mail].concat()).unwrap();
    assert!(alone.email.is_some());
    assert!(alone.warnings[0].contains("TOWER_AUTH_DISABLE_EMAIL"), "{:?}", alone.warnings);
    let (beside, _) = read("", &[&OIDC[..], &mail].concat()).unwrap();
    assert!(beside.email.is_none() && beside.warnings.is_empty());
}

#[test]
fn root_users_are_named_by_id_or_by_address() {
    let (tower, _) = read("", &[SECRET, ("TOWER_ROOT_USERS", "1, Grace@sandbox.test")]).unwrap();
    assert!(tower.is_root(1, "ada@sandbox.test") && tower.is_root(2, "grace@SANDBOX.test"));
    assert!(!tower.is_root(3, "bob@sandbox.test"));
}
