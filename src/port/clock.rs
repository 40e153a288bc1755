//! The hour. Everything else is told it.

use crate::model::Hour;

/// Who knows the hour and can wait.
pub trait Clock {
    /// The hour now.
    fn now(&self) -> Hour;

    /// Waits until this hour, or until somebody asks us to stop: whoever waits asks for the hour again.
    fn sleep_until(&self, hour: Hour);
}
