//! How gently values are moved: so many rows a second, or no more than half of the time. By the world's clock, after each
//! chunk, so that nobody waits inside a transaction.

use crate::model::Hour;
use crate::policy::meant::store::Pace;
use crate::port::clock::Clock;
use chrono::TimeDelta;

/// Keeps the pace of one store.
pub struct Pacer {
    pace: Option<Pace>,
    begun: Hour,
    last: Hour,
    moved: u64,
}

impl Pacer {
    /// A pace that counts from now.
    #[must_use]
    pub fn new(pace: Option<Pace>, clock: &dyn Clock) -> Self {
        let now = clock.now();
        Self { pace, begun: now, last: now, moved: 0 }
    }

    /// Waits, after a chunk with so many rows, for as long as the pace asks for.
    pub fn keep(&mut self, moved: u64, clock: &dyn Clock) {
        self.moved = self.moved.saturating_add(moved);
        let now = clock.now();
        if let Some(until) = self.until(now).filter(|until| *until > now) {
            clock.sleep_until(until);
        }
        self.last = clock.now();
    }

    fn until(&self, now: Hour) -> Option<Hour> {
        match self.pace? {
            Pace::Polite => now.checked_add_signed(now - self.last),
            Pace::RowsPerSecond(rows) => {
                let needed = self.moved.saturating_mul(1000).checked_div(rows)?;
                self.begun.checked_add_signed(TimeDelta::try_milliseconds(i64::try_from(needed).ok()?)?)
            }
            // A share of what a service gives is kept by the store that asks it.
            Pace::ShareOfQuota(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pacer;
    use crate::model::Hour;
    use crate::model::Span;
    use crate::policy::meant::store::Pace;
    use crate::port::clock::Clock;
    use std::cell::Cell;

    struct Hands(Cell<Hour>);

    impl Clock for Hands {
        fn now(&self) -> Hour {
            self.0.get()
        }

        fn sleep_until(&self, hour: Hour) {
            self.0.set(hour);
        }
    }

    /// How many seconds pass over three chunks of a thousand rows that take two seconds each.
    fn seconds(pace: Option<Pace>) -> u64 {
        let clock = Hands(Cell::new(Hour::UNIX_EPOCH));
        let mut pacer = Pacer::new(pace, &clock);
        for _ in 0..3 {
            clock.0.set(Span::seconds(2).after(clock.now()));
            pacer.keep(1000, &clock);
        }
        Span::between(Hour::UNIX_EPOCH, clock.now()).as_seconds()
    }

    #[test]
    fn no_more_rows_a_second_than_the_policy_says() {
        assert_eq!(seconds(None), 6);
        assert_eq!(seconds(Some(Pace::RowsPerSecond(100))), 30);
        assert_eq!(seconds(Some(Pace::RowsPerSecond(100_000))), 6, "nobody waits who is slower");
        assert_eq!(seconds(Some(Pace::Polite)), 12);
    }
}
