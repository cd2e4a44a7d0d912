//! How a login is done and how far it is: what those who begin it, those who watch it and the login itself share.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::error::AgentError;
use crate::providers::{Granted, UserCode};

/// The way in that the person chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Method {
    /// A browser that comes back to this host.
    #[default]
    Browser,
    /// A code that is entered on any device.
    Device,
}

/// How a login is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoginOptions {
    /// The way in.
    pub method: Method,
    /// The callback's port. Used alone where it is set; else the documented one, the nine after it, then any.
    pub port: Option<u16>,
    /// How long the person may take. `None`: 300 s in a browser, as documented
    /// (`SEQERA_AUTH_CALLBACK_TIMEOUT_MS`), and on another device as long as the code can be entered.
    pub limit: Option<Duration>,
}

/// What is left of a login when its session is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// Keeps the session of a login. It is called once, before browser and callers are told of a success; what
/// becomes of the tokens when it fails is its own affair.
pub(crate) type Install =
    Box<dyn FnOnce(Granted) -> Pin<Box<dyn Future<Output = Result<SignedIn, AgentError>> + Send>> + Send>;

/// What a person has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Open a page.
    Browser {
        /// What the browser opens.
        url: Url,
        /// Where it comes back to.
        redirect_uri: Url,
        /// The provider also offers a login on another device.
        offers_device: bool,
        /// The address that the browser ends on is the answer.
        can_be_pasted: bool,
    },
    /// Enter a code.
    Device(UserCode),
}

/// How far a login is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// The provider is asked for its description, the listener opens.
    Preparing,
    /// The person's turn.
    Waiting {
        /// What there is to do.
        prompt: Prompt,
        /// When the login gives up.
        until: SystemTime,
    },
    /// The answer has come: from here the login runs to its end, whoever stays.
    Finishing,
    /// The end, the same for everybody who joined.
    Done(Result<SignedIn, AgentError>),
}
