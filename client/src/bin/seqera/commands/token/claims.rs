//! What a JWT says about itself (RFC 7519). Nothing is checked and nobody is asked, so it is as true as whoever has
//! made the token.

use prost_types::Timestamp;
use serde_json::{Map, Value};

use crate::screen::failure::Failure;
use crate::screen::table;
use crate::screen::time::local;
use crate::settings::context::Context;

/// Claims that are times (RFC 7519, section 4.1; OpenID Connect Core, section 2).
const TIMES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];

/// Prints the claims. Neither the token nor its signature is in them.
pub(super) fn show(context: &Context, token: &str) -> Result<(), Failure> {
    let claims = of(token).ok_or_else(|| {
        let hint = "'seqera whoami' asks the Platform whose it is";
        Failure::usage("this token is not a JWT: it says nothing about itself", Some(hint))
    })?;
    if context.screen.json {
        return context.screen.object(&Value::Object(claims));
    }
    let rows: Vec<_> = claims.iter().map(|(name, value)| (name.as_str(), shown(name, value))).collect();
    context.screen.say(&table(&rows))
}

fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if TIMES.contains(&name) => {
            let seconds = number.as_i64();
            let time = seconds.map(|seconds| local(Timestamp { seconds, nanos: 0 })).unwrap_or_default();
            if time.is_empty() { number.to_string() } else { format!("{number} ({time})") }
        }
        other => other.to_string(),
    }
}

/// `None` if the token is no JWT with a signature (RFC 7515, section 3.1), or an encrypted one.
fn of(token: &str) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = parts.as_slice() else { return None };
    let object = |part: &str| match serde_json::from_slice(&base64url(part)?) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    object(header).and_then(|_| object(claims))
}

/// Decodes base64url, as it is in a JWT without padding (RFC 7515, appendix C).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | u32::from(sixth(*byte)?);
        }
        let whole = group.len() * 6 / 8;
        if whole == 0 {
            return None;
        }
        bits <<= 24 - 6 * group.len();
        bytes.extend(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

fn sixth(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_claims_of_a_jwt_are_read_and_nothing_else_is() {
        // The example of RFC 7519, section 3.1.
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
            .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
            .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let claims = json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true});
        assert_eq!(of(token).map(Value::Object), Some(claims));
        for other in [
            "",
            "opaque",
            "a.b",
            "eyJhIjoxfQ.eyJhIjoxfQ.x.y.z",
            "eyJ0aWQiOiAxfS5hYmM=",
            "e30.W10.x",
            "e30.e30!.x",
            "e30.e.x",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(of("e30.e30.x"), Some(Map::new()));
    }

    #[test]
    fn a_time_is_shown_as_one_and_other_claims_as_they_are() {
        assert_eq!(shown("sub", &json!("ada")), "ada");
        assert_eq!(shown("aud", &json!(["a", 1])), r#"["a",1]"#);
        assert_eq!(shown("n", &json!(1_300_819_380)), "1300819380");
        assert!(shown("exp", &json!(1_300_819_380)).starts_with("1300819380 (2011-03-2"));
        assert_eq!(shown("exp", &json!(1e300)), "1e+300");
    }

    #[test]
    fn every_length_is_decoded() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("-_8", b"\xfb\xff")]
        {
            assert_eq!(base64url(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(base64url("Z"), None);
    }
}
