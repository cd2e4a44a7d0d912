//! Signed ID tokens for tests.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Alg, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde_json::{Value, json};

/// The provider's key, generated once for all tests of a run.
fn signing_key() -> &'static CoreRsaPrivateSigningKey {
    static KEY: OnceLock<CoreRsaPrivateSigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let pem = key.to_pkcs1_pem(LineEnding::LF).unwrap();
        CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new("key-1".into()))).unwrap()
    })
}

/// The key set that the provider publishes.
pub(crate) fn jwks() -> Value {
    serde_json::to_value(CoreJsonWebKeySet::new(vec![signing_key().as_verification_key()])).unwrap()
}

/// A token that the provider has signed.
pub(crate) fn jwt(claims: &Value) -> String {
    let message = message("RS256", claims);
    let signature = signing_key().sign(&Alg::RsaSsaPkcs1V15Sha256, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token that names an algorithm, but has no valid signature.
pub(crate) fn unsigned(alg: &str, claims: &Value) -> String {
    let signature = if alg == "none" { String::new() } else { URL_SAFE_NO_PAD.encode([7; 32]) };
    format!("{}.{signature}", message(alg, claims))
}

fn message(alg: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(&json!({ "alg": alg, "kid": "key-1", "typ": "JWT" })), part(claims))
}
