//! The options and the stages of a login. Those who begin a login, those who watch it, and the login itself
//! share these types.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::error::{AgentError, Typed};
use crate::providers::{Granted, UserCode};

/// How the person signs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Method {
    /// In a browser that is redirected to this host.
    #[default]
    Browser,
    /// With a user code that can be entered on any device.
    Device,
}

/// The options of a login.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoginOptions {
    pub method: Method,
    /// The only port for the callback. `None` tries the documented port, the nine after it, and then any
    /// other.
    pub port: Option<u16>,
    /// How long the person may take. `None` means 300 s in a browser, as documented
    /// (`SEQERA_AUTH_CALLBACK_TIMEOUT_MS`), and the lifetime of the user code on another device.
    pub limit: Option<Duration>,
    /// What the person typed.
    pub typed: Typed,
}

/// The result of a successful login, once its session has been stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// Stores the session of a login. It is called once, before the browser and the callers learn of the success.
/// If it fails, it also has to dispose of the tokens.
pub(crate) type Install =
    Box<dyn FnOnce(Granted) -> Pin<Box<dyn Future<Output = Result<SignedIn, AgentError>> + Send>> + Send>;

/// What the person has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Open a page in a browser.
    Browser {
        /// The authorization URL.
        url: Url,
        /// The address that a browser on this machine opens, with no secret in it. `None` where only the
        /// authorization URL can be opened.
        open_url: Option<Url>,
        /// The address that the browser is redirected to.
        redirect_uri: Url,
        /// True if the provider also offers the device flow.
        offers_device: bool,
        /// True if the address that the browser ends on can be pasted as the answer.
        can_be_pasted: bool,
    },
    /// Enter the code on another device.
    Device(UserCode),
}

/// The progress of a login.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// The provider's metadata is being fetched, and the listener opens.
    Preparing,
    /// The person has to act.
    Waiting {
        prompt: Prompt,
        /// When the login gives up.
        until: SystemTime,
    },
    /// The answer has come. From here on the login runs to its end, even if all callers leave.
    Finishing,
    /// The login has ended, with the same result for every caller.
    Done(Result<SignedIn, AgentError>),
}
