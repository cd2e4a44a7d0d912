//! The outcome of a request to a provider: one type for a renewal, the exchange of a code and the poll of a
//! device login. Only the session decides what each outcome means for it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::foreign::line;

/// Most of a text is somebody else's: a provider's, a library's. In characters.
const LONGEST: usize = 800;

/// What a provider answered to a request for tokens, if it answered.
#[derive(Debug, Clone)]
pub(crate) enum Outcome<T> {
    /// A 2xx answer with at least one token.
    Granted(T),
    /// The request was not sent, or was answered with 408, 425, 429 or 5xx: the refresh token or code is not
    /// spent. Holds the `Retry-After`, if there was one.
    Transient(Why, Option<Duration>),
    /// The request was sent, and no complete answer came: the refresh token or code may or may not be spent.
    Unknown(Why),
    /// `invalid_grant`: the only answer that ends a session.
    Rejected(Why),
    /// `invalid_client`, 404 for the discovery document and the like: somebody has to correct the configuration.
    Misconfigured(Why),
    /// 400 or 401 without a known error code.
    Unclear(Why),
}

impl<T> Outcome<T> {
    /// What was granted, or the same failure as an outcome of another type.
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

    /// Notes that the token endpoint itself gave this answer. What failed before it did not.
    #[must_use]
    pub(crate) fn answered(self) -> Self {
        match self {
            Self::Granted(granted) => Self::Granted(granted),
            Self::Transient(why, after) => Self::Transient(why.answered(), after),
            Self::Unknown(why) => Self::Unknown(why.answered()),
            Self::Rejected(why) => Self::Rejected(why.answered()),
            Self::Misconfigured(why) => Self::Misconfigured(why.answered()),
            Self::Unclear(why) => Self::Unclear(why.answered()),
        }
    }

    /// Changes what was granted; a failure stays the same.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self.granted() {
            Ok(granted) => Outcome::Granted(change(granted)),
            Err(failure) => failure,
        }
    }
}

/// Why something failed, in one line for a person. Never contains a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Why {
    text: String,
    remedy: Option<Remedy>,
    /// The token endpoint answered: neither the way to it nor its description failed.
    answered: bool,
}

/// What a person can do about a failure on the way to a provider, if its cause is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Give the right user and password: the proxy wants others.
    ProxyUser,
    /// Replace the file of certificate authorities, which cannot be used.
    AuthorityFile,
    /// Name the certificate authority of the provider, which this machine does not trust.
    PrivateAuthority,
    /// Name the port that serves https: this one speaks another protocol.
    Port,
    /// Another agent owns the stored session, or its folder cannot be written.
    StoredElsewhere,
}

impl Remedy {
    /// The remedy in words.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::ProxyUser => {
                "set HTTPS_PROXY, or 'proxy' in config.json, to http://user:password@host:port, and sign in again"
            }
            Self::StoredElsewhere => {
                "make the folder writable, or sign in for this place alone: 'SEQERA_CREDENTIAL_STORE=memory seqera agent restart', then '{login}'"
            }
            Self::Port => "check the port: https is served at another one, 443 if none is named",
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
    /// Creates a cause that a person can do something about.
    pub(crate) fn with(remedy: Remedy, text: impl Into<String>) -> Self {
        Self { remedy: Some(remedy), ..text.into().into() }
    }

    /// The known remedy, else `otherwise`.
    pub(crate) fn hint_or(&self, otherwise: &'static str) -> &'static str {
        self.remedy.map_or(otherwise, Remedy::hint)
    }

    /// Notes that this is what the token endpoint answered.
    #[must_use]
    pub(crate) fn answered(self) -> Self {
        Self { answered: true, ..self }
    }

    /// True for an answer of the token endpoint, however it was judged.
    pub(crate) fn is_answer(&self) -> bool {
        self.answered
    }

    /// Puts the cause into a longer sentence and keeps the rest.
    #[must_use]
    pub(crate) fn said(&self, sentence: impl FnOnce(&str) -> String) -> Self {
        Self { text: line(&sentence(&self.text), LONGEST), ..self.clone() }
    }
}

impl From<String> for Why {
    fn from(text: String) -> Self {
        Self { text: line(&text, LONGEST), remedy: None, answered: false }
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

/// The text alone: the rest is not for the log, which `Debug` is for.
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
