use chrono::DateTime;
use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};

use super::*;

const VERIFIER: &str = "the-verifier-of-a-test-with-its-43-characters";
const CLIENT: &str = "seqera_ai_cli";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn consent() -> Consent {
    let grant = Grant {
        user: 1,
        client: CLIENT.into(),
        scope: "openid offline_access".into(),
        audience: "platform".into(),
        nonce: None,
    };
    let verifier = PkceCodeVerifier::new(VERIFIER.into());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str().to_owned();
    Consent { grant, redirect_uri: "http://127.0.0.1:1/cb".into(), challenge }
}

fn presented() -> Presented<'static> {
    Presented { code: "code", client: CLIENT, redirect_uri: "http://127.0.0.1:1/cb", verifier: VERIFIER }
}

fn with_code(settings: &Settings) -> Grants {
    let mut grants = Grants::new(settings);
    grants.add_code("code".into(), consent(), at(0));
    grants
}

/// A session that began at second 0, with the refresh token `r0` and the access token `a0`.
fn signed_in(settings: &Settings) -> Grants {
    let mut grants = with_code(settings);
    let (family, _) = grants.redeem(presented(), at(0)).unwrap();
    grants.add_refresh("r0".into(), family.clone(), at(0));
    grants.add_access("a0".into(), family, at(0));
    grants
}

fn renew(grants: &mut Grants, token: &str, next: &str, second: i64) -> Result<bool, Refusal> {
    grants.renew(token, CLIENT, |_, _| next.into(), at(second)).map(|renewal| renewal.next.is_some())
}

#[test]
fn a_code_needs_its_verifier_its_redirect_address_and_its_client() {
    let mut grants = with_code(&Settings::default());
    let cases = [
        (
            Presented { verifier: "another-verifier-of-more-than-43-characters-x", ..presented() },
            Refusal::WrongVerifier,
        ),
        (Presented { verifier: "short", ..presented() }, Refusal::WrongVerifier),
        (Presented { redirect_uri: "http://127.0.0.1:2/cb", ..presented() }, Refusal::OtherRedirect),
        (Presented { client: "other", ..presented() }, Refusal::OtherClient),
        (Presented { code: "guess", ..presented() }, Refusal::Unknown),
    ];
    for (wrong, refusal) in cases {
        assert_eq!(grants.redeem(wrong, at(0)).unwrap_err(), refusal);
    }
    assert!(grants.redeem(presented(), at(0)).is_ok(), "a wrong try does not spend the code");
}

#[test]
fn a_code_expires() {
    let mut grants = with_code(&Settings::default());
    assert_eq!(grants.redeem(presented(), at(60)).unwrap_err(), Refusal::Expired);
}

#[test]
fn a_second_use_of_a_code_ends_what_the_first_one_got() {
    let mut grants = signed_in(&Settings::default());
    assert_eq!(grants.redeem(presented(), at(1)).unwrap_err(), Refusal::Reused { family_ended: true });
    assert_eq!((grants.refresh_alive(at(1)), grants.access_alive(at(1))), (0, 0));
}

#[test]
fn a_renewal_replaces_the_refresh_token_and_leaves_the_access_token_alone() {
    let mut grants = signed_in(&Settings::default());
    assert_eq!(renew(&mut grants, "r0", "r1", 1), Ok(true));
    assert_eq!(renew(&mut grants, "r1", "r2", 2), Ok(true));
    assert_eq!(grants.refresh_alive(at(2)), 1);
    assert_eq!(grants.bearer("a0", at(2)), Some(1));
}

#[test]
fn a_replaced_refresh_token_that_comes_again_ends_the_family_once() {
    let mut grants = signed_in(&Settings::default());
    renew(&mut grants, "r0", "r1", 1).unwrap();
    assert_eq!(renew(&mut grants, "r0", "x", 2), Err(Refusal::Reused { family_ended: true }));
    assert_eq!(renew(&mut grants, "r1", "x", 3), Err(Refusal::Revoked));
    assert_eq!(renew(&mut grants, "r0", "x", 4), Err(Refusal::Reused { family_ended: false }));
    assert_eq!(grants.bearer("a0", at(4)), None);
}

#[test]
fn without_family_revocation_the_newest_refresh_token_survives_a_reuse() {
    let mut grants = signed_in(&Settings { revoke_family_on_reuse: false, ..Settings::default() });
    renew(&mut grants, "r0", "r1", 1).unwrap();
    assert_eq!(renew(&mut grants, "r0", "x", 2), Err(Refusal::Reused { family_ended: false }));
    assert_eq!(renew(&mut grants, "r1", "r2", 3), Ok(true));
}

#[test]
fn in_the_grace_time_a_replaced_refresh_token_works_and_after_it_no_more() {
    let mut grants = signed_in(&Settings { reuse_grace: 10, ..Settings::default() });
    renew(&mut grants, "r0", "r1", 1).unwrap();
    assert_eq!(renew(&mut grants, "r0", "r1b", 10), Ok(true));
    assert_eq!(renew(&mut grants, "r0", "x", 11), Err(Refusal::Reused { family_ended: true }));
}

#[test]
fn without_rotation_the_same_refresh_token_goes_on() {
    let settings = Settings { rotation: false, refresh_lifetime: 10, ..Settings::default() };
    let mut grants = signed_in(&settings);
    assert_eq!(renew(&mut grants, "r0", "unused", 9), Ok(false));
    assert_eq!(renew(&mut grants, "r0", "unused", 18), Ok(false), "its idle time began again");
    assert_eq!(renew(&mut grants, "r0", "unused", 28), Err(Refusal::Expired));
}

#[test]
fn an_idle_refresh_token_and_an_old_access_token_expire() {
    let settings = Settings { access_lifetime: 5, refresh_lifetime: 10, ..Settings::default() };
    let mut grants = signed_in(&settings);
    assert_eq!(grants.bearer("a0", at(4)), Some(1));
    assert_eq!(grants.bearer("a0", at(5)), None);
    assert_eq!(renew(&mut grants, "r0", "r1", 10), Err(Refusal::Expired));
    assert_eq!((grants.refresh_alive(at(10)), grants.access_alive(at(10))), (0, 0));
}

#[test]
fn a_revoked_access_token_goes_alone_and_a_revoked_refresh_token_takes_its_family_along() {
    let mut grants = signed_in(&Settings::default());
    assert_eq!(grants.revoke("a0", CLIENT), Ok(true));
    assert_eq!((grants.refresh_alive(at(1)), grants.access_alive(at(1))), (1, 0));

    let mut grants = signed_in(&Settings::default());
    assert_eq!(grants.revoke("r0", "other"), Err(Refusal::OtherClient));
    assert_eq!(grants.revoke("r0", CLIENT), Ok(true));
    assert_eq!((grants.refresh_alive(at(1)), grants.access_alive(at(1))), (0, 0));
    assert_eq!(grants.revoke("r0", CLIENT), Ok(false));
    assert_eq!(grants.revoke("guess", CLIENT), Ok(false));
}

#[test]
fn a_user_s_sessions_can_be_ended_without_touching_the_others() {
    let mut grants = signed_in(&Settings::default());
    assert_eq!(grants.expire_refresh(Some(2), at(1)), 0);
    assert_eq!(grants.expire_refresh(Some(1), at(1)), 1);
    assert_eq!(renew(&mut grants, "r0", "r1", 1), Err(Refusal::Expired));
    assert_eq!((grants.access_alive(at(1)), grants.expire_access(None, at(1))), (1, 1));
}
