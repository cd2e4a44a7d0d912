//! A provider's words without the secrets that it was sent, however it quotes them: whole, cut off, or as they stood in
//! the form that was sent to it, as a gateway does that shows what it has refused.

use std::collections::HashSet;
use std::ops::Range;

use seqera_agent_proto::text::is_deceptive;

/// So many bytes of a secret in a row are no accident. A shorter secret is looked for as a whole.
const TELLING: usize = 12;

/// What comes later is cut off in any case.
const LONGEST: usize = 4096;

/// The words with `…` for each part of a secret.
pub(super) fn without(words: &str, secrets: &[&str]) -> String {
    let cut = (0..=LONGEST.min(words.len())).rev().find(|at| words.is_char_boundary(*at));
    let words = &words[..cut.unwrap_or_default()];
    let (bytes, places) = decoded(words);
    let mut told = vec![false; bytes.len()];
    for secret in secrets.iter().map(|secret| secret.as_bytes()).filter(|secret| !secret.is_empty()) {
        let width = TELLING.min(secret.len());
        let parts: HashSet<&[u8]> = secret.windows(width).collect();
        for (at, _) in bytes.windows(width).enumerate().filter(|(_, part)| parts.contains(part)) {
            told[at..at + width].fill(true);
        }
    }
    let mut kept = String::new();
    let mut end = 0;
    for (place, _) in places.into_iter().zip(told).filter(|(_, told)| *told) {
        let between = words.get(end..place.start).unwrap_or_default();
        kept.push_str(between);
        if !between.is_empty() || kept.is_empty() {
            kept.push('…');
        }
        end = end.max(place.end);
    }
    kept + &words[end..]
}

/// The bytes that the words mean, each with its place: `%2B` and `\/` are one each, and what nobody sees belongs to the
/// one behind it.
fn decoded(words: &str) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    let (mut at, mut from) = (0, 0);
    while let Some(c) = words[at..].chars().next() {
        let hex = words.get(at + 1..at + 3).filter(|_| c == '%');
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let end = if escaped.is_some() { at + 3 } else { at + c.len_utf8() };
        let meant = match escaped {
            Some(_) => escaped.as_slice(),
            None if c == '\\' || is_deceptive(c) => &[],
            None => &words.as_bytes()[at..end],
        };
        bytes.extend_from_slice(meant);
        places.extend(meant.iter().map(|_| from..end));
        at = end;
        if !meant.is_empty() {
            from = end;
        }
    }
    (bytes, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "canary+0123456789/abcdefghij==";

    #[test]
    fn a_secret_is_left_out_however_it_is_quoted() {
        for quoted in [
            SECRET,
            "canary%2B0123456789%2Fabcdefghij%3D%3D",
            "canary%2b0123456789%2fabcdefghij%3d%3d",
            r"canary+0123456789\/abcdefghij==",
            "can\u{200b}ary+0123456789/abcde\u{202e}fghij==",
            "canary+0123456789",
            "0123456789/abcdefghij==",
        ] {
            let words = format!("refresh_token={quoted}&client_id=c is no good: {quoted}");
            assert_eq!(without(&words, &[SECRET]), "refresh_token=…&client_id=c is no good: …", "{quoted}");
        }
        assert_eq!(without(SECRET, &["other", SECRET]), "…");
        assert_eq!(without("a short one", &["short"]), "a … one");
    }

    #[test]
    fn other_words_stay_as_they_are() {
        for words in ["", "canary is no word of it", "100 % sure, 50%25 less", "grün \\ \u{1f600} %", "%e"] {
            assert_eq!(without(words, &[SECRET, ""]), words);
        }
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_looked_at_is_left_out_too() {
        let words = format!("{}{SECRET}{SECRET}", "x".repeat(LONGEST - 40));
        assert!(!without(&words, &[SECRET]).contains("0123456789"));
        let cut = format!("{}{SECRET}", "ü".repeat((LONGEST - 20) / 2));
        assert!(without(&cut, &[SECRET]).ends_with("ü…"), "the part before the cut is part of it");
    }
}
