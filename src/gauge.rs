//! How much to ask of a service at once, found by itself: batches and connections grow until it pushes back, and then halve, and
//! grow again.
//! Never here: what is asked, of whom, or what an answer means.

mod size;
mod state;

use std::ops::Range;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use self::state::Made;
use self::state::State;
use crate::fault::Fault;

/// How far it may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most values in one request.
    pub values_max: usize,
    /// The most requests at once.
    pub lanes_max: usize,
    /// The share of the service's quota that is ours, in percent; nothing where nobody limits us.
    pub share: Option<u8>,
    /// How long it may push back, or not be there, before we give up.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { values_max: 4096, lanes_max: 8, share: None, patience: Duration::from_secs(60) }
    }
}

/// What a service says of its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many requests.
    pub requests: u64,
    /// In so long.
    pub per: Duration,
    /// So many are left of them, for whoever asks, where that was said.
    pub left: Option<u64>,
}

/// An answer to one request.
#[derive(Debug)]
pub struct Went<R> {
    /// One for each value, in their order.
    pub answers: Vec<R>,
    /// What came along about the quota.
    pub quota: Option<Quota>,
}

/// Why a request was not answered.
#[derive(Debug)]
pub enum Push {
    /// It asks too much at once; with less it might go.
    TooLarge(Fault),
    /// Not now; the fault says how long to wait, where that was said.
    Busy(Fault, Option<Box<Quota>>),
    /// It failed, or nobody answered: the same again may work, and does no harm.
    Lost(Fault),
    /// It will not work.
    Fault(Fault),
}

/// What is known of one service, shared by everybody who asks it.
#[derive(Debug)]
pub struct Gauge {
    limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
}

/// One request under way.
struct Turn {
    values: Range<usize>,
    begun: Instant,
}

/// What is left of one run.
struct Left<R> {
    begun: Instant,
    cut: Vec<Range<usize>>,
    answers: Vec<Option<R>>,
    failed: Option<Fault>,
}

impl Gauge {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::new(State::default()), changed: Condvar::new() }
    }

    /// Tells what the quota is, where it is known before anything was asked.
    pub fn tell(&self, quota: Quota) {
        held(&self.state).quota(quota, &self.limits, Instant::now());
    }

    /// How many values go into a request of a kind now, and how many requests at once.
    #[must_use]
    pub fn size(&self, kind: &'static str) -> (usize, usize) {
        let mut state = held(&self.state);
        (state.values(kind, &self.limits), state.lanes())
    }

    /// Asks about so many values, a range of them at a time and several at once, and gives the answers in their order. What
    /// goes into one request is found for each kind of request by itself.
    ///
    /// # Errors
    /// `ask`'s own, or it pushed back for too long. Some of the requests may have been answered.
    pub fn run<R: Send>(
        &self,
        kind: &'static str,
        count: usize,
        ask: impl Fn(Range<usize>) -> Result<Went<R>, Push> + Sync,
    ) -> Result<Vec<R>, Fault> {
        let left = Mutex::new(Left {
            begun: Instant::now(),
            cut: if count == 0 { Vec::new() } else { std::iter::once(0..count).collect() },
            answers: (0..count).map(|_| None).collect(),
            failed: None,
        });
        let lanes = self.limits.lanes_max.min(count).max(1);
        thread::scope(|scope| {
            // The calling thread is one of them, so that a small question starts none.
            for _ in 1..lanes.min(count.div_ceil(self.size(kind).0)) {
                scope.spawn(|| self.lane(kind, &left, &ask));
            }
            self.lane(kind, &left, &ask);
        });
        let left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
        match left.failed {
            Some(fault) => Err(fault),
            None => left
                .answers
                .into_iter()
                .collect::<Option<Vec<R>>>()
                .ok_or_else(|| Fault::report_bug("ask a service", "a value was never asked about")),
        }
    }

    fn lane<R>(
        &self,
        kind: &'static str,
        left: &Mutex<Left<R>>,
        ask: &(impl Fn(Range<usize>) -> Result<Went<R>, Push> + Sync),
    ) {
        while let Some(turn) = self.next(kind, left) {
            let went = ask(turn.values.clone());
            let now = Instant::now();
            let made = Made { kind, values: turn.values.len(), begun: turn.begun };
            let mut state = held(&self.state);
            let mut left = held(left);
            let again = match went {
                Ok(went) if went.answers.len() == turn.values.len() => {
                    for (at, answer) in turn.values.clone().zip(went.answers) {
                        if let Some(slot) = left.answers.get_mut(at) {
                            *slot = Some(answer);
                        }
                    }
                    if let Some(quota) = went.quota {
                        state.quota(quota, &self.limits, now);
                    }
                    state.went(made, now, &self.limits)
                }
                Ok(went) => {
                    let why = format!("{} answers to {} questions", went.answers.len(), turn.values.len());
                    Err(Fault::give_up("ask a service", why))
                }
                Err(push) => {
                    left.cut.push(turn.values.clone());
                    state.pushed(push, made, now, &self.limits)
                }
            };
            if let Err(fault) = again {
                left.failed.get_or_insert(fault);
            }
            drop(left);
            state.leave();
            self.changed.notify_all();
        }
    }

    /// The next request, when it is its turn; nothing where there is no more to ask, or somebody failed.
    fn next<R>(&self, kind: &'static str, left: &Mutex<Left<R>>) -> Option<Turn> {
        let mut state = held(&self.state);
        loop {
            let now = Instant::now();
            let mut all = held(left);
            if all.failed.is_some() || all.cut.is_empty() {
                return None;
            }
            // What one of them has waited for in vain, the others need not wait for once more.
            if let Some(fault) = state.given_up(all.begun) {
                all.failed = Some(fault);
                return None;
            }
            let wait = match state.may_ask(now, &self.limits) {
                Ok(()) => {
                    let rest = all.cut.pop()?;
                    let cut = rest.start.saturating_add(state.values(kind, &self.limits)).min(rest.end);
                    if cut < rest.end {
                        all.cut.push(cut..rest.end);
                    }
                    state.enter(now, &self.limits);
                    return Some(Turn { values: rest.start..cut, begun: now });
                }
                Err(wait) => wait,
            };
            drop(all);
            state = match wait {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
