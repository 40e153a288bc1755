//! Questions to the world: checks, and where the values of secrets are read.

use crate::fault::Fault;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use crate::port::facts::Facts;
use crate::secret::Secret;
use crate::secret::Source;

/// Who asks the world.
pub trait Probe {
    /// Asks one question. An answer other than the expected one is an answer, not a fault.
    ///
    /// # Errors
    /// There was no answer: the program may not run, nobody listens, it took too long.
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault>;

    /// How many values a version has sealed, as the program that the policy names for that counts them.
    ///
    /// # Errors
    /// It may not run, failed, or printed no count.
    fn uses(&self, counter: &Command, facts: &Facts) -> Result<u64, Fault>;
}

/// What the world said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is what the policy expects.
    pub passed: bool,
    /// What was seen, short and safe to print: `status 503`, `exit 1: connection refused`.
    pub saw: String,
}

/// Who knows the values of secrets.
pub trait Secrets: Send + Sync {
    /// The value.
    ///
    /// # Errors
    /// It cannot be read, or not safely.
    fn reveal(&self, source: &Source) -> Result<Secret, Fault>;

    /// The value of something that others on this machine may read too: a certificate, the token that a pod is given.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, source: &Source) -> Result<Secret, Fault> {
        self.reveal(source)
    }
}
