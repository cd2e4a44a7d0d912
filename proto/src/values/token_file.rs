//! The file that `seqera token --write` keeps fresh, for programs that cannot reach the agent: the one that
//! `SEQERA_ACCESS_TOKEN_FILE` names. Its first line is the token alone, so that a shell needs no more than
//! `head -n 1`. The second line begins with [`MARK`], and each line after it is a name, the sign of equality and a
//! value, all of them optional, names that a reader does not know being passed over:
//!
//! | name | value |
//! |---|---|
//! | `authority` | the OIDC issuer base URL that the token comes from |
//! | `api` | the Platform's REST API that the token is for |
//! | `workspace` | the numeric id of the chosen workspace |
//! | `profile` | the profile that the token was taken from |
//! | `expires` | when the token expires: RFC 3339 in UTC, whole seconds, such as `2026-03-01T14:30:00Z` |
//!
//! What stands beside the token beats the environment: a token must not go to an address that is there for another
//! account. A file without the second line is one that a person wrote, and holds a token as a variable does
//! ([`token::read`]).

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{address, token};
use crate::files::{self, Writer};

/// How the second line begins. A file without it was not written by `seqera token --write`, and is never replaced.
pub const MARK: &str = "# seqera token file";

/// What follows it, for whoever opens the file.
const WORDS: &str = ", kept by 'seqera token --write'; the token is the first line";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// A token and what stands beside it. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenFile {
    /// The access token.
    pub token: String,
    /// True if `seqera token --write` wrote the file.
    pub is_marked: bool,
    /// Empty: not told.
    pub authority: String,
    /// Empty: not told.
    pub api: String,
    /// 0: none, or not told.
    pub workspace: i64,
    /// Empty: not told.
    pub profile: String,
    /// Seconds since 1970, UTC; `None`: not told, or never.
    pub expires: Option<u64>,
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("authority", &self.authority)
            .field("profile", &self.profile)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl TokenFile {
    /// Reads the file. Whoever owns it: the person has named it, and in a container its owner has another number. But in
    /// `/tmp` any user can take the name of one that has gone, and what stands beside the token says where it is sent.
    ///
    /// # Errors
    /// A sentence with the path and what is wrong; nothing of the content is in it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let content = files::open(path, Writer::Site).and_then(|file| {
            files::check_not_planted(path, &file)?;
            files::whole(file, LARGEST)
        });
        let content = content.map_err(|error| files::sentence(path, &error))?;
        Self::of(&content).map_err(|odd| format!("{} {odd}", path.display()))
    }

    /// What these bytes hold.
    ///
    /// # Errors
    /// What is odd about them; completes a sentence that begins with the path.
    pub fn of(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).unwrap_or_default();
        let mut lines = text.lines();
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if !second.starts_with(MARK) {
            let token = token::read(content)?.ok_or("holds no token")?;
            return Ok(Self { token, ..Self::default() });
        }
        let token = token::read(first.as_bytes())?.ok_or("holds no token in its first line")?;
        let mut file = Self { token, is_marked: true, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once('=')) {
            file.take(name.trim(), value.trim())?;
        }
        Ok(file)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let url = || match value {
            "" => Ok(String::new()),
            some => address::read(some).map_err(|odd| format!("names as '{name}' an address that {odd}")),
        };
        let odd = || format!("holds a value of '{name}' that makes no sense");
        match name {
            "authority" => self.authority = url()?,
            "api" => self.api = url()?,
            "workspace" => self.workspace = value.parse().map_err(|_| odd())?,
            "profile" => self.profile = value.to_owned(),
            "expires" if !value.is_empty() => self.expires = Some(unix_time(value).ok_or_else(odd)?),
            _ => {}
        }
        Ok(())
    }

    /// The content of the file.
    pub fn text(&self) -> String {
        let workspace = if self.workspace == 0 { String::new() } else { self.workspace.to_string() };
        let expires = self.expires.map(rfc3339).unwrap_or_default();
        let values = [
            ("authority", &self.authority),
            ("api", &self.api),
            ("workspace", &workspace),
            ("profile", &self.profile),
            ("expires", &expires),
        ];
        let told = values.iter().filter(|(_, value)| !value.is_empty());
        let lines = told.map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
        format!("{}\n{MARK}{WORDS}\n{lines}", self.token)
    }

    /// True if the token has expired by this clock.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        let end = self.expires.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(end));
        end.is_some_and(|end| end <= now)
    }

    /// When the token expires, in RFC 3339; empty if that is not told.
    pub fn expires_text(&self) -> String {
        self.expires.map(rfc3339).unwrap_or_default()
    }
}

const DAY: u64 = 86_400;

/// Days from 1 March of the year 0 to 1 January 1970, in the proleptic Gregorian calendar.
const TO_1970: u64 = 719_468;

/// In years that begin in March the day that a leap year has more is the last one.
fn rfc3339(seconds: u64) -> String {
    let days = seconds / DAY + TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds since 1970 of such a time in UTC, with or without parts of a second; `None` for any other form.
pub fn unix_time(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let valid = year <= 9999 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(TO_1970)?;
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split(between).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> TokenFile {
        TokenFile {
            token: "eyJ.a-b_c==".into(),
            is_marked: true,
            authority: "https://a.test/api".into(),
            api: "https://api.a.test".into(),
            workspace: 7,
            profile: "work".into(),
            expires: Some(1_765_895_400),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_first_line_is_the_token_alone() {
        let bare = TokenFile { token: "t".into(), is_marked: true, ..TokenFile::default() };
        for file in [full(), bare] {
            assert_eq!(TokenFile::of(file.text().as_bytes()), Ok(file.clone()));
            assert_eq!(file.text().lines().next(), Some(file.token.as_str()));
        }
        assert!(full().text().ends_with("profile=work\nexpires=2025-12-16T14:30:00Z\n"));
        assert!(!format!("{:?}", full()).contains("eyJ"));
    }

    #[test]
    fn a_file_that_a_person_wrote_holds_a_token_as_a_variable_does() {
        for text in ["t\n", "  t", "# mine\nt\n", "export SEQERA_ACCESS_TOKEN='t'\n", "A=1\nX_TOKEN=t\n"] {
            let read = TokenFile::of(text.as_bytes()).unwrap();
            assert_eq!((read.token.as_str(), read.is_marked), ("t", false), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_a_later_version_is_passed_over() {
        let later = format!("{}moon=full\nno value\n", full().text());
        assert_eq!(TokenFile::of(later.as_bytes()), Ok(full()));
    }

    #[test]
    fn what_is_odd_is_named_without_the_token() {
        let marked = |lines: &str| format!("canary\n{MARK}\n{lines}\n");
        for (text, odd) in [
            (String::new(), "holds no token"),
            ("\n\n".to_owned(), "holds no token"),
            (format!("\n{MARK}\n"), "first line"),
            ("can ary\n".to_owned(), "2 words"),
            ("canary\ncanary\n".to_owned(), "2 lines"),
            (marked("authority=ftp://x"), "'authority'"),
            (marked("api=https://user:canary@x"), "'api'"),
            (marked("workspace=canary"), "'workspace'"),
            (marked("expires=canary"), "'expires'"),
        ] {
            let told = TokenFile::of(text.as_bytes()).unwrap_err();
            assert!(told.contains(odd) && !told.contains("canary"), "{text:?}: {told}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, count) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2025-12-16T14:30:00Z", 1_765_895_400),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!((unix_time(text), rfc3339(count).as_str()), (Some(count), text));
        }
        assert_eq!(unix_time("2025-12-16T14:30:00.5Z"), Some(1_765_895_400));
        for odd in ["", "2025-12-16", "2025-12-16T14:30Z", "2025-13-16T14:30:00Z", "1969-12-31T00:00:00Z"] {
            assert_eq!(unix_time(odd), None, "{odd}");
        }
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(full().has_expired(at(1_765_895_400)) && !full().has_expired(at(1_765_895_399)));
        assert!(!TokenFile::default().has_expired(at(u32::MAX.into())));
    }
}
