//! Tokens signed with the Platform's JWT secret: the access and refresh tokens of all sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::PrivateSigningKey as _;
use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::grants::FamilyId;
use crate::keys::{claims_of, encode};

/// The minimum length that the Platform's document recommends, in characters.
pub(crate) const RECOMMENDED_LENGTH: usize = 35;

/// `TOWER_JWT_SECRET`. Changing it ends every session.
pub(crate) struct JwtSecret(String);

/// What a token is for. It is in the header, so that neither can pass for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// RFC 9068.
    Access,
    Refresh,
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The user's id as text.
    pub(crate) sub: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) aud: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    // Both are seconds since 1970 (RFC 7519, 2).
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    /// The sign-in that the token descends from.
    pub(crate) family: FamilyId,
}

impl Use {
    fn media_type(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "refresh+jwt",
        }
    }
}

impl JwtSecret {
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// A compact JWS with HS256 (RFC 7515, 3.1).
    pub(crate) fn sign(&self, what: Use, claims: &Claims) -> String {
        let header = json!({ "alg": "HS256", "typ": what.media_type() });
        let message = format!("{}.{}", encode(&header), encode(&json!(claims)));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(&message));
        format!("{message}.{signature}")
    }

    /// The claims of a token, if it was signed with this secret and for this use. Expiry is not checked.
    pub(crate) fn verify(&self, what: Use, token: &str) -> Option<Claims> {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let header = URL_SAFE_NO_PAD.decode(message.split('.').next()?).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        let is_ours = bool::from(self.signature(message).ct_eq(&signature));
        (is_ours && header["typ"] == what.media_type())
            .then(|| claims_of(token))
            .flatten()
            .and_then(|claims| serde_json::from_value(claims).ok())
    }

    fn signature(&self, message: &str) -> Vec<u8> {
        CoreHmacKey::new(self.0.as_bytes())
            .sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes())
            .expect("HMAC takes a key of any length (RFC 2104), and HS256 is known")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let text = || "x".to_owned();
        Claims {
            iss: text(),
            sub: "1".into(),
            email: text(),
            name: text(),
            aud: text(),
            client_id: text(),
            scope: text(),
            iat: 0,
            exp: 1,
            jti: text(),
            family: FamilyId::new(),
        }
    }

    #[test]
    fn a_token_counts_with_its_own_secret_and_for_its_own_use_only() {
        let secret = JwtSecret::new("one".into());
        let token = secret.sign(Use::Refresh, &claims());
        assert_eq!(secret.verify(Use::Refresh, &token).unwrap().sub, "1");
        assert!(secret.verify(Use::Access, &token).is_none());
        assert!(JwtSecret::new("two".into()).verify(Use::Refresh, &token).is_none());
        assert!(secret.verify(Use::Refresh, &token.replacen('.', ".e30", 1)).is_none());
        assert!(secret.verify(Use::Refresh, "guess").is_none());
    }
}
