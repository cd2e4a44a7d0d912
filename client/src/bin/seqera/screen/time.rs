//! Formats times for people and for programs, and reads durations as people write them.

use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, UtcOffset};

/// The current time, by the wall clock.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Converts a time of the contract, in whole seconds, to UTC; `None` outside the years -9999 to 9999.
pub(crate) fn moment(time: prost_types::Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.seconds).ok()
}

/// Formats a time as RFC 3339: UTC, whole seconds.
pub(crate) fn rfc3339(time: Option<prost_types::Timestamp>) -> Option<String> {
    Some(written(moment(time?)?, 'T') + "Z")
}

/// Like [`rfc3339`].
pub(crate) fn rfc3339_of(time: Option<SystemTime>) -> Option<String> {
    rfc3339(time.map(prost_types::Timestamp::from))
}

/// Formats a time as the documentation shows it, and its zone behind that: `2025-12-16 14:30:00 +01:00`, in the
/// local time zone where that is known.
pub(crate) fn local(time: prost_types::Timestamp) -> String {
    let Some((at, zone)) = moment(time).map(|at| (at, zone(at))) else { return String::new() };
    in_zone(at, zone)
}

/// Formats the time of day in the local time zone, for a time that is near: `14:30:00`.
pub(crate) fn time_of_day(time: prost_types::Timestamp) -> String {
    local(time).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn zone(at: OffsetDateTime) -> UtcOffset {
    UtcOffset::local_offset_at(at).unwrap_or(UtcOffset::UTC)
}

/// Formats a time in a time zone; empty outside the years that [`moment`] knows.
fn in_zone(time: OffsetDateTime, zone: UtcOffset) -> String {
    let Some(at) = time.checked_to_offset(zone) else { return String::new() };
    let minutes = zone.whole_minutes();
    let sign = if minutes < 0 { '-' } else { '+' };
    match minutes.unsigned_abs() {
        0 => format!("{} UTC", written(at, ' ')),
        some => format!("{} {sign}{:02}:{:02}", written(at, ' '), some / 60, some % 60),
    }
}

/// Formats date and time of day by hand: the formatter of a crate serves every format, which takes 30 KiB.
fn written(at: OffsetDateTime, between: char) -> String {
    let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
}

/// Formats a duration in its two largest units: `2h 5m`, `5m 3s`, `42s`.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts =
        [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = parts.iter().position(|(_, count)| *count > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).enumerate();
    let shown = shown.filter(|(place, (_, count))| *place == 0 || *count > 0);
    shown.map(|(_, (unit, count))| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_shown_in_two_units() {
        let shown = [(0, "0s"), (42, "42s"), (303, "5m 3s"), (3600, "1h"), (3605, "1h"), (90_061, "1d 1h")];
        for (seconds, text) in shown {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_are_utc_for_programs_and_local_for_people() {
        let time = prost_types::Timestamp { seconds: 1_765_895_400, nanos: 999 };
        assert_eq!(rfc3339(Some(time)).as_deref(), Some("2025-12-16T14:30:00Z"));
        let two_hours_ahead = UtcOffset::from_hms(2, 0, 0).unwrap();
        let shown = |zone| in_zone(moment(time).unwrap(), zone);
        assert_eq!(shown(two_hours_ahead), "2025-12-16 16:30:00 +02:00");
        assert_eq!(shown(UtcOffset::from_hms(-3, -30, 0).unwrap()), "2025-12-16 11:00:00 -03:30");
        assert_eq!(shown(UtcOffset::UTC), "2025-12-16 14:30:00 UTC");
        assert_eq!(time_of_day(time).len(), "14:30:00".len());
        assert_eq!(rfc3339(Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })), None);
    }
}
