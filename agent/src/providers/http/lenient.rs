//! Reads JSON whose text is not Unicode: a name that its owner's program has cut in the middle of a character is
//! written as half of it (RFC 8259, section 8.2), and one such name must not hide everything else in an answer.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// The value in these bytes. Halves of characters become U+FFFD.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if let Ok(value) = serde_json::from_slice(json) {
        return Some(value);
    }
    let text = String::from_utf8_lossy(json);
    match whole(&text) {
        Some(whole) => serde_json::from_str(&whole).ok(),
        None if matches!(text, Cow::Owned(_)) => serde_json::from_str(&text).ok(),
        None => None,
    }
}

/// The text with a whole character for each half; `None` where there is none.
fn whole(text: &str) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    let mut any = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => 0,
            (Some(_), _) => 6,
            // Any other escape is a character, which need not be ASCII where the JSON is none.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        let (kept, after) = escape.split_at(if length == 0 { 6 } else { length });
        whole.push_str(if length == 0 { "\\ufffd" } else { kept });
        any |= length == 0;
        rest = after;
    }
    whole.push_str(rest);
    any.then_some(whole)
}

/// The number in `\uXXXX` at the beginning of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn half_a_character_hides_nothing_else() {
        for (text, value) in [
            (r#"{"a":"cut\ud83d","b":7}"#, json!({"a": "cut\u{fffd}", "b": 7})),
            (r#"["\ude00\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}\u{fffd}😀"])),
            (r#"["\\ud83d\\\uD83Dx"]"#, json!(["\\ud83d\\\u{fffd}x"])),
            (r#"["\ud83d\u0041\n"]"#, json!(["\u{fffd}A\n"])),
        ] {
            assert_eq!(read::<Value>(text.as_bytes()), Some(value), "{text}");
        }
        assert_eq!(read::<Value>(b"{\"a\":\"\xff\xf0\x9f\"}"), Some(json!({"a": "\u{fffd}\u{fffd}"})));
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in ["", "<html>", r#"{"a":"\ud83d"#, r#"["\ud8"]"#, r#"["\u+d83"]"#, "[\"\\é\"]", "\\"] {
            assert_eq!(read::<Value>(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it_and_what_is_whole_is_read_as_it_is(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            text in ".*",
        ) {
            let _ = read::<Value>(&bytes);
            let _ = whole(&text);
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(whole(&json), None);
            prop_assert_eq!(read::<String>(json.as_bytes()), Some(text));
        }
    }
}
