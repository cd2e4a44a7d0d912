use seqera_client::proto::v1::session_status::Failure as LastFailure;

use super::*;
use crate::screen::table;

const TIME: Option<prost_types::Timestamp> =
    Some(prost_types::Timestamp { seconds: 1_765_895_400, nanos: 0 });

fn status(kind: CredentialKind) -> SessionStatus {
    SessionStatus {
        profile: "work".into(),
        state: SessionState::SignedIn.into(),
        kind: kind.into(),
        store: "keychain".into(),
        account: Some(Account { email: "user@example.com".into(), ..Account::default() }),
        ..SessionStatus::default()
    }
}

#[test]
fn the_end_of_the_session_is_shown_where_the_provider_tells_it() {
    let mut renewable = status(CredentialKind::Renewable);
    renewable.access_expires_at = TIME;
    assert!(expiry(&renewable).ends_with(" (renewed automatically)"));
    renewable.session_expires_at = TIME;
    assert_eq!(expiry(&renewable), local(TIME.unwrap()));
}

#[test]
fn an_access_token_without_an_end_never_expires() {
    let mut fixed = status(CredentialKind::Fixed);
    assert_eq!(expiry(&fixed), "never (access token)");
    fixed.access_expires_at = TIME;
    assert_eq!(expiry(&fixed), local(TIME.unwrap()));
}

#[test]
fn who_is_signed_in_is_the_best_name_that_is_known() {
    let mut status = status(CredentialKind::Renewable);
    assert_eq!(account_name(&status), "user@example.com");
    status.account = Some(Account { subject: "42".into(), ..Account::default() });
    assert_eq!(account_name(&status), "42");
    status.account = None;
    assert_eq!(account_name(&status), "an unknown account");
}

#[test]
fn every_state_but_signed_in_is_a_failure_with_a_way_out() {
    let states = [
        (SessionState::SignedOut, "SIGNED_OUT", 3),
        (SessionState::LoginExpired, "LOGIN_EXPIRED", 3),
        (SessionState::OtherHost, "OTHER_HOST", 3),
        (SessionState::Unspecified, "UNSPECIFIED", 1),
    ];
    for (state, reason, exit) in states {
        let failure = signed_in(SessionStatus { state: state.into(), ..status(CredentialKind::Renewable) });
        let failure = failure.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.exit), (reason, exit));
        assert_eq!(failure.hint, Hint::SignIn("run 'seqera login --profile work'".into()));
    }
    assert!(signed_in(status(CredentialKind::Renewable)).is_ok());
}

#[test]
fn what_goes_wrong_is_shown_with_the_next_try() {
    let mut status = status(CredentialKind::Renewable);
    status.unsaved = true;
    status.last_failure = Some(LastFailure {
        reason: Reason::IssuerUnreachable.into(),
        message: "503".into(),
        at: TIME,
        retry_at: TIME,
    });
    let shown = table(&rows(&status, "default"));
    assert!(shown.contains("keychain (not saved"), "{shown}");
    status.store.clear();
    let nowhere = table(&rows(&status, "default"));
    assert!(nowhere.contains("Token kept in: memory (not saved"), "{nowhere}");
    assert!(shown.contains("Renewal fails: 503 (") && shown.contains("; next try "), "{shown}");
    let object = object(&status);
    assert_eq!(object["last_failure"]["reason"], "ISSUER_UNREACHABLE");
    assert_eq!(object["last_failure"]["retry_at"], "2025-12-16T14:30:00Z");
    assert_eq!((&object["state"], &object["kind"]), (&json!("SIGNED_IN"), &json!("RENEWABLE")));
    assert_eq!(object["organization"], Value::Null);
}
