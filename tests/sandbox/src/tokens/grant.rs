//! What a user allows a client to do, and why a code or token may be refused.

use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};

/// What a user has allowed a client to do.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) user: u64,
    pub(crate) client: String,
    pub(crate) scope: String,
    pub(crate) audience: String,
    pub(crate) nonce: Option<String>,
}

impl Grant {
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|granted| granted == scope)
    }
}

/// An authorization request that a user has agreed to.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    /// The S256 challenge of RFC 7636.
    pub(crate) challenge: String,
}

impl Consent {
    /// RFC 7636, 4.6. The length is checked first, because openidconnect panics if it is out of range.
    pub(crate) fn is_proven_by(&self, verifier: &str) -> bool {
        (43..=128).contains(&verifier.len())
            && PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.to_owned()))
                .as_str()
                == self.challenge
    }
}

/// What a client presents to exchange a code for tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) code: &'a str,
    pub(crate) client: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
}

/// Why a code or refresh token is refused. Each of these is an `invalid_grant` (RFC 6749, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the sandbox does not know it")]
    Unknown,
    #[error("it was issued to another client")]
    OtherClient,
    #[error("it has expired")]
    Expired,
    #[error("it has been revoked")]
    Revoked,
    #[error("it has been used before")]
    Reused { family_ended: bool },
    #[error("redirect_uri is not the one of the authorization request")]
    OtherRedirect,
    #[error("code_verifier does not fit the code_challenge")]
    WrongVerifier,
}
