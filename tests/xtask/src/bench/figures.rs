//! Figures that a noisy machine gives: always many of them, and always as ratios to what was measured beside
//! them in the same run.

use std::time::Duration;

use serde_json::{Value, json};

/// Waits, where the time itself is what is measured.
#[expect(clippy::disallowed_methods, reason = "tests wait on conditions; this is no test")]
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The middle of many values, and the quarters around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: usize| sorted[(sorted.len() - 1) * part / 4];
        Self { low: at(1), median: at(2), high: at(3) }
    }

    /// The ratios of values that were measured in pairs, one after the other.
    pub(super) fn of_ratios(values: &[f64], base: &[f64]) -> Self {
        Self::of(values.iter().zip(base).map(|(value, base)| value / base))
    }

    pub(super) fn json(self) -> Value {
        json!({"low": self.low, "median": self.median, "high": self.high})
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_median_and_quarters() {
        let spread = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Spread::of([7.0]).median, 7.0);
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        assert_eq!(Spread::of_ratios(&[2.0, 30.0, 400.0], &[1.0, 10.0, 100.0]).median, 3.0);
    }
}
