//! What a home can do so that its journal may move into another one. Never here: the order in which it is done.

use crate::fault::Fault;
use crate::journal::Head;
use crate::journal::Journal;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Trouble;

/// A home that a journal can be moved out of and into. While it bears a mark, it opens and reads nothing.
pub trait Movable: Home {
    /// Which home it is, for people and for marks: the same from every machine that can reach it.
    ///
    /// # Errors
    /// It cannot be reached.
    fn place(&self) -> Result<String, Fault>;

    /// Its mark.
    ///
    /// # Errors
    /// It cannot be read.
    fn elsewhere(&self) -> Result<Option<Elsewhere>, Fault>;

    /// Puts a mark on it, or takes it away, durably.
    ///
    /// # Errors
    /// It may or may not be marked now.
    fn mark(&mut self, lease: &Lease, mark: Option<&Elsewhere>) -> Result<(), Fault>;

    /// Takes a journal in, byte for byte, and seals its head. What is here already must be its beginning.
    ///
    /// # Errors
    /// Another history is here, or it cannot be kept: then a part of it may be, and the same again goes on.
    fn take_in(&mut self, lease: &Lease, journal: &Journal) -> Result<(), Trouble>;

    /// Checks the whole journal that is here, whatever its mark, and that it ends at this head.
    ///
    /// # Errors
    /// It does not, or cannot be read.
    fn ends_at(&self, head: &Head) -> Result<(), Trouble>;
}
