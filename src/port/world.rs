//! The world that a plan works in: every place it names, found by the key's and the place's names.

use crate::fault::Fault;
use crate::model::KeyName;
use crate::model::Name;
use crate::port::backend::Backend;
use crate::port::clock::Clock;
use crate::port::fleet::Fleet;
use crate::port::probe::Probe;
use crate::port::store::Store;

/// All ports of a project, wired.
pub trait World {
    /// The hour.
    fn clock(&self) -> &dyn Clock;

    /// Who asks checks, for a key of this policy.
    ///
    /// # Errors
    /// It is not wired.
    fn probe(&self, key: &KeyName) -> Result<&dyn Probe, Fault>;

    /// The backend of a key.
    ///
    /// # Errors
    /// This build lacks the adapter, or it is not wired.
    fn backend(&self, key: &KeyName, backend: &Name) -> Result<&dyn Backend, Fault>;

    /// A store that a key seals values in.
    ///
    /// # Errors
    /// As for backends.
    fn store(&self, key: &KeyName, store: &Name) -> Result<&dyn Store, Fault>;

    /// A fleet that holds a key.
    ///
    /// # Errors
    /// As for backends.
    fn fleet(&self, key: &KeyName, fleet: &Name) -> Result<&dyn Fleet, Fault>;
}
