//! Lengths of time, as people write them.

use std::time::Duration;

use super::text;

/// Reads `90`, `90s`, `5m`, `1h30m`, `2d`: seconds, minutes, hours and days, each at most once.
///
/// # Errors
/// A sentence with the text and examples.
pub fn read(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a length of time such as 90s, 5m or 1h30m");
    let mut rest = text::trimmed(text);
    let mut total = 0_u64;
    let mut largest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest[digits..].chars().next() {
            Some('d') => 86_400,
            Some('h') => 3600,
            Some('m') => 60,
            Some('s') => 1,
            None if largest == u64::MAX => 1,
            _ => return Err(wrong()),
        };
        if unit >= largest {
            return Err(wrong());
        }
        largest = unit;
        total = count.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = rest.get(digits + 1..).unwrap_or_default();
    }
    // The agent counts in signed seconds; a hundred years are enough for anybody.
    let possible = largest != u64::MAX && total <= 100 * 365 * 86_400;
    if possible { Ok(Duration::from_secs(total)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        let good = [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2h5s", 7205), ("2d1h", 176_400)];
        for (text, seconds) in good {
            assert_eq!(read(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "m",
            "5x",
            "1m2h",
            "1m1m",
            "1h30",
            "-5",
            "1.5h",
            "99999999999999999999",
            "5 m",
            "9999999h",
            "1µ",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
