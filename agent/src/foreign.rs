//! Text from outside: what providers, Platforms and other programs have written. It is cut and cleaned where it
//! is received, so that whatever is made of it later is one line, says what it shows, and has a length. What is
//! compared, or used as an address, is never changed: it is refused, or cleaned only where it is shown.
//!
//! | type | for | most |
//! |---|---|---|
//! | [`Name`] | names of people, organisations, workspaces | 200 characters |
//! | [`Email`] | e-mail addresses | 320 characters (RFC 5321, section 4.5.3.1) |
//! | [`Words`] | what somebody says in a sentence: errors and their descriptions | 200 characters |
//! | [`Label`] | versions, user codes, kinds | 64 characters |
//! | [`Place`] | where something lies: files, items of a keychain | 1,000 characters |
//! | [`Exact`] | issuers and addresses, which are compared and parsed as they came | shown as `Words` |
//! | [`subject`] | whom a provider means | 255 bytes, refused otherwise |
//! | [`access_token`] | access tokens | 16 KiB, refused otherwise |

use std::fmt;
use std::ops::Deref;

use seqera_agent_proto::text::{columns, ends_line, is_deceptive};
use serde::{Deserialize, Deserializer, Serialize};

/// A line of text from outside, without deceptive characters, and cut after `MOST` characters.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Line<const MOST: usize>(String);

pub(crate) type Name = Line<200>;
pub(crate) type Email = Line<320>;
pub(crate) type Words = Line<200>;
pub(crate) type Label = Line<64>;
pub(crate) type Place = Line<1_000>;

/// The longest address that is followed or shown, in bytes. Browsers and servers take about as much.
pub(crate) const LONGEST_ADDRESS: usize = 2048;

/// The longest access token, in bytes: servers accept 8 to 16 KiB of headers (nginx, Apache and Tomcat 8, Node
/// and HTTP/2 libraries 16), so that a longer token can be sent to nobody.
pub(crate) const LONGEST_TOKEN: usize = 16 * 1024;

/// The most marks on one letter. Hebrew with its vowels and accents needs as many; a stack of hundreds is drawn over
/// the lines above and below.
const MOST_MARKS: usize = 4;

/// One line of at most `most` characters; one that was cut ends with `…`.
pub(crate) fn line(text: &str, most: usize) -> String {
    let blank = |c: char| if ends_line(c) { ' ' } else { c };
    let mut marks = 0;
    let is_kept = |c: &char| {
        marks = if columns(*c) == 0 { marks + 1 } else { 0 };
        marks <= MOST_MARKS
    };
    let seen = text.chars().map(blank).filter(|c| !is_deceptive(*c)).filter(is_kept);
    let mut kept = seen.skip_while(|c| c.is_whitespace());
    let mut line: String = kept.by_ref().take(most).collect();
    if kept.any(|c| !c.is_whitespace()) {
        line.pop();
        line.push('…');
    }
    line.truncate(line.trim_end().len());
    line
}

/// The same, of at most `most` bytes.
pub(crate) fn line_of_bytes(text: &str, most: usize) -> String {
    let mut line = line(text, most);
    if line.len() > most {
        let room = most - '…'.len_utf8();
        let fits = line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        line.truncate(fits.unwrap_or(0));
        line.push('…');
    }
    line
}

impl<const MOST: usize> Line<MOST> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> From<&str> for Line<MOST> {
    fn from(text: &str) -> Self {
        Self(line(text, MOST))
    }
}

impl<const MOST: usize> From<String> for Line<MOST> {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl<const MOST: usize> From<Line<MOST>> for String {
    fn from(line: Line<MOST>) -> Self {
        line.0
    }
}

/// A null counts as missing.
impl<'de, const MOST: usize> Deserialize<'de> for Line<MOST> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(source)?.map(Self::from).unwrap_or_default())
    }
}

impl<const MOST: usize> Deref for Line<MOST> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> PartialEq<&str> for Line<MOST> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<const MOST: usize> fmt::Display for Line<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MOST: usize> fmt::Debug for Line<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Text that is compared or parsed as it came. Shown, it is [`Words`].
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Exact(String);

impl Exact {
    /// As it came: for comparing and parsing, never for showing.
    pub(crate) fn verbatim(&self) -> &str {
        &self.0
    }

    /// The address, unless it is too long, or has characters that nobody sees.
    ///
    /// # Errors
    /// Why it is no address.
    pub(crate) fn address(&self) -> Result<url::Url, String> {
        match self.0.len() {
            0..=LONGEST_ADDRESS if self.0.chars().any(is_deceptive) => {
                Err("it contains invisible characters".into())
            }
            0..=LONGEST_ADDRESS => url::Url::parse(&self.0).map_err(|error| error.to_string()),
            length => Err(format!("it has {length} bytes; {LONGEST_ADDRESS} are the limit")),
        }
    }
}

impl From<&str> for Exact {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Words::from(self.verbatim()).as_str())
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(Words::from(self.verbatim()).as_str(), f)
    }
}

/// Whom a provider means (OIDC Core, section 2: at most 255 characters). It is compared byte for byte, so that
/// nothing of it may be invisible, or cut off.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn subject(text: &str) -> Result<&str, &'static str> {
    match text {
        "" => Err("its subject (sub) is empty"),
        long if long.len() > 255 => Err("its subject (sub) is longer than 255 characters"),
        odd if odd.chars().any(is_deceptive) => Err("its subject (sub) contains invisible characters"),
        good => Ok(good),
    }
}

/// An access token as RFC 6749 (appendix A.12) defines it, which goes into a header as it is (RFC 6750, section
/// 2.1). A refresh token is never judged: it is saved and sent back as it came.
///
/// # Errors
/// What is wrong with it, without a word of it.
pub(crate) fn access_token(text: &str) -> Result<&str, String> {
    let odd = |c: char| !matches!(c, ' '..='~');
    match text.len() {
        0 => Err("it is empty".into()),
        1..=LONGEST_TOKEN => match text.chars().position(odd) {
            None => Ok(text),
            Some(at) => Err(format!(
                "its character {} is not printable ASCII, which RFC 6749 demands (appendix A.12)",
                at + 1
            )),
        },
        length => Err(format!("it has {length} bytes; more than {LONGEST_TOKEN} fit into no header")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_one_line_and_shows_what_it_says() {
        for (text, shown) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("  Ada\r\n", "Ada"),
            ("two\nlines", "two lines"),
            ("two\u{2028}lines\u{2029}\u{85}", "two lines"),
            ("\u{1b}[2Jgone\u{7}", "[2Jgone"),
            ("\u{9b}31mred", "31mred"),
            ("ad\u{202e}nimda", "adnimda"),
            ("\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}", "a"),
            ("a\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}b", "ab"),
            ("so\u{ad}ft", "soft"),
            ("x\u{e0041}\u{e007f}", "x"),
            ("\u{200b}\n\u{feff}", ""),
            ("東京 Zoë 🙂", "東京 Zoë 🙂"),
            ("שָׁ֑לוֹם ཧཱུྃ", "שָׁ֑לוֹם ཧཱུྃ"),
            (&format!("a{}b", "\u{301}".repeat(50)), "a\u{301}\u{301}\u{301}\u{301}b"),
            (&format!("a{}b", "\u{301}\u{200b}".repeat(50)), "a\u{301}\u{301}\u{301}\u{301}b"),
        ] {
            assert_eq!(Name::from(text), shown, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_shows_that() {
        assert_eq!(line("abcde", 5), "abcde");
        assert_eq!(line("abcdef", 5), "abcd…");
        assert_eq!(line("abcde \n", 5), "abcde");
        assert_eq!(line_of_bytes("ääää", 8), "ääää");
        assert_eq!(line_of_bytes("äääää", 8), "ää…");
        assert_eq!(Name::from("x".repeat(300_000)).chars().count(), 200);
    }

    #[test]
    fn json_is_cleaned_as_it_is_read_and_null_is_nothing() {
        let read = |json: &str| serde_json::from_str::<Name>(json);
        assert_eq!(read(r#""a\u202eb\n""#).unwrap(), "ab");
        assert_eq!(read("null").unwrap(), "");
        assert!(read("7").is_err());
        assert_eq!(serde_json::to_string(&Name::from("a\"b")).unwrap(), r#""a\"b""#);
    }

    #[test]
    fn what_is_compared_stays_as_it_is_and_is_cleaned_only_where_it_is_shown() {
        let exact = Exact::from("https://a.test/\u{202e}x\n");
        assert_eq!(exact.verbatim(), "https://a.test/\u{202e}x\n");
        assert_eq!(format!("{exact} {exact:?}"), "https://a.test/x \"https://a.test/x\"");
        let long = Exact::from(format!("https://a.test/{}", "x".repeat(9_000)).as_str());
        assert!(long.address().unwrap_err().contains("2048 are the limit"));
        assert!(format!("{long:?}").chars().count() <= 202);
        for odd in
            ["https://a.test/\u{202e}", "https://a.\u{200b}test/", "https://a.test/?q=\u{e0041}", "ht\ntp:x"]
        {
            assert_eq!(Exact::from(odd).address().unwrap_err(), "it contains invisible characters");
        }
        assert_eq!(
            Exact::from("https://ä.test/ö").address().unwrap().as_str(),
            "https://xn--4ca.test/%C3%B6"
        );
    }

    #[test]
    fn a_subject_is_never_empty_changed_or_endless() {
        let longest = "x".repeat(255);
        for good in ["1", "auth0|5f7c8ec7", "ada@x.test", "a b", &longest] {
            assert_eq!(subject(good), Ok(good));
        }
        let long = "x".repeat(256);
        for bad in ["", long.as_str(), "a\nb", "a\0", "ada\u{200b}", "a\u{202e}b", "\u{feff}ada"] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_access_token_is_printable_ascii_and_fits_into_a_header() {
        let all: String = (' '..='~').collect();
        let longest = "x".repeat(LONGEST_TOKEN);
        for good in ["a", "eyJ.eyJ.sig-_~+/==", "1|laravel", &all, &longest] {
            assert_eq!(access_token(good), Ok(good));
        }
        let long = "x".repeat(LONGEST_TOKEN + 1);
        for bad in
            ["", &long, "canary\n", "canary\r\nx: y", "can\tary", "canary\0", "canary\u{7f}", "canaryé"]
        {
            let why = access_token(bad).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
        assert!(access_token("canary\u{202e}").unwrap_err().contains("character 7"));
    }

    proptest! {
        #[test]
        fn no_text_stays_deceptive_or_too_long(text in ".*", most in 1_usize..50) {
            let line = line(&text, most);
            prop_assert!(!line.chars().any(is_deceptive));
            prop_assert!(line.chars().count() <= most);
            prop_assert_eq!(super::line(&line, most), line);
            prop_assert!(line_of_bytes(&text, most + 3).len() <= most + 3);
        }
    }
}
