//! The signing key of a sandbox, and random text.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use serde_json::{Value, json};

/// How many random bytes a token has: 256 bits, twice what RFC 6749, 10.10 requires.
pub(crate) const TOKEN_BYTES: usize = 32;

/// The smallest size that RS256 allows (RFC 7518, 3.3), because each start makes a new key.
const KEY_BITS: usize = 2048;

/// No key could be made or used.
#[derive(Debug, thiserror::Error)]
#[error("RSA key: {0}")]
pub struct KeyError(String);

/// An RSA key. It lives as long as its sandbox.
#[derive(Clone)]
pub(crate) struct SigningKey {
    key: Arc<CoreRsaPrivateSigningKey>,
    id: String,
}

impl SigningKey {
    /// Makes a key. That takes a tenth of a second or more of computing, too long for an async thread.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let failed = |error: &dyn std::fmt::Display| KeyError(error.to_string());
        let id = format!("sandbox-{}", random_text(6));
        let pem = rsa::RsaPrivateKey::new(&mut OsRng, KEY_BITS)
            .map_err(|error| failed(&error))?
            .to_pkcs1_pem(LineEnding::LF)
            .map_err(|error| failed(&error))?;
        let key = CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(id.clone())))
            .map_err(KeyError)?;
        Ok(Self { key: Arc::new(key), id })
    }

    /// The key in the form that openidconnect needs to sign ID tokens.
    pub(crate) fn for_id_tokens(&self) -> &CoreRsaPrivateSigningKey {
        &self.key
    }

    /// The public half.
    pub(crate) fn published(&self) -> CoreJsonWebKeySet {
        CoreJsonWebKeySet::new(vec![self.key.as_verification_key()])
    }

    /// A compact JWS with RS256 (RFC 7515, 3.1), with `typ` as its media type.
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> Result<String, KeyError> {
        let header = json!({ "alg": "RS256", "typ": typ, "kid": self.id });
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = self
            .key
            .sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, message.as_bytes())
            .map_err(|error| KeyError(error.to_string()))?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A JWS without a signature (RFC 7515, A.5), to test that clients refuse it.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(claims))
}

/// The claims of a compact JWS, unverified.
pub(crate) fn claims_of(jws: &str) -> Option<Value> {
    let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// One part of a compact JWS.
pub(crate) fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Random bytes in base64url.
pub(crate) fn random_text(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(random_bytes(bytes))
}

/// Random bytes from the operating system.
pub(crate) fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).expect("a system that runs this has a source of randomness");
    bytes
}
