//! What a sign-in is for, and who is on the way through one.

use serde::Deserialize;
use url::form_urlencoded;

use super::configured::{Departure, Name};

/// What a sign-in is for. Without either it is for the sandbox's own front page.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Purpose {
    /// The query of the authorization request that goes on afterwards.
    pub(crate) request: Option<String>,
    /// The code that another device shows.
    pub(crate) user_code: Option<String>,
}

impl Purpose {
    /// As they travel in forms and addresses.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let request = self.request.as_deref().map(|request| ("request", request));
        request.into_iter().chain(self.user_code.as_deref().map(|code| ("user_code", code)))
    }

    /// Where it goes on. That is on this host whatever was sent.
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

/// A person who is looking for a mail.
pub(crate) struct Mailed {
    pub(crate) email: String,
    pub(crate) purpose: Purpose,
}
