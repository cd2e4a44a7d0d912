//! The deadline of a call (`grpc-timeout`, gRPC over HTTP/2).

use std::time::Duration;

use tonic::Request;
use tonic::codegen::http::HeaderMap;

use crate::clock::Moment;

/// How long we assume that a caller without a deadline waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Subtracted from a caller's deadline, so that the caller sees our error instead of its own timeout.
const MARGIN: Duration = Duration::from_millis(200);

/// The time by which the call has to be answered.
pub(crate) fn until<T>(request: &Request<T>, now: Moment) -> Moment {
    let patience = limit(request.metadata().as_ref()).unwrap_or(PATIENCE);
    let margin = MARGIN.min(patience / 4);
    now.plus((patience - margin).min(Duration::from_secs(3600)))
}

/// How long the caller waits, if it says so.
pub(crate) fn limit(headers: &HeaderMap) -> Option<Duration> {
    headers.get("grpc-timeout")?.to_str().ok().and_then(parse_timeout)
}

/// Parses at most eight digits followed by a unit.
fn parse_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.checked_mul(3600)?)),
        "M" => Some(Duration::from_secs(value.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        assert_eq!(parse_timeout("30S"), Some(Duration::from_secs(30)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("1000000u"), Some(Duration::from_secs(1)));
        for bad in ["", "S", "5", "5x", "-1S", "é"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }
}
