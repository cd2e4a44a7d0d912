//! The errors that a caller can get, and the one place that maps them to a gRPC status.
//!
//! An error carries what the person reads. The chain of causes is logged where the failure happens and never
//! travels to a client. Neither text may contain a secret.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use seqera_agent_proto::limits;
use seqera_agent_proto::reason::{DOMAIN, HINT, Reason, SIGN_IN};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::foreign::{line, line_of_bytes};
use crate::network::BadNetwork;
use crate::profile::{BadName, ProfileName};

/// The longest message, and the longest hint, in characters. Both repeat words of others.
const LONGEST: usize = 1_000;

/// The same on the way to a client, in bytes. Message and details travel in one block of headers, of which a client
/// takes 16 KiB: the message thrice as long (RFC 3986 encoding), and both in base64.
const LONGEST_SENT: usize = 2_048;
const LONGEST_SENT_HINT: usize = 1_024;

/// The kinds of failure: the contract's reasons, and the two that only end a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Neither configuration nor state knows the name.
    UnknownProfile,
    /// Never signed in, or signed out on purpose.
    SignedOut,
    /// The provider refused the renewal, or refused the token that the person gave.
    LoginExpired,
    /// The person or the provider denied the login (`access_denied`).
    LoginDenied,
    /// The session belongs to another host that shares the home folder.
    OtherHost,
    /// The failure is transient, and no valid token is left.
    Unreachable,
    /// Nobody finished the login in time.
    LoginTimedOut,
    /// The store failed to read, write or delete a secret.
    StoreFailed,
    /// The keychain is locked, or shows a prompt that nobody answers.
    KeychainLocked,
    /// The profile belongs to another authority than the one asked for.
    AuthorityMismatch,
    /// The authority, client id, discovery document or port is wrong.
    Misconfigured,
    /// The request is not valid.
    BadRequest,
    /// This socket or this caller has no right to make the call.
    Forbidden,
    /// The agent serves another configuration folder.
    OtherAgent,
    /// Programs still use what the call would take away.
    InUse,
    /// The caller, or all of them, hold as much as the agent allows.
    TooMany,
    /// The sign-in ends before what the caller wants to begin.
    SignInEndsSoon,
    /// Another call replaced or cancelled this login.
    Ended,
    /// The agent is stopping; a client may try again.
    Stopping,
    /// A limit of the system or of this process is reached.
    Exhausted,
    /// A bug in the agent.
    Internal,
}

impl ErrorKind {
    /// The only mapping to a status. `None` where the code alone says everything.
    fn status(self) -> (Code, Option<Reason>) {
        match self {
            Self::UnknownProfile => (Code::NotFound, Some(Reason::UnknownProfile)),
            Self::SignedOut => (Code::Unauthenticated, Some(Reason::SignedOut)),
            Self::LoginExpired => (Code::Unauthenticated, Some(Reason::LoginExpired)),
            Self::LoginDenied => (Code::PermissionDenied, Some(Reason::LoginDenied)),
            Self::OtherHost => (Code::FailedPrecondition, Some(Reason::OtherHost)),
            Self::Unreachable => (Code::Unavailable, Some(Reason::IssuerUnreachable)),
            Self::LoginTimedOut => (Code::DeadlineExceeded, Some(Reason::LoginTimedOut)),
            Self::StoreFailed => (Code::FailedPrecondition, Some(Reason::StoreFailed)),
            Self::KeychainLocked => (Code::FailedPrecondition, Some(Reason::KeychainLocked)),
            Self::AuthorityMismatch => (Code::FailedPrecondition, Some(Reason::AuthorityMismatch)),
            Self::Misconfigured => (Code::FailedPrecondition, Some(Reason::Misconfigured)),
            Self::BadRequest => (Code::InvalidArgument, Some(Reason::BadRequest)),
            Self::Forbidden => (Code::PermissionDenied, Some(Reason::Forbidden)),
            Self::OtherAgent => (Code::FailedPrecondition, Some(Reason::OtherAgent)),
            Self::InUse => (Code::FailedPrecondition, Some(Reason::InUse)),
            Self::TooMany => (Code::ResourceExhausted, Some(Reason::TooMany)),
            Self::SignInEndsSoon => (Code::FailedPrecondition, Some(Reason::SignInEndsSoon)),
            Self::Ended => (Code::Cancelled, None),
            Self::Stopping => (Code::Unavailable, None),
            Self::Exhausted => (Code::ResourceExhausted, None),
            Self::Internal => (Code::Internal, Some(Reason::Internal)),
        }
    }
}

/// A failure as the person who asked sees it: what happened, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError {
    /// Decides the status code, the reason and the client's exit code.
    pub kind: ErrorKind,
    message: String,
    /// May name commands as `{login}` and `{profile}` ([`Typed`]).
    hint: String,
    /// The profile to sign in to, where that helps.
    sign_in: Option<ProfileName>,
    retry_after: Option<Duration>,
    typed: Option<Box<Typed>>,
}

/// What a person would have to type to mean the same profile at the same provider again. A hint names the command
/// that signs in as `{login}`, the same with all options as `{again}`, and the option behind any other command as
/// `{profile}`: so whoever follows a hint never signs in another profile, or at another host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// With a space before it; empty if the caller named none.
    profile: String,
    /// What else decides where a login goes: kind of provider and authority.
    place: String,
    /// The other options of a login.
    options: String,
}

impl Typed {
    /// For a known profile: what it has is repeated by its name.
    pub(crate) fn of(profile: &ProfileName) -> Self {
        Self { profile: format!(" --profile {profile}"), ..Self::default() }
    }

    /// For a login: a profile and an authority, as far as its caller named them, and the kind of provider.
    /// `options` are further ones.
    pub(crate) fn at_login(profile: &str, authority: &str, provider: &str, options: &[&str]) -> Self {
        let option = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!(" --{name} {value}"),
        };
        Self {
            profile: option("profile", profile),
            place: option("provider", provider) + &option("authority", authority),
            options: options.iter().map(|name| format!(" --{name}")).collect(),
        }
    }

    /// A hint or a note with the commands in it.
    pub(crate) fn words(&self, hint: &str) -> String {
        let login = format!("seqera login{}{}", self.profile, self.place);
        let again = format!("{login}{}", self.options);
        hint.replace("{login}", &login).replace("{again}", &again).replace("{profile}", &self.profile)
    }
}

impl AgentError {
    /// Creates an error. Each text becomes one line; the hint may be empty.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let [message, hint] = [message.into(), hint.into()].map(|text| line(&text, LONGEST));
        Self { kind, message, hint, sign_in: None, retry_after: None, typed: None }
    }

    /// The same, with hints that name what the person typed. What is nearer to the failure knows better.
    #[must_use]
    pub(crate) fn typed(self, typed: &Typed) -> Self {
        let typed = || (*typed != Typed::default()).then(|| Box::new(typed.clone()));
        Self { typed: self.typed.or_else(typed), ..self }
    }

    /// An error that signing in to `profile` resolves. Our client words the command itself; the hint is for
    /// other clients.
    fn sign_in(kind: ErrorKind, message: String, profile: &ProfileName) -> Self {
        let error = Self::new(kind, message, "run '{login}'").typed(&Typed::of(profile));
        Self { sign_in: Some(profile.clone()), ..error }
    }

    /// Neither configuration nor state knows `name`; `near` are known names that resemble it.
    pub(crate) fn unknown_profile(name: &ProfileName, near: &[&str]) -> Self {
        let offered = near.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let message = format!("there is no profile '{name}'");
        if offered.is_empty() {
            return Self::sign_in(ErrorKind::UnknownProfile, message, name);
        }
        Self::new(ErrorKind::UnknownProfile, message, format!("did you mean {offered}?"))
    }

    /// A profile has another name now.
    pub(crate) fn renamed_profile(name: &ProfileName, to: &ProfileName) -> Self {
        let message = format!("there is no profile '{name}' any more: it is now called '{to}'");
        Self::new(ErrorKind::UnknownProfile, message, format!("use '--profile {to}'"))
    }

    /// Never signed in, or signed out on purpose.
    pub(crate) fn signed_out(profile: &ProfileName) -> Self {
        Self::sign_in(ErrorKind::SignedOut, format!("profile '{profile}' is not signed in"), profile)
    }

    /// The session has ended at the provider; `why` completes the sentence.
    pub(crate) fn login_expired(profile: &ProfileName, why: &str) -> Self {
        let message = format!("the session of profile '{profile}' has ended: {why}");
        Self::sign_in(ErrorKind::LoginExpired, message, profile)
    }

    /// `sessions.json` cannot be read, so nothing is known of the sessions: not the same as "not signed in".
    pub(crate) fn state_unreadable(problem: &str) -> Self {
        let hint = "correct the file, or run '{login}', which sets it aside; nothing was deleted";
        Self::new(ErrorKind::StoreFailed, problem, hint)
    }

    /// The person's choice did not reach the disk.
    pub(crate) fn not_durable(why: &dyn fmt::Display) -> Self {
        let hint = "look at the configuration folder; 'seqera agent status' says what is wrong with it";
        Self::new(ErrorKind::StoreFailed, format!("the choice could not be stored: {why}"), hint)
    }

    /// The session belongs to another host; `host` names it in words.
    pub(crate) fn other_host(profile: &ProfileName, host: &str) -> Self {
        let message = format!("the session of profile '{profile}' belongs to {host}");
        let hint = format!(
            "if that is this host under an earlier name, or its disk has come here, run 'seqera login --adopt \
             --profile {profile}'; other hosts sign in by themselves: run '{{login}}'"
        );
        Self::new(ErrorKind::OtherHost, message, hint).typed(&Typed::of(profile))
    }

    /// A session of another host is not taken over where it would replace one.
    pub(crate) fn signed_in_here(profile: &ProfileName) -> Self {
        let message = format!("profile '{profile}' is signed in on this host already");
        let hint = format!("to give that session up, run 'seqera logout --profile {profile}' first");
        Self::new(ErrorKind::BadRequest, message, hint)
    }

    /// The failure is transient, and no valid token is left.
    pub(crate) fn unreachable(authority: &str, why: &str, retry_after: Duration) -> Self {
        let message = format!("{authority} gave no token, and no valid one is left: {why}");
        let hint =
            format!("you are still signed in; the next attempt is in {} s", retry_after.as_secs().max(1));
        Self { retry_after: Some(retry_after), ..Self::new(ErrorKind::Unreachable, message, hint) }
    }

    /// Reports of refused tokens bring about one renewal a minute.
    pub(crate) fn reported(profile: &ProfileName, next: Duration) -> Self {
        let message = format!(
            "two tokens of profile '{profile}' were reported as refused within a minute, in which it is renewed once"
        );
        let hint = format!(
            "you are still signed in; the next token comes in {} s, and until then no program gets one of this profile",
            next.as_secs().max(1)
        );
        Self { retry_after: Some(next), ..Self::new(ErrorKind::Unreachable, message, hint) }
    }

    /// Nobody finished the login in time.
    pub(crate) fn login_timed_out(after: Duration) -> Self {
        let message = format!("nobody finished the login within {} s", after.as_secs());
        let hint = "run '{again}' again, and check that the browser can reach the address it prints";
        Self::new(ErrorKind::LoginTimedOut, message, hint)
    }

    /// The user code of a device login expired before anybody entered it.
    pub(crate) fn code_expired() -> Self {
        let hint = "run '{again}' again: each code can be entered for some minutes";
        Self::new(ErrorKind::LoginTimedOut, "the code has expired before anybody entered it", hint)
    }

    /// The profile belongs to another authority; `fits` is the profile that belongs to `asked`.
    pub(crate) fn authority_mismatch(
        profile: &ProfileName,
        belongs_to: &str,
        asked: &str,
        fits: Option<&ProfileName>,
    ) -> Self {
        let hint = match fits {
            Some(fits) => format!("use '--profile {fits}'"),
            None => format!("sign in there with 'seqera login --profile NAME --authority {asked}'"),
        };
        let message = format!("profile '{profile}' belongs to {belongs_to}, not to {asked}");
        Self::new(ErrorKind::AuthorityMismatch, message, hint)
    }

    /// The agent is stopping; the client can start another one and ask again.
    pub(crate) fn stopping() -> Self {
        Self::new(ErrorKind::Stopping, "the agent stops", "")
    }

    /// A limit is reached; the text names it.
    pub(crate) fn exhausted(limit: impl Into<String>) -> Self {
        Self::new(ErrorKind::Exhausted, limit, limits::HINT)
    }

    /// What the system refused: the limit that it comes of, or else a bug in the agent.
    pub(crate) fn system(error: &std::io::Error) -> Self {
        match limits::behind(error) {
            Some(limit) => Self::new(ErrorKind::Exhausted, limit, limits::hint(error)),
            None => Self::internal(error),
        }
    }

    /// A bug in the agent.
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        let hint = "'seqera agent logs' has the details; please report this";
        Self::new(ErrorKind::Internal, format!("the agent failed: {what}"), hint)
    }

    /// What the person can do; empty if there is nothing to do.
    pub fn hint(&self) -> String {
        line(&self.typed.as_deref().unwrap_or(&Typed::default()).words(&self.hint), LONGEST)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AgentError {}

impl From<BadName> for AgentError {
    fn from(bad: BadName) -> Self {
        Self::new(ErrorKind::BadRequest, bad.to_string(), BadName::HINT)
    }
}

impl From<BadNetwork> for AgentError {
    fn from(bad: BadNetwork) -> Self {
        Self::new(ErrorKind::Misconfigured, bad.to_string(), bad.hint)
    }
}

impl From<AgentError> for Status {
    fn from(error: AgentError) -> Self {
        let (code, reason) = error.kind.status();
        let mut details = ErrorDetails::new();
        if let Some(reason) = reason {
            let hint = line_of_bytes(&error.hint(), LONGEST_SENT_HINT);
            let hint = Some((HINT.to_owned(), hint)).filter(|(_, hint)| !hint.is_empty());
            let sign_in = error.sign_in.map(|profile| (SIGN_IN.to_owned(), profile.into()));
            details.set_error_info(
                reason.name(),
                DOMAIN,
                hint.into_iter().chain(sign_in).collect::<HashMap<_, _>>(),
            );
        }
        if let Some(after) = error.retry_after {
            details.set_retry_info(Some(after));
        }
        Self::with_error_details(code, line_of_bytes(&error.message, LONGEST_SENT), details)
    }
}

/// An error with all its causes in one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Libraries often repeat the cause in their own text.
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_hint_and_retry_time() {
        let error = AgentError::unreachable("https://x", "status 502", Duration::from_secs(7));
        let status = Status::from(error);
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ISSUER_UNREACHABLE", DOMAIN));
        assert!(info.metadata[HINT].contains("still signed in"));
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(7)));
    }

    #[test]
    fn no_error_is_longer_than_the_headers_that_a_client_takes() {
        for letter in ["x", "é", "東", "🙂", "\u{202e}", "\n", "%"] {
            let long = letter.repeat(300_000);
            let error = AgentError {
                retry_after: Some(Duration::from_secs(u64::MAX)),
                ..AgentError::sign_in(ErrorKind::Unreachable, long.clone(), &"a".repeat(63).parse().unwrap())
            };
            let error = AgentError { hint: AgentError::new(error.kind, "", long).hint, ..error };
            let response = Status::from(error).into_http::<()>();
            let size: usize =
                response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
            assert!(size < 12_000, "{letter:?}: {size}");
        }
    }

    #[test]
    fn an_error_is_one_line_that_shows_what_it_says() {
        let error = AgentError::new(ErrorKind::Misconfigured, "it said \u{202e}x\nhint: run y", "a\u{1b}[2J");
        assert_eq!((error.to_string().as_str(), error.hint().as_str()), ("it said x hint: run y", "a[2J"));
    }

    #[test]
    fn a_hint_names_what_was_typed_and_what_is_nearer_to_the_failure_knows_better() {
        let late = || AgentError::login_timed_out(Duration::from_secs(1));
        assert!(late().hint().starts_with("run 'seqera login' again"));
        let typed = Typed::at_login("work", "https://x.test/api", "", &["device"]);
        let again = "run 'seqera login --profile work --authority https://x.test/api --device' again";
        assert!(late().typed(&typed).hint().starts_with(again), "{}", late().typed(&typed).hint());
        assert_eq!(
            typed.words("'{login} --with-token'"),
            "'seqera login --profile work --authority https://x.test/api --with-token'"
        );
        let home = "home".parse().unwrap();
        let nearer = AgentError::signed_out(&home).typed(&typed);
        assert_eq!(nearer.hint(), "run 'seqera login --profile home'");
        let kept = Typed::of(&home).words("'seqera org switch{profile}' chooses another");
        assert_eq!(kept, "'seqera org switch --profile home' chooses another");
        assert_eq!(Typed::default().words("'seqera status{profile}'"), "'seqera status'");
    }

    #[test]
    fn the_chain_names_every_cause_once() {
        let outer = std::io::Error::other(std::io::Error::other("disk full"));
        assert_eq!(chain(&outer), "disk full");
    }
}
