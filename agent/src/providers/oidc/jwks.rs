//! Reads a provider's signing keys (RFC 7517), leniently where a provider writes them by halves.

use base64::Engine as _;
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::Value;

use super::answer::BASE64URL;

/// The keys of a document; `None` where it is not a JSON Web Key Set.
pub(super) fn read(mut document: Value) -> Option<CoreJsonWebKeySet> {
    for key in document.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
        let length = match key["crv"].as_str() {
            Some("P-256") => 32,
            Some("P-384") => 48,
            _ => continue,
        };
        for name in ["x", "y"] {
            if let Some(whole) = key[name].as_str().and_then(|text| whole(text, length)) {
                key[name] = Value::String(whole);
            }
        }
    }
    serde_json::from_value(document).ok()
}

/// A coordinate has the length of its curve (RFC 7518, section 6.2.1.2). Glewlwyd cuts leading zeros off, so
/// that one key in 128 would let nobody sign in.
fn whole(coordinate: &str, length: usize) -> Option<String> {
    let bytes = BASE64URL.decode(coordinate).ok().filter(|bytes| bytes.len() < length)?;
    let mut padded = vec![0; length - bytes.len()];
    padded.extend(bytes);
    Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(padded))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A real key whose `y` begins with a zero.
    const X: &str = "BKk1p1HZvyaFt-pY9Dqsu3Y1yqyGtnPXSWujWPHBAKc";
    const WHOLE: &str = "AFsroDx-R1LYlm8iWfW9J_q3UBI6UyN4pagV-7QMUKM";
    const CUT: &str = "WyugPH5HUtiWbyJZ9b0n-rdQEjpTI3ilqBX7tAxQow";

    fn document(y: &str) -> Value {
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "1", "x": X, "y": y}]})
    }

    #[test]
    fn a_coordinate_that_lost_its_leading_zero_gets_it_back() {
        let (cut, good) = (read(document(CUT)).unwrap(), read(document(WHOLE)).unwrap());
        assert_eq!(cut, good);
        assert_eq!(cut.keys().len(), 1);
    }

    #[test]
    fn what_cannot_be_a_coordinate_is_left_as_it_is() {
        assert_eq!(whole(WHOLE, 32), None);
        assert_eq!(whole("not base64!", 32), None);
        assert!(read(json!({"keys": "none"})).is_none());
        assert!(read(json!([])).is_none());
        assert_eq!(read(json!({"keys": [7, "x"]})).map(|set| set.keys().len()), Some(0));
    }
}
