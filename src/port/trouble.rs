//! Trouble on request: one call out of many fails once, in one of the ways in which the world fails. Memory adapters pass
//! every call through it, and one counter may serve all of them, so that a test fails the Nth call whichever port it is on.

use crate::fault::Fault;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// At once, with an answer that says so.
    Refused,
    /// It was done, and the answer never came.
    DoneThenTimedOut,
    /// It was not done, and no answer came.
    TimedOut,
}

impl Fails {
    /// All of them.
    pub const ALL: [Fails; 3] = [Fails::Refused, Fails::DoneThenTimedOut, Fails::TimedOut];
}

/// Counts calls, and fails the one it was told to.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Counter>>);

#[derive(Debug, Default)]
struct Counter {
    calls: u64,
    fails: Option<(u64, Fails)>,
}

impl Trouble {
    /// No trouble: it only counts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Counts from 0 anew, and fails the call with this number in this way.
    pub fn fail(&self, number: u64, how: Fails) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Counter { calls: 0, fails: Some((number, how)) };
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The call's own, or the trouble asked for.
    pub fn call<T, E: From<Fault>>(&self, doing: &str, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let fails = {
            let mut counter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let number = counter.calls;
            counter.calls = number.saturating_add(1);
            counter.fails.filter(|(at, _)| *at == number).map(|(_, how)| how)
        };
        match fails {
            None => act(),
            Some(Fails::Refused) => Err(Fault::ask_operator(doing, "made to fail: permission denied").into()),
            Some(Fails::TimedOut) => Err(Fault::retry(doing, "made to fail: timed out").into()),
            Some(Fails::DoneThenTimedOut) => {
                // Whatever the answer was, it never came.
                let _lost = act();
                Err(Fault::retry(doing, "made to fail: timed out").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fails;
    use super::Trouble;
    use crate::fault::Fault;
    use std::cell::Cell;

    #[test]
    fn one_call_fails_once() {
        for how in Fails::ALL {
            let trouble = Trouble::none();
            trouble.fail(1, how);
            let done = Cell::new(0);
            let count = || {
                done.set(done.get() + 1);
                Ok(())
            };
            let call = || trouble.call::<_, Fault>("x", count);
            assert_eq!([call().is_ok(), call().is_ok(), call().is_ok()], [true, false, true], "{how:?}");
            assert_eq!(done.get(), if how == Fails::DoneThenTimedOut { 3 } else { 2 }, "{how:?}");
            assert_eq!(trouble.calls(), 3);
        }
    }
}
