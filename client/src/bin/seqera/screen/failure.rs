//! Why the command fails: what it prints, and its exit code.

use seqera_client::error::{EXIT_ENDED, Error};
use seqera_client::proto::limits;
use seqera_client::proto::reason::Reason;
use serde_json::{Value, json};

/// What the person can do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Hint {
    #[default]
    None,
    Words(String),
    /// Sign in to this profile. The text is for those who do not know what was typed.
    SignIn {
        profile: String,
        text: String,
    },
}

impl Hint {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Words(text) | Self::SignIn { text, .. } => Some(text),
        }
    }
}

impl From<Option<&str>> for Hint {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::None, |text| Self::Words(text.to_owned()))
    }
}

#[derive(Debug)]
pub(crate) struct Failure {
    /// The name for programs: the agent's reason, or one of the command's own.
    pub(crate) reason: String,
    /// What happened, for people.
    pub(crate) message: String,
    pub(crate) hint: Hint,
    pub(crate) exit: u8,
}

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            reason: reason.name().to_owned(),
            message: message.into(),
            hint: hint.into(),
            exit: reason.exit_code(),
        }
    }

    /// The caller's mistake: exit code 2, as for a wrong flag.
    pub(crate) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::new(Reason::BadRequest, message, hint)
    }

    /// The person ended the command.
    pub(crate) fn interrupted(message: &str) -> Self {
        Self { reason: "INTERRUPTED".into(), message: message.into(), hint: Hint::None, exit: EXIT_ENDED }
    }

    /// A limit of the system or of this process is reached; the text names it.
    pub(crate) fn exhausted(limit: String) -> Self {
        Error::Exhausted(limit).into()
    }

    /// The operating system refused to do something for the command, such as to write to standard output.
    pub(crate) fn system(what: &str, error: &std::io::Error) -> Self {
        if let Some(limit) = limits::behind_start(error) {
            let hint = Some(limits::hint(error)).into();
            return Self { hint, ..Self::exhausted(format!("{what}: {limit}")) };
        }
        Self { reason: "SYSTEM".into(), message: format!("{what}: {error}"), hint: Hint::None, exit: 1 }
    }

    /// A program that this command ran has failed, and has said why itself.
    pub(crate) fn told(exit: u8) -> Self {
        Self { reason: "FAILED".into(), message: String::new(), hint: Hint::None, exit }
    }

    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.reason == reason.name()
    }

    /// True if there is no session, or if the session's token or a given token was refused.
    pub(crate) fn is_of_credential(&self) -> bool {
        self.exit == Reason::SignedOut.exit_code()
    }

    /// True if nobody answered; what is known here can still be shown.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.exit == Reason::IssuerUnreachable.exit_code()
    }

    pub(crate) fn json(&self) -> Value {
        json!({"error": {"reason": self.reason, "message": self.message, "hint": self.hint.text()}})
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            reason: error.reason().to_owned(),
            message: error.to_string(),
            hint: hint(&error),
            exit: error.exit_code(),
        }
    }
}

fn hint(error: &Error) -> Hint {
    let sign_in = match error {
        Error::Refused(refusal) => refusal.sign_in.clone(),
        _ => None,
    };
    match (sign_in, error.hint()) {
        (Some(profile), Some(text)) => Hint::SignIn { profile, text: text.to_owned() },
        (_, text) => text.into(),
    }
}
