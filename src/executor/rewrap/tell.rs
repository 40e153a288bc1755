//! What the engine tells while it works, and to whom.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Value;

/// Whoever started a rewrap.
pub trait Watch {
    /// These values are about to be replaced: the moment to keep them.
    ///
    /// # Errors
    /// They could not be kept; then nothing of this chunk is written.
    fn keep(&mut self, _about: &About<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// A value was left alone. Each round tells it again.
    ///
    /// # Errors
    /// It could not be written down; the walk ends.
    fn quarantined(&mut self, _value: &Quarantined) -> Result<(), Fault> {
        Ok(())
    }

    /// A chunk is done and durable: the moment to write it down, to show it, and to wait where the pace asks for it.
    ///
    /// # Errors
    /// It could not be written down; the walk ends.
    fn chunk(&mut self, _progress: &Progress<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Go)
    }
}

/// Nobody.
pub(super) struct Unwatched;

impl Watch for Unwatched {}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// With the next chunk.
    Go,
    /// Stop here. The chunk in hand is done.
    Stop,
}

/// How far a round has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The block, for people.
    pub block: &'a str,
    /// The round, from 1.
    pub round: u32,
    /// The last row of the chunk, for people: everything of the block up to it has been walked.
    pub row: &'a str,
    /// Rows moved by this chunk.
    pub moved: u64,
    /// Rows moved in this block and round.
    pub moved_so_far: u64,
    /// Rows lost to others, likewise.
    pub lost_so_far: u64,
    /// Values left alone, likewise.
    pub quarantined_so_far: u64,
    /// About how many rows the table has, where that is known.
    pub rows_about: Option<u64>,
    /// How long this block has taken in this round.
    pub took: Duration,
    /// The longest time for which others could not write.
    pub locked: Duration,
}

impl Progress<'_> {
    /// Rows moved a second, on average.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.moved_so_far.saturating_mul(1000) / millis
    }
}

/// Values that are about to be replaced.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The block they belong to.
    pub block: &'a Block,
    pub(super) page: &'a Page,
    pub(super) changes: &'a Changes,
}

impl About<'_> {
    /// Each of them: the row's name, the version it names, the column, and what stands there.
    ///
    /// # Errors
    /// That of `keep`, at once.
    pub fn each(
        &self,
        mut keep: impl FnMut(&str, Value<'_>, &str, Value<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for (at, row) in (0..).map_while(|at| Some((at, self.changes.row(at)?))) {
            let name = self.page.name(row);
            for (value, column) in self.block.columns.iter().enumerate() {
                if self.changes.value(at, value).is_some() {
                    keep(&name, self.page.version(row), &column.name, self.page.value(row, value))?;
                }
            }
        }
        Ok(())
    }
}

/// A value that was named and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// Its table.
    pub table: String,
    /// Its column.
    pub column: String,
    /// Its row: the key's columns and values.
    pub row: String,
    /// The version it names, where that is one of the key's own: it pins that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// Why.
    pub why: Why,
}

/// Why a value was left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It names this, which is none of the key's versions.
    NamesNone(String),
    /// It names no version where it should.
    NamesNothing,
    /// It does not have the shape of its seal.
    Misfit(String),
    /// Its associated data cannot be made: this column has no text for it.
    NoAad(String),
    /// It names a version whose key is not at hand.
    NoKey,
    /// It does not open.
    DoesNotOpen,
    /// The service that moves or opens it says this.
    Said(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamesNone(text) => write!(f, "it names version {text}, which the key does not have"),
            Self::NamesNothing => f.write_str("it names no version"),
            Self::Misfit(why) => write!(f, "it does not have the shape of its seal: {why}"),
            Self::NoAad(column) => write!(f, "its associated data asks for column `{column}`, which has no text"),
            Self::Said(why) => write!(f, "the service says: {why}"),
            Self::NoKey => f.write_str("the key of the version that it names is not at hand"),
            Self::DoesNotOpen => {
                f.write_str("it does not open: another key sealed it, it belongs to another row, or it was changed")
            }
        }
    }
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}.{}` where {}: {}", self.table, self.column, self.row, self.why)
    }
}
