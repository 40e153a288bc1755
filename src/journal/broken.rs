//! What is wrong with a journal that is not as it was written: never mended by us, always a stop.

use std::error::Error;
use std::fmt;

use crate::journal::head::Head;
use crate::model::KeyName;

/// A journal that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The entry at which it shows, counted from 1. Nothing where the journal as a whole is concerned.
    pub entry: Option<u64>,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The line's bytes do not have the digest that it states.
    Changed,
    /// The line is not built as an entry is.
    Shape,
    /// The line is longer than any that we write.
    TooLong,
    /// Another entry stands in this place.
    Place {
        /// Its number.
        found: u64,
    },
    /// The line does not follow the one before it.
    NotNext,
    /// It has the same predecessor as the one before it: two executors wrote.
    Fork,
    /// It is older than the one before it.
    Earlier,
    /// The first entry does not begin a journal, or a later one does.
    Beginning,
    /// A newer keyrota began this journal.
    Newer {
        /// The format that it states.
        format: String,
    },
    /// The chain is whole, but the entry says nothing that we know.
    Unreadable {
        /// What the reader said.
        said: String,
    },
    /// It cannot follow what stands before it (a step of a run that was never opened).
    Impossible {
        /// Why not.
        because: String,
    },
    /// Entries at the end are missing.
    Cut {
        /// The last whole entry there is.
        count: u64,
        /// What the head states.
        head: Head,
    },
    /// The entry is not the one that the head saw.
    NotTheHead {
        /// What the head states.
        head: Head,
    },
    /// The head is there, the journal is gone.
    Lost {
        /// What the head states.
        head: Head,
    },
    /// The journal is there, its head is gone.
    HeadLost,
    /// Neither journal nor head are there, but plans that they spoke of.
    OnlyPlans {
        /// How many.
        plans: usize,
    },
    /// A run that the journal does not know has left its mark in the world.
    Unknown {
        /// The key that it changed.
        key: KeyName,
        /// The run.
        run: String,
        /// How many other keys bear such a mark.
        more: usize,
    },
    /// The head cannot be read.
    HeadUnreadable {
        /// What is wrong with it.
        said: String,
    },
}

impl Broken {
    /// Something wrong with one entry.
    #[must_use]
    pub fn at(entry: u64, why: Why) -> Self {
        Self { entry: Some(entry), why }
    }

    /// Something wrong with the journal as a whole.
    #[must_use]
    pub fn of(why: Why) -> Self {
        Self { entry: None, why }
    }

    /// The way out, in one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.why {
            Why::Newer { .. } | Why::Unreadable { .. } => "use the keyrota that wrote it, or a newer one",
            Why::HeadLost | Why::HeadUnreadable { .. } => {
                "restore the head from a backup, or write it anew from the line `keyrota-journal ..` that the last \
                 `apply` printed"
            }
            Why::OnlyPlans { .. } => {
                "restore the whole home (`.keyrota/`) from a backup; where it is lost for good, move what is left of it away"
            }
            Why::Unknown { .. } => {
                "restore the home (`.keyrota/`) from a backup; only where it is lost for good: `keyrota adopt KEY@VERSION` \
                 takes each key over as it stands, and `keyrota status` names them all"
            }
            Why::Fork => {
                "find the second executor and stop it; then restore the journal from a backup and compare it with the \
                 line `keyrota-journal ..` that the last `apply` printed"
            }
            _ => {
                "restore the journal from a backup and compare it with the line `keyrota-journal ..` that the last \
                 `apply` printed; do not begin anew: the keys in it may be half rotated"
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(n) = self.entry {
            write!(f, "entry {n} of the journal ")?;
        }
        match &self.why {
            Why::Changed => f.write_str("was changed after it was written"),
            Why::Shape => f.write_str("is not built as an entry is"),
            Why::TooLong => f.write_str("is longer than any that keyrota writes"),
            Why::Place { found } => write!(f, "is missing or moved: entry {found} stands in its place"),
            Why::NotNext => f.write_str("does not follow the entry before it"),
            Why::Fork => f.write_str("has the same predecessor as the entry before it: two executors wrote"),
            Why::Earlier => f.write_str("is older than the entry before it"),
            Why::Beginning => f.write_str("is not in its place: `begun` is the first entry and no other"),
            Why::Newer { format } => {
                write!(f, "states the format `{}`, which this keyrota does not know", format.escape_default())
            }
            Why::Unreadable { said } => write!(f, "is whole but says nothing that this keyrota knows: {said}"),
            Why::Impossible { because } => write!(f, "cannot follow what stands before it: {because}"),
            Why::Cut { count, head } => {
                write!(f, "the journal was cut: its head has seen {} entries, {count} are there", head.count)
            }
            Why::NotTheHead { head } => {
                write!(f, "is not the one that the head has seen ({})", head.digest.short())
            }
            Why::Lost { head } => write!(f, "the journal is gone: its head has seen {} entries", head.count),
            Why::HeadLost => f.write_str("the journal's head is gone: nothing says where the journal ended"),
            Why::OnlyPlans { plans } => {
                let left = if *plans == 1 { "a plan that they spoke of is" } else { "plans that they spoke of are" };
                write!(f, "the journal and its head are gone, and {left} still there")
            }
            Why::Unknown { key, run, more } => {
                write!(f, "`{key}` was changed by `{run}`, which this journal does not know")?;
                match more {
                    0 => Ok(()),
                    1 => f.write_str(" (as was one other key)"),
                    _ => write!(f, " (as were {more} other keys)"),
                }?;
                f.write_str(": the journal is lost, or its end is, or another home rotates this key")
            }
            Why::HeadUnreadable { said } => write!(f, "the journal's head cannot be read: {said}"),
        }
    }
}

impl Error for Broken {}
