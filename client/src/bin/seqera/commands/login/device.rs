//! Shows the code for a login on another device: to read, to spell on the telephone, and to scan.

use seqera_client::proto::v1::login_event::DeviceCode;
use serde_json::json;

use crate::screen::qr::Qr;
use crate::screen::{Screen, one_line};

/// The international radiotelephony spelling alphabet.
const LETTERS: [&str; 26] = [
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo",
    "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform", "Victor",
    "Whiskey", "X-ray", "Yankee", "Zulu",
];

const DIGITS: [&str; 10] = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];

/// Nobody remembers more letters than this between hearing and typing them.
const GROUP: usize = 4;

/// `next` is about the line that follows. Picture first: what has to be typed must not scroll away above it.
pub(super) fn show(screen: &Screen, code: &DeviceCode, next: &str) {
    if screen.json {
        screen.event(&json!({
            "event": "device_code",
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
        }));
        return;
    }
    let [page, user_code] = [&code.verification_uri, &code.user_code].map(|text| one_line(text));
    if code.joined {
        screen.tell("A login of this profile is running already; this one joins it.");
    }
    let scanned = match code.verification_uri_complete.as_str() {
        "" => &code.verification_uri,
        scanned => scanned,
    };
    let (open, enter) = ("Open on any device:   ", "and enter this code:  ");
    let code_line = format!("{enter}{user_code}");
    let said = format!("  (say: {})", spelled(&user_code));
    if let Some(picture) = Qr::of(scanned) {
        let address = format!("{open}{page}");
        screen.picture(&picture, &[&address, &code_line, &said, next]);
    }
    screen.address(open, &page);
    screen.tell(&code_line);
    screen.tell(&said);
}

/// Spells a code in words that are hard to confuse. A lower-case letter becomes a lower-case word.
fn spelled(code: &str) -> String {
    let groups = code.split(|letter: char| !letter.is_alphanumeric()).filter(|group| !group.is_empty());
    let groups = groups.flat_map(|group| {
        let words: Vec<_> = group.chars().map(word).collect();
        words.chunks(GROUP).map(|chunk| chunk.join(" ")).collect::<Vec<_>>()
    });
    groups.collect::<Vec<_>>().join(", ")
}

fn word(letter: char) -> String {
    let at = |first: char| usize::try_from(u32::from(letter) - u32::from(first)).unwrap_or_default();
    match letter {
        'A'..='Z' => LETTERS[at('A')].to_owned(),
        'a'..='z' => LETTERS[at('a')].to_lowercase(),
        '0'..='9' => DIGITS[at('0')].to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_read_aloud() {
        for (code, words) in [
            ("WDJB-MJHT", "Whiskey Delta Juliett Bravo, Mike Juliett Hotel Tango"),
            ("A1b.Z", "Alfa One bravo, Zulu"),
            ("123456", "One Two Three Four, Five Six"),
            ("Ä", "Ä"),
            ("", ""),
        ] {
            assert_eq!(spelled(code), words, "{code}");
        }
    }
}
