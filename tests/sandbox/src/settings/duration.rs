//! Durations in Micronaut's spellings: `8h`, `3600s`, `3600`, `PT1H`.

/// The text is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration; write 8h, 90m, 3600s, 3600 or PT8H")]
pub(crate) struct NotADuration(String);

/// Whole seconds. A number without a unit counts seconds; fractions of a second are rounded up.
pub(crate) fn seconds(text: &str) -> Result<u32, NotADuration> {
    let found = parse(&text.trim().to_ascii_lowercase()).and_then(|seconds| u32::try_from(seconds).ok());
    found.ok_or_else(|| NotADuration(text.to_owned()))
}

fn parse(text: &str) -> Option<u64> {
    if let Some(iso) = text.strip_prefix('p') {
        return parse_iso(iso);
    }
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => return Some(number.div_ceil(1000)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// ISO 8601, after the `P`. Nothing larger than days, and no fractions.
fn parse_iso(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('t').unwrap_or((text, ""));
    let parts =
        parts(date, &[('d', 86_400)])?.checked_add(parts(time, &[('h', 3600), ('m', 60), ('s', 1)])?)?;
    text.contains(|character: char| character.is_ascii_digit()).then_some(parts)
}

/// A sum of numbers with units. Each unit may appear once, in this order.
fn parts(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0_u64);
    for (unit, factor) in units {
        let Some((number, behind)) = rest.split_once(*unit) else { continue };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = behind;
    }
    rest.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_document_and_of_micronaut_is_understood() {
        let cases = [
            ("8h", 28_800),
            ("3600", 3600),
            ("3600s", 3600),
            ("90m", 5400),
            ("1d", 86_400),
            ("1500ms", 2),
            ("PT1H", 3600),
            ("pt1h30m5s", 5405),
            ("P1DT12H", 129_600),
            (" 10H ", 36_000),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_quoted() {
        for text in ["", "h", "-1h", "1.5h", "8 hours", "P", "PT", "PT1M1H", "PT1.5S", "99999999999d"] {
            assert_eq!(seconds(text), Err(NotADuration(text.to_owned())));
        }
    }
}
