//! What a sign-in is for, and the people who are in the middle of one.

use serde::Deserialize;
use url::form_urlencoded;

use super::configured::{Departure, Name};

/// What a sign-in is for. If both are missing, it is for the sandbox's own front page.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Purpose {
    /// The query of the authorization request that continues afterwards.
    pub(crate) request: Option<String>,
    /// The user code of another device.
    pub(crate) user_code: Option<String>,
}

impl Purpose {
    /// As the parameters of a form or URL.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let request = self.request.as_deref().map(|request| ("request", request));
        request.into_iter().chain(self.user_code.as_deref().map(|code| ("user_code", code)))
    }

    /// Where to go afterwards. Always on this host, whatever was sent.
    pub(crate) fn page(&self) -> String {
        match (&self.request, &self.user_code) {
            (Some(request), _) => format!("/api/oauth2/authorize?{request}"),
            (None, Some(code)) => {
                let code: String = form_urlencoded::byte_serialize(code.as_bytes()).collect();
                format!("/api/device?user_code={code}")
            }
            (None, None) => "/".to_owned(),
        }
    }
}

/// A person who is at a provider.
pub(crate) struct Away {
    pub(crate) provider: Name,
    pub(crate) departure: Departure,
    pub(crate) purpose: Purpose,
}

/// A person who has been sent a mail.
pub(crate) struct Mailed {
    pub(crate) email: String,
    pub(crate) purpose: Purpose,
}
