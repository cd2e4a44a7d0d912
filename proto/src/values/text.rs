//! Text in the encodings that editors and shells write.

/// Pairs of marks that people and programs put around a value.
const PAIRS: [(char, char); 6] =
    [('"', '"'), ('\'', '\''), ('`', '`'), ('<', '>'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];

/// The text in these bytes: UTF-8, or UTF-16 as Windows writes it, without a byte order mark.
///
/// # Errors
/// What the bytes are instead; completes a sentence that begins with their place.
pub fn decoded(bytes: &[u8]) -> Result<String, &'static str> {
    let units = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Plain text has no zeros, and UTF-16 has one beside each character of English.
        [first, 0, ..] if *first != 0 && bytes.len() > 2 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 && bytes.len() > 2 => utf16(bytes, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let text = std::str::from_utf8(bytes).map_err(|_| "is not text in UTF-8")?;
            return Ok(text.to_owned());
        }
    };
    units.ok_or("is not text: it looks like UTF-16 that is damaged")
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let pairs = bytes.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().ok().filter(|_| whole)
}

/// The text without what stands around it by accident: blanks, line ends, zeros, and byte order marks, which also
/// are what remains of a joined file.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}' | '\u{200b}'))
}

/// The text without the quotation marks or angle brackets around it.
pub fn unquoted(text: &str) -> &str {
    let inner = |(open, close)| text.strip_prefix(open)?.strip_suffix(close);
    PAIRS.into_iter().find_map(inner).map_or(text, trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn what_editors_and_shells_write_is_read_in_each_encoding() {
        for text in ["eyJ.a.b\r\n", "{}", "ab", "grün"] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), Ok(text));
            assert_eq!(decoded(format!("\u{feff}{text}").as_bytes()).as_deref(), Ok(text));
            assert_eq!(decoded(&utf16(&format!("\u{feff}{text}"), u16::to_le_bytes)).as_deref(), Ok(text));
            assert_eq!(decoded(&utf16(&format!("\u{feff}{text}"), u16::to_be_bytes)).as_deref(), Ok(text));
            assert_eq!(decoded(&utf16(text, u16::to_le_bytes)).as_deref(), Ok(text));
            assert_eq!(decoded(&utf16(text, u16::to_be_bytes)).as_deref(), Ok(text));
        }
        assert_eq!(decoded(b"").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_named() {
        assert!(decoded(b"\xffa").unwrap_err().contains("UTF-8"));
        for damaged in [&b"\xff\xfea"[..], b"a\0b", b"\xff\xfe\x00\xd8"] {
            assert!(decoded(damaged).unwrap_err().contains("UTF-16"), "{damaged:?}");
        }
    }

    #[test]
    fn only_what_stands_around_a_value_goes() {
        assert_eq!(trimmed(" \u{feff}a b\r\n\0\0"), "a b");
        assert_eq!(["\"a\"", "'a'", "`a`", "<a>", "\u{201c} a \u{201d}"].map(unquoted), ["a"; 5]);
        assert_eq!(["\"a", "a'", "'a\"", "\"", "a"].map(unquoted), ["\"a", "a'", "'a\"", "\"", "a"]);
    }
}
