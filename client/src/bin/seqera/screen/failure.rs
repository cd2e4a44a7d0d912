//! Why the command ends without success: what it prints, and its exit code.

use seqera_client::Error;
use seqera_client::error::EXIT_ENDED;
use seqera_client::proto::reason::Reason;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Failure {
    /// For programs: the agent's reason or one of the command's own.
    pub(crate) reason: String,
    /// What happened.
    pub(crate) message: String,
    /// What the person can do.
    pub(crate) hint: Option<String>,
    pub(crate) exit: u8,
}

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            reason: reason.name().to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
            exit: reason.exit_code(),
        }
    }

    /// The caller's mistake: exit code 2, as for a wrong flag.
    pub(crate) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::new(Reason::BadRequest, message, hint)
    }

    /// Ended by the person.
    pub(crate) fn interrupted(message: &str) -> Self {
        Self { reason: "INTERRUPTED".into(), message: message.into(), hint: None, exit: EXIT_ENDED }
    }

    /// The operating system refused something that is ours to do, such as writing to standard output.
    pub(crate) fn system(what: &str, error: &std::io::Error) -> Self {
        Self { reason: "SYSTEM".into(), message: format!("{what}: {error}"), hint: None, exit: 1 }
    }

    pub(crate) fn json(&self) -> Value {
        json!({"error": {"reason": self.reason, "message": self.message, "hint": self.hint}})
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            reason: error.reason().to_owned(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            exit: error.exit_code(),
        }
    }
}
