//! Proxies that require a password, and certificates of a private authority, from the login to the sign-out.

use std::time::Duration;

use seqera_tests::browser::sign_in;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, Run, eventually};
use serde_json::json;

use crate::private_site::PrivateSite;

const LIMIT: Duration = Duration::from_secs(20);

/// `p@ss-canary`, percent-encoded as a URL requires.
const PASSWORD: &str = "p%40ss-canary";
/// base64 of `ada:p@ss-canary`.
pub(crate) const CREDENTIALS: &str = "YWRhOnBAc3MtY2FuYXJ5";

pub(crate) fn proxy_url(site: &PrivateSite, password: &str) -> String {
    format!("http://ada:{password}@{}", site.proxy)
}

pub(crate) fn login(home: &Home, site: &PrivateSite) -> Invocation {
    home.seqera(&format!("login --no-browser --profile work --authority {}", site.sandbox.authority))
        .env("HTTPS_PROXY", proxy_url(site, PASSWORD))
        .env("SSL_CERT_FILE", site.ca_file(home))
}

/// Ada's browser is inside the site.
pub(crate) fn finish(login: Invocation, site: &PrivateSite) -> Run {
    let mut login = login.start();
    let url = login.until("authorization URL", |output| {
        let line = output.lines().find(|line| line.contains("response_type=code"))?;
        output.contains(&format!("{line}\n")).then(|| line.trim().to_owned())
    });
    sign_in(&site.inside(&url), ADA);
    login.finish(LIMIT)
}

/// Everything that is stored or logged, except in the store's own file.
fn written(home: &Home) -> String {
    let find = "find . -type f ! -name 'refresh-token.*' ! -name site-ca.pem -exec cat {} +";
    home.shell(find).run().ok().stdout
}

#[test]
fn login_renewal_and_sign_out_pass_through_proxy_and_private_authority_and_survive_a_restart() {
    let site = PrivateSite::open(json!({"access_lifetime": 4}));
    site.want(CREDENTIALS);
    let home = Home::new();
    finish(login(&home, &site), &site).ok();
    let first = home.token("work");
    home.seqera("agent restart").run().ok();
    // The new agent gets nothing from variables: the proxy comes from the profile, its password from the
    // store.
    let fresh = || Some(home.token("work")).filter(|token| *token != first);
    eventually(LIMIT, "a renewed token", fresh);
    let kept = std::fs::read_to_string(home.config_dir().join("refresh-token.work")).expect("it is kept");
    assert!(kept.contains(PASSWORD), "renewals keep the password with the token");
    let out = home.seqera("logout --profile work").run().ok();
    assert!(out.stdout.contains("work: revoked"), "{}", out.stdout);
    assert!(site.sandbox.count("revocations") > 0);
    assert_eq!(site.refused(), 0);
    assert!(site.passed().len() >= 6, "{:?}", site.passed());
    assert!(!home.config_dir().join("refresh-token.work").exists());
    let written = written(&home);
    assert!(!written.contains("ss-canary"), "the password is in no file but the store's");
    assert!(written.contains(&format!("http://ada@{}", site.proxy)), "the way is in sessions.json");
}

#[test]
fn a_wrong_password_for_the_proxy_is_said_to_be_wrong_and_the_right_one_mends_it() {
    let site = PrivateSite::open(json!({}));
    site.want(CREDENTIALS);
    let home = Home::new();
    let wrong = login(&home, &site).env("HTTPS_PROXY", proxy_url(&site, "wrong-canary")).run().fails_with(2);
    let said = &wrong.stderr;
    assert!(
        said.contains("wrong or missing user name or password for the proxy http://127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("hint: set HTTPS_PROXY, or"), "{said}");
    assert!(said.contains("(from HTTPS_PROXY)"), "{said}");
    assert!(!format!("{said}{}", written(&home)).contains("wrong-canary"));
    finish(login(&home, &site), &site).ok();
    assert_eq!(home.status("work")["state"], "SIGNED_IN");
}

#[test]
fn a_proxy_that_changes_its_password_ends_no_session() {
    let site = PrivateSite::open(json!({"access_lifetime": 4}));
    site.want(CREDENTIALS);
    let home = Home::new();
    finish(login(&home, &site), &site).ok();
    site.want("bmV3");
    let failing = || {
        let status = home.status("work");
        (status["last_failure"]["reason"] == "MISCONFIGURED").then_some(status)
    };
    let status = eventually(LIMIT, "a renewal that fails", failing);
    assert_eq!(status["state"], "SIGNED_IN");
    assert!(status["last_failure"]["message"].as_str().is_some_and(|why| why.contains("(407)")), "{status}");
    assert!(home.config_dir().join("refresh-token.work").exists(), "nothing is deleted");
    assert!(site.refused() < 5, "a proxy may lock those out who try too often: {}", site.refused());
    // The login does not stop at "signed in already", because it brings the new password.
    site.want(CREDENTIALS);
    finish(login(&home, &site), &site).ok();
    assert_eq!(home.status("work")["last_failure"], json!(null));
}

#[test]
fn a_certificate_that_nobody_here_trusts_is_explained_with_where_to_name_its_authority() {
    let site = PrivateSite::open(json!({}));
    let home = Home::new();
    let run = login(&home, &site).env("SSL_CERT_FILE", "").run().fails_with(4);
    assert!(run.stderr.contains("an authority that is not trusted here"), "{}", run.stderr);
    assert!(run.stderr.contains("SSL_CERT_FILE") && run.stderr.contains("caFile"), "{}", run.stderr);
    let missing = login(&home, &site).env("SSL_CERT_FILE", "/no/such/ca.pem").run().fails_with(2);
    assert!(missing.stderr.contains("/no/such/ca.pem cannot be used"), "{}", missing.stderr);
}

#[test]
fn a_file_of_authorities_that_goes_and_comes_back_ends_no_session() {
    let site = PrivateSite::open(json!({"access_lifetime": 4}));
    let home = Home::new();
    finish(login(&home, &site), &site).ok();
    let (file, away) = (site.ca_file(&home), home.root().join("away.pem"));
    std::fs::rename(&file, &away).expect("it can be moved");
    let failing = || (home.status("work")["last_failure"]["reason"] == "MISCONFIGURED").then_some(());
    eventually(LIMIT, "a renewal that fails", failing);
    let doctor =
        home.seqera("agent doctor").env("SEQERA_AUTH_DOMAIN", &site.sandbox.authority).run().fails_with(1);
    assert!(doctor.stdout.contains("site-ca.pem cannot be used"), "{}", doctor.stdout);
    std::fs::rename(&away, &file).expect("it can be moved");
    home.seqera("agent restart").run().ok();
    assert_eq!(home.token("work").matches('.').count(), 2, "nobody signed in again");
}

#[test]
fn the_file_beats_the_variables_and_a_site_without_a_proxy_is_reached_directly() {
    let site = PrivateSite::open(json!({}));
    let home = Home::new();
    let settings = json!({"profiles": {"work": {"proxy": "http://127.0.0.1:1"}}});
    home.write_config("config.json", &settings.to_string());
    let refused = login(&home, &site).run().fails_with(4);
    assert!(refused.stderr.contains("through the proxy http://127.0.0.1:1"), "{}", refused.stderr);
    assert!(site.passed().is_empty());
    // Requests to this machine never go through a proxy. The name in the certificate decides.
    let direct = format!("login --no-browser --profile home --authority {}/api", site.direct);
    let run = home.seqera(&direct).env("SSL_CERT_FILE", site.ca_file(&home)).run().fails_with(2);
    assert!(run.stderr.contains("calls itself \"https://platform.test/api\""), "{}", run.stderr);
    assert!(site.passed().is_empty());
}
