//! What came of asking a provider: one set of outcomes for a renewal, the exchange of a code and the poll of a
//! device login. What each means for a session is decided by the session alone.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// What a provider answered to a request for tokens, or that it did not answer.
#[derive(Debug, Clone)]
pub(crate) enum Outcome<T> {
    /// A 2xx answer with at least one token.
    Granted(T),
    /// Not sent, or 408, 425, 429 or 5xx: what was to be spent is still good. With `Retry-After`, where given.
    Transient(Why, Option<Duration>),
    /// Sent, and no complete answer came: it may be spent or not.
    Unknown(Why),
    /// `invalid_grant`: the only answer that ends a session.
    Rejected(Why),
    /// `invalid_client`, discovery 404 and the like: somebody has to correct the configuration.
    Misconfigured(Why),
    /// 400 or 401 without an error code that we know.
    Unclear(Why),
}

impl<T> Outcome<T> {
    /// What was granted, or the same failure as the outcome of something else.
    ///
    /// # Errors
    /// Every outcome but [`Outcome::Granted`].
    pub(crate) fn granted<U>(self) -> Result<T, Outcome<U>> {
        Err(match self {
            Self::Granted(granted) => return Ok(granted),
            Self::Transient(why, after) => Outcome::Transient(why, after),
            Self::Unknown(why) => Outcome::Unknown(why),
            Self::Rejected(why) => Outcome::Rejected(why),
            Self::Misconfigured(why) => Outcome::Misconfigured(why),
            Self::Unclear(why) => Outcome::Unclear(why),
        })
    }

    /// The same outcome with something else granted.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self.granted() {
            Ok(granted) => Outcome::Granted(change(granted)),
            Err(failure) => failure,
        }
    }
}

/// Why something failed, in words for a person. Never holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Why {
    text: String,
    remedy: Option<Remedy>,
}

/// What a person can do about a failure on the way to a provider, where the cause is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The proxy wants another user or password.
    ProxyUser,
    /// The file of certificate authorities cannot be used.
    AuthorityFile,
    /// The provider's certificate is signed by an authority that this machine does not trust.
    PrivateAuthority,
}

impl Remedy {
    /// The remedy in words.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::ProxyUser => {
                "set HTTPS_PROXY, or 'proxy' in config.json, to http://user:password@host:port, and sign in again"
            }
            Self::AuthorityFile => {
                "put the PEM file there, or name another one (caFile, SSL_CERT_FILE) and sign in again"
            }
            Self::PrivateAuthority => {
                "for a private authority name its PEM file in SSL_CERT_FILE or as caFile in config.json, and sign in again"
            }
        }
    }
}

impl Why {
    /// A cause that a person can do something about.
    pub(crate) fn with(remedy: Remedy, text: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: Some(remedy) }
    }

    /// The known remedy, else `otherwise`.
    pub(crate) fn hint_or(&self, otherwise: &'static str) -> &'static str {
        self.remedy.map_or(otherwise, Remedy::hint)
    }

    /// The same cause in a longer sentence.
    #[must_use]
    pub(crate) fn said(&self, sentence: impl FnOnce(&str) -> String) -> Self {
        Self { text: sentence(&self.text), remedy: self.remedy }
    }
}

impl From<String> for Why {
    fn from(text: String) -> Self {
        Self { text, remedy: None }
    }
}

impl From<&str> for Why {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Why {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// As the text: the remedy belongs to what a person reads.
impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_sentence_keeps_the_remedy() {
        let why = Why::with(Remedy::ProxyUser, "407").said(|why| format!("the proxy said no: {why}"));
        assert_eq!(why.to_string(), "the proxy said no: 407");
        assert!(why.hint_or("try again").contains("HTTPS_PROXY"));
        assert_eq!(Why::from("gone").hint_or("try again"), "try again");
    }

    #[test]
    fn a_failure_is_the_same_whatever_was_asked_for() {
        let after = Some(Duration::from_secs(7));
        let failed: Outcome<u8> = Outcome::Transient("busy".into(), after);
        assert!(
            matches!(failed.granted::<String>(), Err(Outcome::Transient(why, kept)) if &*why == "busy" && kept == after)
        );
        assert!(matches!(Outcome::Granted(1).map(|one| one + 1), Outcome::Granted(2)));
    }
}
