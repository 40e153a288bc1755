//! The machine's clock: the one place that asks it.

use crate::model::Hour;
use crate::port::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long we sleep at most before we look at the clock and for a request to stop: clocks are set, machines are suspended.
const NAP: Duration = Duration::from_millis(250);

/// The real clock.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    stop: Arc<AtomicBool>,
}

impl Machine {
    /// A clock whose sleeps end early once `stop` is set, as a signal handler does.
    #[must_use]
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop }
    }
}

impl Clock for Machine {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Hour {
        chrono::Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn sleep_until(&self, hour: Hour) {
        while !self.stop.load(Ordering::Relaxed) {
            // A time that lies behind us cannot be made a `Duration`.
            let Ok(left) = (hour - self.now()).to_std() else { return };
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Machine;
    use crate::port::clock::Clock;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    #[test]
    fn sleeps_until_the_hour_and_not_at_all_when_it_is_past() {
        let clock = Machine::default();
        let hour = clock.now() + chrono::TimeDelta::milliseconds(60);
        clock.sleep_until(hour);
        assert!(clock.now() >= hour);
        let begun = Instant::now();
        clock.sleep_until(hour);
        Machine::new(Arc::new(AtomicBool::new(true))).sleep_until(hour + chrono::TimeDelta::hours(9));
        assert!(begun.elapsed().as_secs() < 5);
    }
}
