//! A session as shown to people and to programs, and whether there is one.

use std::time::Duration;

use clap::Args;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::session_status::{Fallback, Host};
use seqera_client::proto::v1::{Account, CredentialKind, SessionState, SessionStatus};
use serde_json::{Value, json};

use crate::screen::failure::{Failure, Hint};
use crate::screen::time::{length, local, rfc3339};
use crate::settings::context::option;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Check {
    /// Ask the Platform too, whether it accepts the token now
    #[arg(long)]
    pub(super) check: bool,
}

/// Returns the session if it is signed in; every other state is a failure with a hint.
pub(super) fn signed_in(status: SessionStatus) -> Result<SessionStatus, Failure> {
    let profile = &status.profile;
    let said = status.last_failure.as_ref().map(|failure| failure.message.as_str());
    let because = said.filter(|said| !said.is_empty()).map(|said| format!(": {said}")).unwrap_or_default();
    let hint =
        Hint::SignIn { profile: profile.clone(), text: format!("run 'seqera login{}'", option(profile)) };
    let (reason, message) = match status.state() {
        SessionState::SignedIn => return Ok(status),
        SessionState::SignedOut => (Reason::SignedOut, format!("profile '{profile}' is not signed in")),
        SessionState::LoginExpired => {
            (Reason::LoginExpired, format!("the session of profile '{profile}' has ended{because}"))
        }
        SessionState::OtherHost => (
            Reason::OtherHost,
            format!("the session of profile '{profile}' belongs to another host{because}"),
        ),
        // A state of a later version.
        SessionState::Unspecified => {
            (Reason::Unspecified, format!("profile '{profile}' is in an unknown state"))
        }
    };
    Err(Failure { hint, ..Failure::new(reason, message, None) })
}

/// The other host that the session belongs to or was taken over from, in words.
pub(super) fn of_host(status: &SessionStatus) -> String {
    let Host { id, name, last_renewed_at } = status.host.clone().unwrap_or_default();
    let seen = last_renewed_at.map(|at| format!(", last renewed {}", local(at))).unwrap_or_default();
    let id = id.get(..8).unwrap_or(&id);
    match name.as_str() {
        "" => format!("a host whose name is not recorded (id {id}){seen}"),
        name => format!("host '{name}'{seen}"),
    }
}

/// The person, by the best name that the provider gave.
pub(super) fn account_name(status: &SessionStatus) -> String {
    let authority = status.settings.as_ref().map(|settings| settings.authority.as_str()).unwrap_or_default();
    best_name(status.account.clone().unwrap_or_default(), authority)
}

/// Where the provider told no name, the id of the account, and whose id that is.
pub(super) fn best_name(account: Account, authority: &str) -> String {
    let names = [account.email, account.user_name, account.display_name];
    match (names.into_iter().find(|name| !name.is_empty()), account.subject.as_str()) {
        (Some(name), _) => name,
        (None, "") => "an unknown account".to_owned(),
        (None, subject) => format!("account {}", of_provider(subject, authority)),
    }
}

/// An id of the provider, with the provider's host.
pub(super) fn of_provider(id: &str, authority: &str) -> String {
    let address = authority.split_once("://").map_or(authority, |(_, rest)| rest);
    match address.split('/').next().unwrap_or_default() {
        host if host.is_empty() || id.is_empty() => id.to_owned(),
        host => format!("{id} at {host}"),
    }
}

pub(super) fn expiry(status: &SessionStatus) -> String {
    let fixed = status.kind() == CredentialKind::Fixed;
    let end = status.sign_in_ends_at.or(status.session_expires_at);
    match (end, status.access_expires_at) {
        (Some(end), _) if fixed => local(end),
        (Some(end), _) => format!("{} (end of the sign-in)", local(end)),
        (None, Some(end)) if fixed => local(end),
        (None, Some(end)) => format!("{} (renewed automatically)", local(end)),
        (None, None) if fixed => "never (access token)".to_owned(),
        (None, None) => "not known before the next renewal (renewed automatically)".to_owned(),
    }
}

/// When the sign-in ends and when the access token does, which are two things for what can be renewed. `expiry` is
/// the documented line, about the first of the two that is known.
fn ends(status: &SessionStatus) -> [(&'static str, String); 2] {
    if status.kind() == CredentialKind::Fixed {
        return [("Sign-in ends", String::new()), ("Token expires", String::new())];
    }
    // Without a refresh token, the sign-in ends with its only access token.
    if status.session_expires_at.is_some() && status.session_expires_at == status.access_expires_at {
        let end = status.access_expires_at.map(local).unwrap_or_default();
        return [
            ("Sign-in ends", format!("{end}, with the access token: it cannot be renewed")),
            ("Token expires", end),
        ];
    }
    let unused = idle(status).map(|idle| format!(", if unused for {}", length(idle))).unwrap_or_default();
    let sign_in = match (status.sign_in_ends_at, status.session_expires_at) {
        (Some(end), Some(_)) => format!("{}{}", local(end), unused.replace(", if", ", or if")),
        (Some(end), None) | (None, Some(end)) => format!("{}{unused}", local(end)),
        (None, None) => "not told by the provider; it may end if unused for long".to_owned(),
    };
    let token = match status.access_expires_at {
        Some(end) => format!("{} (renewed automatically)", local(end)),
        None => "not known before the next renewal".to_owned(),
    };
    [("Sign-in ends", sign_in), ("Token expires", token)]
}

/// How long the provider keeps a sign-in that is not used: the last renewal began this time anew.
fn idle(status: &SessionStatus) -> Option<Duration> {
    let seconds = status.session_expires_at?.seconds.checked_sub(status.last_renewed_at?.seconds)?;
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

pub(super) fn organization_source(status: &SessionStatus) -> &'static str {
    if status.organization_is_chosen { "seqera org switch" } else { "login" }
}

/// Labels and values for people. `profile_source` is what named the profile.
pub(super) fn rows(status: &SessionStatus, profile_source: &str) -> Vec<(&'static str, String)> {
    let settings = status.settings.clone().unwrap_or_default();
    let sources = status.sources.clone().unwrap_or_default();
    let kept_in = match (status.unsaved, status.store.as_str()) {
        (true, "") => "memory (not saved: lost when the agent ends)".to_owned(),
        (true, store) => format!("{} (not saved: lost when the agent ends)", sourced(store, &sources.store)),
        (false, store) => sourced(store, &sources.store),
    };
    let mut rows = vec![
        ("Profile", sourced(&status.profile, profile_source)),
        ("Authority", sourced(&settings.authority, &sources.settings)),
        (
            "Organization",
            sourced(&status.organization.clone().unwrap_or_default().name, organization_source(status)),
        ),
        ("Workspace", sourced(&workspace(status), "seqera workspace switch")),
        ("Token kept in", kept_in),
        ("Signed in", status.logged_in_at.map(local).unwrap_or_default()),
        ("Last renewed", status.last_renewed_at.map(local).unwrap_or_default()),
        ("Next renewal", status.next_renewal_at.map(local).unwrap_or_default()),
    ];
    rows.extend(ends(status));
    if let Some(fallback) = &status.fallback {
        let since = fallback.since.map(|at| format!(" since {}", local(at))).unwrap_or_default();
        let Fallback { from, why, .. } = fallback;
        rows.push(("Store", format!("not the {from}, which failed{since}: {why} (it is tried again)")));
    }
    rows.extend(status.notes.iter().map(|note| ("Note", note.clone())));
    if let Some(failure) = &status.last_failure {
        let retry = failure.retry_at.map(|at| format!("; next try {}", local(at))).unwrap_or_default();
        let since = failure.at.map(|at| format!(" ({}{retry})", local(at))).unwrap_or_default();
        rows.push(("Renewal fails", format!("{}{since}", failure.message)));
    }
    rows
}

/// The name and id of the workspace, as far as they are known; empty: none was chosen.
fn workspace(status: &SessionStatus) -> String {
    match (status.workspace_name.as_str(), status.workspace_id) {
        (_, 0) => String::new(),
        ("", id) => id.to_string(),
        (name, id) => format!("{name}, {id}"),
    }
}

/// A value followed by its source, if both are known.
pub(super) fn sourced(value: &str, source: &str) -> String {
    if value.is_empty() || source.is_empty() { value.to_owned() } else { format!("{value} ({source})") }
}

/// A session as an object for programs; times are RFC 3339, UTC.
pub(super) fn object(status: &SessionStatus) -> Value {
    let settings = status.settings.clone().unwrap_or_default();
    let sources = status.sources.clone().unwrap_or_default();
    let organization = status.organization.as_ref().filter(|org| org.id != 0);
    json!({
        "profile": status.profile,
        "state": status.state().as_str_name().trim_start_matches("SESSION_STATE_"),
        "kind": status.kind().as_str_name().trim_start_matches("CREDENTIAL_KIND_"),
        "authority": settings.authority,
        "account": account_object(status.account.as_ref()),
        "organization": organization.map(|org| json!({"id": org.id, "name": org.name})),
        "workspace_name": (!status.workspace_name.is_empty()).then_some(&status.workspace_name),
        "workspace_id": (status.workspace_id != 0).then_some(status.workspace_id),
        "store": status.store,
        "unsaved": status.unsaved,
        "fallback": status.fallback.as_ref().map(|fallback| json!({
            "from": fallback.from,
            "why": fallback.why,
            "since": rfc3339(fallback.since),
        })),
        "logged_in_at": rfc3339(status.logged_in_at),
        "last_renewed_at": rfc3339(status.last_renewed_at),
        "access_expires_at": rfc3339(status.access_expires_at),
        "session_expires_at": rfc3339(status.session_expires_at),
        "sign_in_ends_at": rfc3339(status.sign_in_ends_at),
        "next_renewal_at": rfc3339(status.next_renewal_at),
        "last_failure": status.last_failure.as_ref().map(|failure| json!({
            "reason": failure.reason().name(),
            "message": failure.message,
            "at": rfc3339(failure.at),
            "retry_at": rfc3339(failure.retry_at),
        })),
        "notes": status.notes,
        "host": status.host.as_ref().map(|host| json!({
            "id": host.id,
            "name": (!host.name.is_empty()).then_some(&host.name),
            "last_renewed_at": rfc3339(host.last_renewed_at),
        })),
        "sources": {"settings": sources.settings, "store": sources.store},
    })
}

/// The account of a session or a token, as an object for programs.
pub(super) fn account_object(account: Option<&Account>) -> Value {
    let account = account.cloned().unwrap_or_default();
    json!({
        "subject": account.subject,
        "email": account.email,
        "user_name": account.user_name,
        "display_name": account.display_name,
        "user_id": (account.user_id != 0).then_some(account.user_id),
    })
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::ProfileSettings;
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
        let [(_, sign_in), (_, token)] = ends(&renewable);
        assert!(sign_in.starts_with("not told by the provider"), "{sign_in}");
        assert_eq!(token, format!("{} (renewed automatically)", local(TIME.unwrap())));
        renewable.session_expires_at = TIME;
        assert_eq!(expiry(&renewable), format!("{} (end of the sign-in)", local(TIME.unwrap())));
        assert!(ends(&renewable)[0].1.ends_with("it cannot be renewed"), "both end together");
        renewable.access_expires_at = None;
        assert_eq!(ends(&renewable)[0].1, local(TIME.unwrap()));
        renewable.last_renewed_at =
            TIME.map(|end| prost_types::Timestamp { seconds: end.seconds - 21_600, ..end });
        assert_eq!(ends(&renewable)[0].1, format!("{}, if unused for 6h", local(TIME.unwrap())));
    }

    #[test]
    fn an_access_token_without_an_end_never_expires() {
        let mut fixed = status(CredentialKind::Fixed);
        assert_eq!(expiry(&fixed), "never (access token)");
        assert!(ends(&fixed).iter().all(|(_, value)| value.is_empty()), "the documented line says it all");
        fixed.access_expires_at = TIME;
        assert_eq!(expiry(&fixed), local(TIME.unwrap()));
    }

    #[test]
    fn who_is_signed_in_is_the_best_name_that_is_known() {
        let mut status = status(CredentialKind::Renewable);
        assert_eq!(account_name(&status), "user@example.com");
        status.account = Some(Account { subject: "42".into(), ..Account::default() });
        assert_eq!(account_name(&status), "account 42");
        let settings =
            ProfileSettings { authority: "https://op.x.test:444/realm".into(), ..Default::default() };
        status.settings = Some(settings);
        assert_eq!(account_name(&status), "account 42 at op.x.test:444");
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
            let failure =
                signed_in(SessionStatus { state: state.into(), ..status(CredentialKind::Renewable) });
            let failure = failure.unwrap_err();
            assert_eq!((failure.reason.as_str(), failure.exit), (reason, exit));
            assert_eq!(failure.hint.text(), Some("run 'seqera login --profile work'"));
        }
        assert!(signed_in(status(CredentialKind::Renewable)).is_ok());
    }

    #[test]
    fn a_better_store_that_failed_is_named_with_since_when() {
        let mut status = status(CredentialKind::Renewable);
        assert_eq!(object(&status)["fallback"], Value::Null);
        let (from, why) = ("keychain".to_owned(), "it is locked".to_owned());
        status.store = "file".into();
        status.fallback = Some(Fallback { from, why, since: TIME });
        let shown = table(&rows(&status, "default"));
        let expected = format!("not the keychain, which failed since {}: it is locked", local(TIME.unwrap()));
        assert!(shown.contains(&expected), "{shown}");
        let object = object(&status);
        assert_eq!(
            object["fallback"],
            json!({"from": "keychain", "why": "it is locked", "since": "2025-12-16T14:30:00Z"})
        );
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
}
