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

pub(super) fn show(screen: &Screen, code: &DeviceCode) {
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
    screen.tell(&format!(
        "Open this page in a browser on any device:\n\n  {}\n\nand enter this code:\n\n  {}\n  (say: {})\n",
        page,
        user_code,
        spelled(&user_code)
    ));
    let page = match code.verification_uri_complete.as_str() {
        "" => &code.verification_uri,
        page => page,
    };
    if let Some(picture) = Qr::of(page) {
        screen.picture(&picture);
    }
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
