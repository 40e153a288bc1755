//! A span of time as people write it: `90d`, `48h`, `1h30m`, `0s`.

use crate::model::Hour;
use std::fmt;
use std::str::FromStr;

/// A length of time in whole seconds; at most a hundred years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

/// The longest span: a hundred years, so that no sum of spans leaves the calendar.
pub const SECONDS_MAX: u64 = 100 * 366 * DAY;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const UNITS: [(char, u64); 4] = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', 1)];

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of so many seconds (cut at a hundred years).
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(if seconds > SECONDS_MAX { SECONDS_MAX } else { seconds })
    }

    /// A span of so many minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(MINUTE))
    }

    /// A span of so many days.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::seconds(days.saturating_mul(DAY))
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// Whether it has no length.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both, one after the other.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::seconds(self.0.saturating_add(other.0))
    }

    /// What is left when `other` is taken away (never less than nothing).
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// How long from `from` to `to`; nothing where `to` comes first.
    #[must_use]
    pub fn between(from: Hour, to: Hour) -> Self {
        Self::seconds(u64::try_from((to - from).num_seconds()).unwrap_or(0))
    }

    /// The hour this long after `hour`.
    #[must_use]
    pub fn after(self, hour: Hour) -> Hour {
        hour.checked_add_signed(self.delta()).unwrap_or(Hour::MAX_UTC)
    }

    /// The hour this long before `hour`.
    #[must_use]
    pub fn before(self, hour: Hour) -> Hour {
        hour.checked_sub_signed(self.delta()).unwrap_or(Hour::MIN_UTC)
    }

    fn delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(i64::try_from(self.0).unwrap_or(i64::MAX / 1000))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is not a span: write for example `90d`, `48h`, `1h30m` or `30s`", text.escape_default());
        let mut total: u64 = 0;
        let mut digits = String::new();
        let mut rank = 0;
        for c in text.chars() {
            if c.is_ascii_digit() && digits.len() < 12 {
                digits.push(c);
                continue;
            }
            let place = UNITS.iter().position(|(unit, _)| *unit == c).ok_or_else(wrong)?;
            let (_, seconds) = UNITS.get(place).ok_or_else(wrong)?;
            if place < rank {
                return Err(wrong());
            }
            rank = place + 1;
            let count: u64 = digits.parse().map_err(|_| wrong())?;
            digits.clear();
            total = total.saturating_add(count.saturating_mul(*seconds));
        }
        if rank == 0 || !digits.is_empty() {
            return Err(wrong());
        }
        if total > SECONDS_MAX {
            return Err(format!("`{text}` is longer than a hundred years"));
        }
        Ok(Self(total))
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, seconds) in UNITS {
            // Whole hours up to four days read better as hours: `48h`, not `2d`; nobody says `1d1h`.
            if unit == 'd' && left < 5 * DAY && !left.is_multiple_of(DAY) || unit == 'd' && self.0 <= 2 * DAY {
                continue;
            }
            if left >= seconds {
                write!(f, "{}{unit}", left / seconds)?;
                left %= seconds;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, seconds, printed) in [
            ("90d", 90 * DAY, "90d"),
            ("48h", 48 * HOUR, "48h"),
            ("1h30m", 5400, "1h30m"),
            ("0s", 0, "0s"),
            ("26h", 26 * HOUR, "26h"),
            ("3600s", 3600, "1h"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.as_seconds(), span.to_string().as_str()), (seconds, printed));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "90", "d", "1h1d", "1h1h", "-1h", "1.5h", "99999999999999d", "1 h", "1w", "999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(seconds in 0..SECONDS_MAX) {
            let span = Span::seconds(seconds);
            proptest::prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
