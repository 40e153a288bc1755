//! Homes of a journal: a folder beside the policies, a PostgreSQL database, and memory. Each obeys one contract.
//!
//! Never here: what a line means; a home chains, keeps and checks, and says no when the file is not as it left it.

pub mod local;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;

#[cfg(test)]
mod contract;

pub use self::local::Local;
pub use self::memory::Memory;
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;

use crate::fault::Fault;
use crate::journal::Broken;
use crate::journal::Checked;
use crate::journal::Head;
use crate::journal::Why;
use crate::port::home::Trouble;

/// The journal cannot be written by whoever asks.
fn not_open(doing: &str) -> Fault {
    Fault::report_bug(doing, "the journal is not open under this lease, or writing it failed before")
}

/// The journal is not as we left it: of two executors, this is the slower.
fn not_as_left(what: &str) -> Fault {
    Fault::give_up("write the journal", format!("it is not as this run left it: {what}"))
        .hint("find the other keyrota (or whoever changed the file) and stop it, then run `keyrota journal verify`")
}

/// What is here is not the beginning of what was to come.
fn another_history() -> Fault {
    Fault::give_up("take a journal in", "another history is here").hint("name a home that nothing is in")
}

/// A copy must end where its source does.
fn ends_at(checked: &Checked, head: &Head) -> Result<(), Trouble> {
    match checked.head == *head && checked.torn == 0 {
        true => Ok(()),
        false => Err(Broken::of(Why::NotTheHead { head: *head }).into()),
    }
}
