//! A login in a browser: where it begins, where it comes back to, and what a request to the listener means.

use std::fmt;
use std::ops::Range;

use secrecy::SecretString;
use url::Url;

use crate::error::AgentError;

/// A login in a browser that has begun. Its secrets never leave the agent, apart from what the URL shows.
pub(crate) struct Flow {
    /// What the browser opens.
    pub authorization_url: Url,
    /// Where the browser comes back to.
    pub redirect_uri: Url,
    /// Compared in constant time with what comes back.
    pub state: String,
    /// Bound into the ID token (OIDC Core, section 3.1.2.1).
    pub nonce: String,
    /// PKCE (RFC 7636).
    pub code_verifier: String,
    /// The provider also offers a login on another device.
    pub offers_device: bool,
    /// The answer is in the address that the browser ends on, so that it can be pasted.
    pub can_be_pasted: bool,
}

/// Where the browser comes back to on this host, beside the address itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing {
    /// Path of the redirect address.
    pub path: &'static str,
    /// Ports to try first, for tunnels and for providers that know them; after these any that is free.
    pub ports: Range<u16>,
}

/// A request that reached the loopback listener. Its `Host` has been checked. `Debug` shows the method alone:
/// codes and tokens come in address and body.
#[derive(Clone, Default)]
pub(crate) struct CallbackRequest {
    /// `GET`, `POST`, `OPTIONS`.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// At most 64 KiB.
    pub body: Vec<u8>,
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer of the loopback listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// HTTP status code.
    pub status: u16,
    /// Further headers; length and closing are the listener's.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// What a callback request means.
#[derive(Debug)]
pub(crate) enum Callback {
    /// Not the answer (wrong state, favicon, preflight): the login goes on.
    NotYet(Page),
    /// An authorization code, or for other providers the token itself. The page is owed until `finish` has
    /// ended.
    Code(SecretString),
    /// `access_denied` or another error of the provider: the login ends.
    /// With the page for the browser, if it is not the usual one.
    Failed(Option<Page>, AgentError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_what_a_browser_brings() {
        let headers = vec![("cookie".to_owned(), "canary".to_owned())];
        let (method, target) = ("POST".to_owned(), "/callback?code=canary".to_owned());
        let request = CallbackRequest { method, target, headers, body: b"canary".to_vec() };
        let shown = format!("{request:?}");
        assert!(shown.contains("POST") && !shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
    }
}
