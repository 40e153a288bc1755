//! The port to a store: where sealed values live, and how they are counted, read and replaced. The store sees ciphertext only.
//! Never here: a key, a cipher, or what a row's version should be; those are the rewrap engine's.

pub mod block;
pub mod page;
pub mod service;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::block::Block;
pub use self::block::Column;
pub use self::block::Given;
pub use self::block::Known;
pub use self::block::Versions;
pub use self::page::Changes;
pub use self::page::Layout;
pub use self::page::Page;
pub use self::page::Value;
pub use self::service::Service;

use crate::envelope::Sealed;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::policy::meant::store::VersionAt;

/// The most rows that one transaction may hold, and that a table of proofs may have.
pub const ATOMIC_ROWS_MAX: u64 = 1_000_000;
/// The most rows that a table of proofs may have.
pub const PROOFS_MAX: usize = 10_000;

/// One row of a table of proofs: text and numbers as they are, a blob as lower-case hex.
pub type Record = BTreeMap<String, serde_json::Value>;

/// What is done inside one transaction; a fault from it undoes everything.
pub type Work<'w> = &'w mut dyn FnMut(&mut dyn Whole) -> Result<(), Fault>;

/// Which rows a reader brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want<'a> {
    /// All with a sealed value.
    All,
    /// At least those that do not name this version beside the value; where the version does not stand beside it, all.
    NotUnder(&'a VersionId),
}

/// A place where sealed values live.
///
/// Every method may be called again after a fault. Reading never changes anything, not even a file beside the data.
pub trait Store: Send + Sync {
    /// The identity of the world behind it: the same after a restart, and after a backup was put back in place; another for
    /// another database or folder.
    ///
    /// # Errors
    /// It is not there or cannot be asked.
    fn world(&self) -> Result<String, Fault>;

    /// Who moves its values.
    fn mover(&self) -> Mover;

    /// Who is asked to move its values, where that is the store's own service. Its rows are not ours to read then.
    fn service(&self) -> Option<&dyn Service> {
        None
    }

    /// Whether we can move these values and nothing else: everything that is named is there, and no trigger or the like
    /// would change more. Writes nothing.
    ///
    /// # Errors
    /// Names what stands in the way, and the way out.
    fn fit(&self, block: &Block) -> Result<(), Fault>;

    /// About how many rows the table has, where that is known without reading it.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault>;

    /// How many values name which version. Exact, and so a read of the table (of an index where one holds it all). Values that
    /// are opened by trial name nothing: they are all `strange`, and the count is not exact.
    ///
    /// # Errors
    /// The store cannot be asked, or lacks what the block names.
    fn census(&self, block: &Block) -> Result<Census, Fault>;

    /// Brings rows a page at a time, in key order.
    ///
    /// # Errors
    /// The store cannot be asked, or lacks what the block names.
    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault>;

    /// Replaces values by compare-and-set; `target` is what the version beside them becomes.
    ///
    /// # Errors
    /// The store cannot be asked, or lacks what the block names.
    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault>;

    /// How many writers of one block may work at once.
    fn writers_max(&self) -> usize {
        1
    }

    /// Does `work` on all of the blocks in one transaction, in which nobody else writes.
    ///
    /// # Errors
    /// The work's own, or the store's; nothing has changed then.
    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault>;

    /// The rows of a table in which members say what they know; at most [`PROOFS_MAX`].
    ///
    /// # Errors
    /// The table is not there, or has more.
    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault>;

    /// The first column of the first row that a query gives, as text; nothing where there is no row or it is NULL. A query
    /// that would write is refused.
    ///
    /// # Errors
    /// The query is refused.
    fn ask(&self, query: &str) -> Result<Option<String>, Fault>;
}

/// Rows of one block, from the first key to the last.
pub trait Reader: Send {
    /// An empty page for it.
    fn page(&self) -> Page;

    /// Fills the page, whose old rows go, with the next rows; leaves it empty at the end. No lock outlives the call.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn next(&mut self, page: &mut Page) -> Result<(), Fault>;
}

/// What became of the changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were changed.
    pub moved: u64,
    /// Rows that somebody else changed or took away since they were read: untouched by us.
    pub lost: u64,
    /// The longest time for which others could not write.
    pub locked: Duration,
}

/// Changes rows of one block.
pub trait Writer {
    /// Replaces the sealed values of rows of this page, and the version beside them, wherever they still are what the page
    /// says; in short transactions. When it returns, what it says is durable. A row that is as the page says and yet cannot
    /// be changed is a fault, so that no walk goes round for ever.
    ///
    /// # Errors
    /// The store failed. Some of the changes may have been made, each of them whole.
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault>;
}

/// All blocks within one transaction, each by its place in the list.
pub trait Whole {
    /// An empty page for a block.
    fn page(&self, block: usize) -> Option<Page>;

    /// As [`Reader::next`]: all rows with a sealed value, from the first.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault>;

    /// As [`Writer::write`], but nothing is durable before the work is done.
    ///
    /// # Errors
    /// The store failed.
    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault>;
}

/// Counts by reading every value, for what names its version inside the seal. An adapter may do better. What names none by
/// design is counted as that: who wants to know opens it.
///
/// # Errors
/// The reader's own.
pub fn count(block: &Block, reader: &mut dyn Reader) -> Result<Census, Fault> {
    let mut census = Census { exact: block.version != VersionAt::ByTrial, ..Census::default() };
    let mut page = reader.page();
    let mut beside = String::new();
    loop {
        reader.next(&mut page)?;
        if page.is_empty() {
            return Ok(census);
        }
        for row in 0..page.rows() {
            for (at, column) in block.columns.iter().enumerate() {
                let value = page.value(row, at);
                if value.is_null() {
                    continue;
                }
                beside.clear();
                let version = match &block.version {
                    VersionAt::ByTrial => None,
                    VersionAt::InSeal => named_inside(block, column, value),
                    VersionAt::Column(_) | VersionAt::Field(_) => {
                        page.version(row).write_to(&mut beside).then(|| block.version_of(&beside)).flatten()
                    }
                };
                let slot = match version {
                    None if block.version == VersionAt::ByTrial => &mut census.by_trial,
                    None => &mut census.strange,
                    Some(version) => census.under.entry(version.clone()).or_default(),
                };
                *slot = slot.saturating_add(1);
            }
        }
    }
}

/// The key's own version that a value names inside its seal.
#[must_use]
pub fn named_inside<'b>(block: &'b Block, column: &Column, value: Value<'_>) -> Option<&'b VersionId> {
    let parts = column.seal.take_apart(Sealed::Bytes(value.bytes()?)).ok()?;
    block.version_of(&parts.version?)
}
