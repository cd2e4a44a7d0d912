//! Access tokens as people keep them: in a variable, in a file, in the clipboard.

use super::text::{decoded, trimmed, unquoted};

/// Larger than any access token; a message to the agent has at most 64 KiB.
pub const LONGEST: usize = 48 * 1024;

/// The token in these bytes; `None` if there is nothing but blanks. Quotation marks, the name of a variable and that
/// of the HTTP header around it are left out.
///
/// # Errors
/// What is odd about it, without any part of it; completes a sentence that begins with its place.
pub fn read(bytes: &[u8]) -> Result<Option<String>, String> {
    let text = decoded(bytes)?;
    let lines = text.lines().map(trimmed);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let token = match lines.as_slice() {
        [] if trimmed(&text).is_empty() => return Ok(None),
        [] => return Err("contains only comments".to_owned()),
        [line] => bare(line),
        several => {
            // A file of variables, of which one is the token.
            let mut assigned = several.iter().filter_map(|line| value(line)).map(bare);
            match (assigned.next(), assigned.next()) {
                (Some(token), None) => token,
                _ => return Err(format!("has {} lines; a token has one", several.len())),
            }
        }
    };
    odd(token).map_or_else(|| Ok(Some(token.to_owned())), Err)
}

/// A token that was pasted, which a narrow window may have broken into lines.
///
/// # Errors
/// As [`read`].
pub fn pasted(text: &str) -> Result<Option<String>, String> {
    let joined: String = text.lines().map(trimmed).collect();
    read(joined.as_bytes())
}

/// Without what surrounds it, in whatever order.
fn bare(text: &str) -> &str {
    let inner = unquoted(header(value(text).unwrap_or(text)));
    if inner.len() == text.len() { text } else { bare(trimmed(inner)) }
}

/// The value of `export NAME=value` and its relatives in other shells and files. The name says that it is a token:
/// a token may well contain, and end in, the sign of equality.
fn value(line: &str) -> Option<&str> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or(("", line));
    let is_command = |known: &&str| command.eq_ignore_ascii_case(known);
    let (line, by_blank) = match ["export", "set", "setenv"].into_iter().find(is_command) {
        Some(command) => (rest.trim_start(), command == "setenv"),
        None => (line, false),
    };
    let (name, value) = if by_blank { line.split_once(char::is_whitespace) } else { line.split_once('=') }?;
    let name = name.trim_end();
    let name = name.get(..5).filter(|start| start.eq_ignore_ascii_case("$env:")).map_or(name, |_| &name[5..]);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let is_name = name.chars().all(is_part) && name.to_ascii_lowercase().ends_with("token");
    let value = value.trim_end_matches(';').trim();
    (is_name && !value.trim_start_matches('=').is_empty()).then_some(value)
}

/// What follows `Authorization: Bearer`.
fn header(text: &str) -> &str {
    let after = |text: &str, word: &str| {
        let head = text.get(..word.len())?;
        head.eq_ignore_ascii_case(word).then(|| text[word.len()..].trim_start().len())
    };
    let text = after(text, "authorization:").map_or(text, |rest| &text[text.len() - rest..]);
    after(text, "bearer ").map_or(text, |rest| &text[text.len() - rest..])
}

/// Why this is no token: it has to fit into a header (RFC 6750, section 2.1; RFC 9110, section 5.5).
fn odd(token: &str) -> Option<String> {
    let words = token.split_whitespace().count();
    let first = token.chars().next().unwrap_or_default();
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    Some(match token.chars().find(|c| !c.is_ascii_graphic()) {
        _ if words > 1 => format!("has {words} words; a token is one"),
        Some(c) if c.is_control() => "contains a control character".to_owned(),
        Some(c) => format!("contains the character U+{:04X}, which no token has", u32::from(c)),
        None if token.starts_with(is_quote) || token.ends_with(is_quote) => {
            "has a quotation mark without its counterpart".to_owned()
        }
        // A variable that was not replaced, an example, an object, a file name in brackets.
        None if !first.is_ascii_alphanumeric() && !"-._~+/".contains(first) => {
            format!("begins with '{first}', as no token does")
        }
        None if token.eq_ignore_ascii_case("bearer") => "has no token after 'Bearer'".to_owned(),
        None if token.len() > LONGEST => "is too long for an access token".to_owned(),
        None => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_people_keep_around_it() {
        for text in [
            "eyJ.a-b_c==",
            "eyJ.a-b_c==\n",
            "\n\n  eyJ.a-b_c==  \r\n\r\n",
            "\u{feff}eyJ.a-b_c==\n",
            "eyJ.a-b_c==\0",
            "\"eyJ.a-b_c==\"",
            "'eyJ.a-b_c=='\n",
            "\u{201c}eyJ.a-b_c==\u{201d}",
            "export TOWER_ACCESS_TOKEN=eyJ.a-b_c==",
            "export SEQERA_ACCESS_TOKEN=\"eyJ.a-b_c==\"\n",
            "export TOWER_ACCESS_TOKEN='eyJ.a-b_c==';",
            "TOWER_ACCESS_TOKEN=eyJ.a-b_c==",
            "TOWER_ACCESS_TOKEN = eyJ.a-b_c==",
            "set SCITOOLKIT_TOKEN=eyJ.a-b_c==\r\n",
            "setenv TOWER_ACCESS_TOKEN eyJ.a-b_c==",
            "$env:TOWER_ACCESS_TOKEN = \"eyJ.a-b_c==\"",
            "tower.accessToken = 'eyJ.a-b_c=='",
            "Bearer eyJ.a-b_c==",
            "Authorization: Bearer eyJ.a-b_c==\r\n",
            "authorization: bearer \"eyJ.a-b_c==\"",
            "\"Authorization: Bearer eyJ.a-b_c==\"",
            "# my token\nTOWER_API_ENDPOINT=https://a.test/api\nTOWER_ACCESS_TOKEN=eyJ.a-b_c==\n",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(Some("eyJ.a-b_c==".to_owned())), "{text:?}");
        }
        let wide = |bytes: fn(u16) -> [u8; 2]| {
            let text = "\u{feff}eyJ.a-b_c==\r\n".encode_utf16().flat_map(bytes).collect::<Vec<_>>();
            assert_eq!(read(&text), Ok(Some("eyJ.a-b_c==".to_owned())));
            assert_eq!(read(&text[2..]), Ok(Some("eyJ.a-b_c==".to_owned())), "without a byte order mark");
        };
        wide(u16::to_le_bytes);
        wide(u16::to_be_bytes);
    }

    #[test]
    fn the_sign_of_equality_in_a_token_makes_it_no_variable() {
        for token in ["eyJ0aWQiOiAxfQ==", "a=", "token==", "abctoken=", "a=b"] {
            assert_eq!(read(token.as_bytes()), Ok(Some(token.to_owned())), "{token}");
        }
    }

    #[test]
    fn nothing_but_blanks_is_nothing() {
        for text in ["", " \r\n\t", "\u{feff}\n", "\0"] {
            assert_eq!(read(text.as_bytes()), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_refused_with_what_is_odd_and_nothing_of_it() {
        for (text, odd) in [
            (&b"canary canary"[..], "2 words"),
            (b"canary\ncanary\n", "2 lines"),
            (b"A_TOKEN=canary\nB_TOKEN=canary2\n", "2 lines"),
            (b"# canary\n", "comments"),
            (b"can\x07ary", "control character"),
            (b"can\tary", "2 words"),
            ("can\u{a0}ary".as_bytes(), "2 words"),
            ("can\u{200b}ary".as_bytes(), "U+200B"),
            ("can\u{2013}ary".as_bytes(), "U+2013"),
            (b"\"canary", "quotation mark"),
            (b"canary'", "quotation mark"),
            (b"$(canary)", "begins with '$'"),
            (b"{\"canary\":1}", "begins with '{'"),
            (b"Bearer", "Bearer"),
            (b"can\xffary", "UTF-8"),
            (b"\xff\xfec\0a", "UTF-16"),
        ] {
            let told = read(text).expect_err(odd);
            assert!(told.contains(odd) && !told.contains("canary"), "{text:?}: {told}");
        }
        assert!(read(&vec![b'x'; LONGEST + 1]).unwrap_err().contains("too long"));
    }

    #[test]
    fn a_paste_that_a_window_has_broken_is_joined() {
        for text in ["eyJ.a-\nb_c==", "eyJ.a-\r\n  b_c==\r\n", "export X_TOKEN=eyJ.a-\rb_c=="] {
            assert_eq!(pasted(&text.replace('\r', "\n")), Ok(Some("eyJ.a-b_c==".to_owned())), "{text:?}");
        }
        assert!(pasted("one two\nthree").unwrap_err().contains("2 words"));
        assert_eq!(pasted("\n \n"), Ok(None));
    }
}
