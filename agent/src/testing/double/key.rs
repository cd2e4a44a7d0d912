//! Signed ID tokens for tests.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreHmacKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Alg, CoreRsaPrivateSigningKey,
};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde_json::{Value, json};

/// The provider's key, generated once for all tests of a run.
fn signing_key() -> &'static CoreRsaPrivateSigningKey {
    static KEY: OnceLock<CoreRsaPrivateSigningKey> = OnceLock::new();
    KEY.get_or_init(|| generated("key-1"))
}

/// The key of somebody else, who calls it as the provider calls its own.
fn strangers_key() -> &'static CoreRsaPrivateSigningKey {
    static KEY: OnceLock<CoreRsaPrivateSigningKey> = OnceLock::new();
    KEY.get_or_init(|| generated("key-1"))
}

fn generated(id: &str) -> CoreRsaPrivateSigningKey {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let pem = key.to_pkcs1_pem(LineEnding::LF).unwrap();
    CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(id.into()))).unwrap()
}

/// The key set that the provider publishes.
pub(crate) fn jwks() -> Value {
    serde_json::to_value(CoreJsonWebKeySet::new(vec![signing_key().as_verification_key()])).unwrap()
}

/// The key set of somebody else.
pub(crate) fn strangers_jwks() -> Value {
    serde_json::to_value(CoreJsonWebKeySet::new(vec![strangers_key().as_verification_key()])).unwrap()
}

/// A token that the provider has signed, with more in its header.
pub(crate) fn jwt_with(header: &Value, claims: &Value) -> String {
    signed_by(signing_key(), header, claims)
}

/// A token that somebody else has signed, with more in its header.
pub(crate) fn forged(header: &Value, claims: &Value) -> String {
    signed_by(strangers_key(), header, claims)
}

/// A token whose shared secret is this text, such as the provider's public key.
pub(crate) fn signed_with_secret(secret: &[u8], claims: &Value) -> String {
    let message = message("HS256", claims);
    let signature = CoreHmacKey::new(secret.to_vec()).sign(&Alg::HmacSha256, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signed_by(key: &CoreRsaPrivateSigningKey, more: &Value, claims: &Value) -> String {
    let mut header = json!({ "alg": "RS256", "kid": "key-1", "typ": "JWT" });
    for (name, value) in more.as_object().unwrap() {
        header[name] = value.clone();
    }
    header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(&Alg::RsaSsaPkcs1V15Sha256, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token that the provider has signed.
pub(crate) fn jwt(claims: &Value) -> String {
    jwt_with(&json!({}), claims)
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
