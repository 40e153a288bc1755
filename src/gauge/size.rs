//! How many values of one kind go into a request: twice as many while that goes well, and then half the way to what was too
//! many. What was too many once may be few for other values, so it is tried again by and by.

use std::time::Duration;

use super::Limits;

/// The first request: large enough to be worth it, small enough for anybody.
const VALUES_FIRST: usize = 32;
/// A request that takes longer is not made larger.
const LONG: Duration = Duration::from_secs(1);
/// So many requests of the size that was found go by before a larger one is tried again; twice as many each time it fails.
const TRY_AGAIN_FIRST: u32 = 32;
const TRY_AGAIN_MAX: u32 = 1024;

/// What is known of one kind of request.
#[derive(Debug)]
pub(super) struct Size {
    values: usize,
    /// The largest request that went through, and the smallest that was too large.
    good: usize,
    bad: Option<usize>,
    /// Requests since the size was found, and how many of them make another attempt worth it.
    found: u32,
    again: u32,
}

impl Size {
    /// Nothing is known yet.
    pub(super) fn new(limits: &Limits) -> Self {
        let values = VALUES_FIRST.min(limits.values_max).max(1);
        Self { values, good: 0, bad: None, found: 0, again: TRY_AGAIN_FIRST }
    }

    /// How many values go into a request.
    pub(super) fn values(&self) -> usize {
        self.values
    }

    /// So many values went through. Whether the next request is a larger one.
    pub(super) fn went(&mut self, values: usize, took: Duration, limits: &Limits) -> bool {
        if values < self.values {
            return false;
        }
        self.good = self.good.max(values);
        if self.bad.is_some_and(|bad| bad <= values) {
            self.bad = None;
            self.again = TRY_AGAIN_FIRST;
        }
        if took > LONG {
            return false;
        }
        let next = match self.bad {
            None => self.values.saturating_mul(2),
            Some(bad) if bad.saturating_sub(self.good) > (bad / 16).max(1) => self.good.midpoint(bad),
            Some(bad) => {
                self.found = self.found.saturating_add(1);
                if self.found < self.again {
                    return false;
                }
                self.found = 0;
                bad
            }
        };
        let next = next.min(limits.values_max);
        let larger = next > self.values;
        self.values = self.values.max(next);
        larger
    }

    /// So many values were too many.
    pub(super) fn too_large(&mut self, values: usize) {
        // Where that is known, it was only tried again.
        if self.bad.is_some_and(|bad| bad <= values) {
            self.again = self.again.saturating_mul(2).min(TRY_AGAIN_MAX);
        }
        self.bad = Some(self.bad.map_or(values, |bad| bad.min(values)));
        if self.good >= values {
            self.good = values / 2;
        }
        let next = if self.good == 0 { values / 2 } else { self.good };
        self.values = self.values.min(next).max(1);
    }
}
