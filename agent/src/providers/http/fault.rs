//! Why there is no answer.

use crate::error::chain;
use crate::outcome::{Outcome, Why};

/// Why there is no answer at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The request never left: no name, no connection, no TLS.
    #[error("{0}")]
    NotSent(Why),
    /// It was sent, perhaps in part, and no head of an answer came.
    #[error("{0}")]
    Unanswered(Why),
    /// It may not or cannot be sent at all from here.
    #[error("{0}")]
    Misconfigured(Why),
}

impl Fault {
    /// The reason, and what a person can do about it.
    pub(crate) fn why(&self) -> &Why {
        match self {
            Self::NotSent(why) | Self::Unanswered(why) | Self::Misconfigured(why) => why,
        }
    }
}

/// Of a request that spends something.
impl<T> From<Fault> for Outcome<T> {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotSent(why) => Self::Transient(why, None),
            Fault::Unanswered(why) => Self::Unknown(why),
            Fault::Misconfigured(why) => Self::Misconfigured(why),
        }
    }
}

/// Whether a request that failed has left this machine.
pub(super) fn fault(error: reqwest::Error) -> Fault {
    let unsent = error.is_connect() || error.is_builder();
    let why = told(error).into();
    if unsent { Fault::NotSent(why) } else { Fault::Unanswered(why) }
}

/// The error with its causes, without the URL, which the caller names as it likes, and without the names of
/// the library's own layers.
pub(super) fn told(error: reqwest::Error) -> String {
    let text = chain(&error.without_url());
    let text = text.strip_prefix("error sending request: ").unwrap_or(&text);
    text.strip_prefix("client error (Connect): ").unwrap_or(text).to_owned()
}
