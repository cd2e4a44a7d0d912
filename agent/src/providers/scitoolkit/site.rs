//! SciToolkit's backend, as far as the agent asks it.
//!
//! Its documentation names the answers of `whoami` and says that a token is deleted by its id. The paths, and
//! how a token learns its own id, are an assumption: `GET /cli/whoami`, `GET /cli/tokens` with a mark at the
//! one that asks, `DELETE /cli/tokens/{id}`, all below `apiUrl` of the profile, `{authority}/api` by default.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::clock::from_timestamp;
use crate::error::{AgentError, ErrorKind};
use crate::foreign::{self, Email, Label, Name};
use crate::outcome::Why;
use crate::providers::http::{Fault, Http, Reply};
use crate::providers::platform::{refused_token, unchecked};
use crate::token::{AccessToken, Account};

/// Why the backend did not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SiteError {
    /// 401: the token does not work any more.
    #[error("SciToolkit refuses the token")]
    Refused,
    /// No answer, or one that may be better later.
    #[error("{0}")]
    Unreachable(Why),
    /// An answer that SciToolkit would not give.
    #[error("{0}")]
    Odd(Why),
}

/// `GET /cli/whoami`; `auth_method` is not needed, since the session knows how it began.
#[derive(Deserialize)]
struct Whoami {
    uid: Value,
    #[serde(default)]
    email: Email,
    #[serde(default)]
    name: Name,
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<Entry>,
}

/// One token of the person, without its secret.
#[derive(Deserialize)]
struct Entry {
    id: Value,
    #[serde(default)]
    current: bool,
    #[serde(default)]
    expires_at: Option<Label>,
}

/// One backend.
#[derive(Clone)]
pub(super) struct Site {
    http: Http,
    api: String,
}

impl Site {
    /// `api` is the base URL of the REST API.
    pub(super) fn new(http: Http, api: &str) -> Self {
        Self { http, api: api.trim_end_matches('/').to_owned() }
    }

    /// Who the token stands for.
    ///
    /// # Errors
    /// Where it stands for nobody, or nobody can tell.
    pub(super) async fn whoami(&self, token: &AccessToken) -> Result<Account, SiteError> {
        let reply = self.http.fetch(&self.url(&["cli", "whoami"])?, Some(token)).await?;
        let told: Whoami = self.accepted(&reply)?;
        let subject = text(&told.uid).ok_or_else(|| self.odd("it does not say whose the token is"))?;
        foreign::subject(&subject).map_err(|why| self.odd(why))?;
        Ok(Account {
            user_id: subject.parse().unwrap_or_default(),
            subject,
            email: told.email,
            display_name: told.name,
            user_name: Name::default(),
        })
    }

    /// When the token ends, where the person has set that.
    ///
    /// # Errors
    /// As [`Self::whoami`].
    pub(super) async fn expiry(&self, token: &AccessToken) -> Result<Option<SystemTime>, SiteError> {
        let told = self.own_entry(token).await?.and_then(|entry| entry.expires_at);
        Ok(told.and_then(|time| time.parse().ok()).and_then(from_timestamp))
    }

    /// Deletes the token, by the id that it has there. One that is gone already counts as deleted.
    ///
    /// # Errors
    /// Where it may live on.
    pub(super) async fn delete(&self, token: &AccessToken) -> Result<(), SiteError> {
        let entry = self.own_entry(token).await?;
        let id = entry.and_then(|entry| text(&entry.id)).ok_or_else(|| {
            self.odd("it does not tell the id of the token; revoke it on the page 'CLI Tokens'")
        })?;
        let reply = self.http.delete(&self.url(&["cli", "tokens", &id])?, token).await?;
        match reply.status {
            404 => Ok(()),
            _ => self.accept(&reply),
        }
    }

    async fn own_entry(&self, token: &AccessToken) -> Result<Option<Entry>, SiteError> {
        let reply = self.http.fetch(&self.url(&["cli", "tokens"])?, Some(token)).await?;
        let list: Tokens = self.accepted(&reply)?;
        Ok(list.tokens.into_iter().find(|entry| entry.current))
    }

    /// Each segment is encoded, so that an id cannot lead elsewhere.
    fn url(&self, segments: &[&str]) -> Result<Url, SiteError> {
        let parsed = Url::parse(&self.api).ok().filter(|url| !url.cannot_be_a_base());
        let mut url =
            parsed.ok_or_else(|| SiteError::Odd(format!("{} is not an address", self.api).into()))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    fn accepted<T: serde::de::DeserializeOwned>(&self, reply: &Reply) -> Result<T, SiteError> {
        self.accept(reply)?;
        if let Some(why) = &reply.cut {
            return Err(SiteError::Unreachable(why.as_str().into()));
        }
        reply.json().ok_or_else(|| self.odd("its answer is not SciToolkit's"))
    }

    fn accept(&self, reply: &Reply) -> Result<(), SiteError> {
        match reply.status {
            200..=299 => Ok(()),
            401 => Err(SiteError::Refused),
            status if reply.is_transient() => {
                Err(SiteError::Unreachable(format!("{} answered with status {status}", self.api).into()))
            }
            status => Err(self.odd(&format!("it answered with status {status}"))),
        }
    }

    fn odd(&self, what: &str) -> SiteError {
        SiteError::Odd(format!("{}: {what}", self.api).into())
    }

    /// What the person reads.
    pub(super) fn told(&self, error: &SiteError) -> AgentError {
        match error {
            SiteError::Refused => refused_token(&format!("{} refuses this token", self.api)),
            SiteError::Unreachable(why) => unchecked(&self.api, why),
            SiteError::Odd(why) => {
                let hint =
                    "check 'authority' and 'apiUrl' of the profile in config.json; nothing was changed";
                AgentError::new(ErrorKind::Misconfigured, why.to_string(), hint)
            }
        }
    }
}

/// An id as text, whether it came as text or as a number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl From<Fault> for SiteError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotSent(why) | Fault::Unanswered(why) => Self::Unreachable(why),
            Fault::Misconfigured(why) => Self::Odd(why),
        }
    }
}
