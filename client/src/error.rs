//! Why a call failed: one type for the agent's refusals and for everything that kept the call from reaching
//! it.

use std::path::PathBuf;
use std::time::Duration;

use seqera_agent_proto::limits;
use seqera_agent_proto::place::PlaceError;
use seqera_agent_proto::reason::{DOMAIN, EXIT_NO_AGENT, HINT, Reason, SIGN_IN};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The exit code after an interruption or a cancellation: 128 plus the number of SIGINT, as in shells.
pub const EXIT_ENDED: u8 = 130;

/// The same on every Unix; Windows has other numbers, and no such sandbox.
const EPERM: i32 = 1;
const EACCES: i32 = 13;
#[cfg(target_os = "linux")]
const EAFNOSUPPORT: i32 = 97;
#[cfg(not(target_os = "linux"))]
const EAFNOSUPPORT: i32 = 47;

#[cfg(unix)]
const IF_DISTRUSTED: &str = "nobody else may own it or write to it: remove it, or correct owner and mode";
#[cfg(windows)]
const IF_DISTRUSTED: &str = "nobody else may own it or write to it: programs are safe below your profile folder or in \
                             'Program Files'";

/// The agent's refusal, decoded from `google.rpc.ErrorInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// [`Reason::Unspecified`] for a reason of a later version; `name` says which.
    pub reason: Reason,
    /// The name of the reason, such as `SIGNED_OUT`.
    pub name: String,
    /// What happened, for people.
    pub message: String,
    /// What the person can do.
    pub hint: Option<String>,
    /// The profile to sign in, if that would help. `hint` says the same in words.
    pub sign_in: Option<String>,
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The agent refused the call.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// Nobody is listening, and no agent was to be started.
    #[error("no agent is running")]
    NoAgent,
    /// Nobody is listening at the socket that `SEQERA_AGENT_SOCK` names. No agent is started there.
    #[error("no agent listens at {}", .0.display())]
    NobodyAtChosen(PathBuf),
    /// Nobody is listening, and there is no program to start.
    #[error("no agent is running, and no 'seqera-agent' program was found to start one")]
    NoProgram,
    /// Something on the way to the agent could belong to somebody else.
    #[error("{} is not safe to use: {why}", .path.display())]
    Distrusted {
        /// The folder, socket or program.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The agent was started, but gave up.
    #[error("the agent did not start: {message}")]
    NotStarted {
        /// What it printed, its exit status, or why it could not be run.
        message: String,
        /// The hint that it printed.
        hint: Option<String>,
    },
    /// The system refused the connection.
    #[error("cannot connect to {}: {why}", .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The system's error message.
        why: String,
    },
    /// A sandbox around this process refuses Unix sockets, so that no agent can be reached from here.
    #[error("{of} refuses Unix sockets ({why}), so no agent can be reached from inside it")]
    Sandboxed {
        /// Whose sandbox it seems to be.
        of: String,
        /// The system's error message.
        why: String,
    },
    /// A limit of the system or of this process keeps the call from being made. The text names the limit.
    #[error("{0}")]
    Exhausted(String),
    /// The agent does not answer, not even to say that something takes its time.
    #[error("the agent does not answer{}", .0.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Silent(Option<u32>),
    /// The connection ended before the answer was complete.
    #[error("the connection to the agent was lost: {0}")]
    Lost(String),
    /// Somebody else ended the call: the login was cancelled, or replaced by another one.
    #[error("{0}")]
    Ended(String),
    /// The deadline passed.
    #[error("the agent did not answer in time")]
    TimedOut,
    /// This client does not understand the answer.
    #[error("the agent's answer was not understood: {0}")]
    Misunderstood(String),
    /// The environment does not say where the user's files are.
    #[error(transparent)]
    Places(#[from] PlaceError),
    /// A variable, or `config.json`, holds something that cannot be used. The text names it, and not its value.
    #[error("{what}")]
    Setting {
        /// What is wrong, and where.
        what: String,
        /// What the person can do.
        hint: String,
        /// `BAD_REQUEST` for a variable, `MISCONFIGURED` for the file, `LOGIN_EXPIRED` for a token that has expired.
        reason: Reason,
    },
}

impl Error {
    /// The name for programs: the agent's reason, or one of the client's own such as `NO_AGENT`.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.name,
            Self::NoAgent | Self::NobodyAtChosen(_) | Self::NoProgram => "NO_AGENT",
            Self::Distrusted { .. } => "DISTRUSTED",
            Self::NotStarted { .. } => "AGENT_NOT_STARTED",
            Self::Unreachable { .. } | Self::Lost(_) => "AGENT_UNREACHABLE",
            Self::Sandboxed { .. } => "SANDBOXED",
            Self::Exhausted(_) => "EXHAUSTED",
            Self::Silent(_) => "AGENT_SILENT",
            Self::Ended(_) => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Misunderstood(_) => "AGENT_NOT_UNDERSTOOD",
            Self::Places(_) => Reason::Misconfigured.name(),
            Self::Setting { reason, .. } => reason.name(),
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.hint.as_deref(),
            Self::NoAgent => Some("run 'seqera agent start'"),
            Self::NobodyAtChosen(_) => {
                Some("SEQERA_AGENT_SOCK names it: start that agent, or unset the variable")
            }
            Self::NoProgram => Some("install seqera-agent beside seqera, or in a folder of PATH"),
            Self::Distrusted { .. } => Some(IF_DISTRUSTED),
            Self::Unreachable { .. } | Self::Lost(_) => {
                Some("run 'seqera agent status' to see whether it runs")
            }
            Self::Sandboxed { .. } => Some(
                "outside it, run 'seqera token --write FILE --watch'; inside, set SEQERA_ACCESS_TOKEN_FILE to FILE",
            ),
            Self::TimedOut => Some("'seqera status' says why; --timeout waits longer"),
            Self::Exhausted(_) => Some(limits::HINT),
            Self::Silent(_) => Some("run 'seqera agent restart --force', which ends it first"),
            Self::Misunderstood(_) => {
                Some("agent and client are of different versions: run 'seqera agent restart'")
            }
            Self::NotStarted { hint, .. } => hint.as_deref(),
            Self::Setting { hint, .. } => Some(hint),
            Self::Ended(_) | Self::Places(_) => None,
        }
    }

    /// The exit code of `seqera` for this error (the table in the README; `sysexits.h` from 64 on).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refusal) => refusal.reason.exit_code(),
            Self::Ended(_) => EXIT_ENDED,
            Self::TimedOut => Reason::IssuerUnreachable.exit_code(),
            Self::Places(_) => Reason::Misconfigured.exit_code(),
            Self::Setting { reason, .. } => reason.exit_code(),
            Self::NoAgent
            | Self::NobodyAtChosen(_)
            | Self::NoProgram
            | Self::Distrusted { .. }
            | Self::NotStarted { .. }
            | Self::Unreachable { .. }
            | Self::Sandboxed { .. }
            | Self::Exhausted(_)
            | Self::Silent(_)
            | Self::Lost(_)
            | Self::Misunderstood(_) => EXIT_NO_AGENT,
        }
    }

    /// The error of the system, where it says that a sandbox refuses sockets of this kind as such: seccomp and
    /// systemd's `RestrictAddressFamilies` by these three, Seatbelt by the first (socket(2)).
    pub fn of_sandbox(error: &std::io::Error) -> Option<Self> {
        let refused = matches!(error.raw_os_error(), Some(EPERM | EACCES | EAFNOSUPPORT));
        let of = "a sandbox around this process".to_owned();
        refused.then(|| Self::Sandboxed { of, why: error.to_string() })
    }

    /// True if the agent that answered serves another configuration folder.
    pub(crate) fn is_other_agent(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.reason == Reason::OtherAgent)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if let Some(info) = status.get_details_error_info().filter(|info| info.domain == DOMAIN) {
            return Self::Refused(Refusal {
                reason: Reason::from_name(&info.reason).unwrap_or(Reason::Unspecified),
                name: info.reason,
                message: status.message().to_owned(),
                hint: info.metadata.get(HINT).cloned().filter(|hint| !hint.is_empty()),
                sign_in: info.metadata.get(SIGN_IN).cloned(),
                retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
            });
        }
        match status.code() {
            Code::Unavailable => Self::Lost(status.message().to_owned()),
            Code::DeadlineExceeded => Self::TimedOut,
            Code::ResourceExhausted => Self::Exhausted(status.message().to_owned()),
            Code::Cancelled => Self::Ended(status.message().to_owned()),
            code => Self::Misunderstood(format!("{code:?}: {}", status.message())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn status(domain: &str, reason: &str, hint: &str) -> Status {
        let metadata = HashMap::from([(HINT.to_owned(), hint.to_owned())]);
        let mut details = ErrorDetails::with_error_info(reason, domain, metadata);
        details.set_retry_info(Some(Duration::from_secs(9)));
        Status::with_error_details(Code::Unauthenticated, "signed out", details)
    }

    #[test]
    fn a_refusal_carries_reason_hint_and_delay() {
        let error = Error::from(status(DOMAIN, "SIGNED_OUT", "seqera login"));
        assert_eq!(
            (error.reason(), error.hint(), error.exit_code()),
            ("SIGNED_OUT", Some("seqera login"), 3)
        );
        let Error::Refused(refusal) = error else { panic!("{error:?}") };
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(9)));
        assert_eq!(refusal.message, "signed out");
    }

    #[test]
    fn a_reason_of_a_later_version_keeps_its_name() {
        let error = Error::from(status(DOMAIN, "MOON_PHASE", ""));
        assert_eq!((error.reason(), error.hint(), error.exit_code()), ("MOON_PHASE", None, 1));
    }

    #[test]
    fn a_status_without_our_reason_is_told_apart_by_its_code() {
        let foreign = Error::from(status("example.org", "SIGNED_OUT", "x"));
        assert!(matches!(foreign, Error::Misunderstood(_)), "{foreign:?}");
        assert_eq!(Error::from(Status::unavailable("gone")), Error::Lost("gone".into()));
        assert_eq!(Error::from(Status::deadline_exceeded("")), Error::TimedOut);
        let ended = Error::from(Status::cancelled("the login was replaced"));
        assert_eq!((ended.to_string().as_str(), ended.exit_code()), ("the login was replaced", 130));
        assert_eq!(Error::from(Status::unimplemented("no such call")).exit_code(), EXIT_NO_AGENT);
    }
}
