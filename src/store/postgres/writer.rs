//! Compare-and-set of many rows in one statement, in short transactions whose length is measured: as many rows as keep others
//! waiting for less than the limit.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use postgres::Client;

use super::sql::Batch;
use super::sql::Statements;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Writer;
use crate::port::store::Written;
use crate::port::store::page::ROWS_PER_PAGE_MAX;
use crate::postgresql::Session;

/// No row is to be locked for longer; the pace keeps well below.
const LOCKED_MAX: Duration = Duration::from_millis(50);
/// How many rows a statement sets, at first, at least and at most.
const ROWS: usize = 200;
const ROWS_MIN: usize = 10;
const ROWS_MAX: usize = ROWS_PER_PAGE_MAX;
/// How long one statement may take before the server gives it up.
const WITHIN: Duration = Duration::from_secs(60);

/// Each row is found by its key, one after the other, whatever the server believes about the table: a plan that reads all of it
/// for each batch would take longer with each row.
pub(super) const BY_KEY: &str =
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off";

/// Writes one block on a connection of its own.
pub(super) struct Batches {
    session: Session,
    setter: Setter,
    rows: usize,
}

impl Batches {
    pub(super) fn new(session: Session, block: &Block, statements: Statements, target: &VersionId) -> Self {
        Self { session, setter: Setter::new(block, statements, target), rows: ROWS }
    }
}

impl Writer for Batches {
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let mut sum = Written::default();
        let mut from = 0;
        while from < changes.len() {
            // Statements of one length: a short one at the end costs as much to begin as a long one.
            let left = changes.len().saturating_sub(from);
            let to = from.saturating_add(left.div_ceil(left.div_ceil(self.rows)));
            let batch = self.setter.batch(page, changes, from..to)?;
            let doing = format!("write {}", self.setter.name);
            let began = Instant::now();
            let moved = self.session.planned(&doing, (WITHIN, BY_KEY), |client| Setter::set(client, &batch))?;
            let locked = began.elapsed();
            self.rows = next_rows(self.rows, locked);
            let lost = ((to - from) as u64).saturating_sub(moved);
            if lost > 0 {
                self.judge_lost(&doing, &batch)?;
            }
            sum.moved = sum.moved.saturating_add(moved);
            sum.lost = sum.lost.saturating_add(lost);
            sum.locked = sum.locked.max(locked);
            from = to;
        }
        Ok(sum)
    }
}

impl Batches {
    /// A row that the compare-and-set did not find must be gone or changed; else the walk would go round for ever.
    fn judge_lost(&mut self, doing: &str, batch: &Batch) -> Result<(), Fault> {
        let given = batch.pack.given();
        let rows = self.session.query(doing, &batch.same, given.get(..batch.unset).unwrap_or_default())?;
        let same: i64 = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        if same == 0 {
            return Ok(());
        }
        let doing = format!("{doing} of {}", self.session.shown());
        Err(Fault::report_bug(
            doing,
            format!("{same} rows are as they were read, and the compare-and-set does not find them"),
        ))
    }
}

/// How many rows the next statement sets, after one that kept others waiting for so long.
fn next_rows(rows: usize, locked: Duration) -> usize {
    if locked > LOCKED_MAX * 7 / 10 {
        (rows / 2).max(ROWS_MIN)
    } else if locked < LOCKED_MAX * 4 / 10 {
        (rows.saturating_mul(3) / 2).min(ROWS_MAX)
    } else {
        rows
    }
}

/// Compares and sets rows of one block, on whichever connection.
pub(super) struct Setter {
    pub(super) name: String,
    statements: Statements,
    target: Option<String>,
}

impl Setter {
    pub(super) fn new(block: &Block, statements: Statements, target: &VersionId) -> Self {
        let target = statements.layout.version().and_then(|_| block.text_of(target)).map(str::to_owned);
        Self { name: block.name(), statements, target }
    }

    pub(super) fn batch(&self, page: &Page, changes: &Changes, part: Range<usize>) -> Result<Batch, Fault> {
        self.statements.set(page, changes, &part, self.target.as_deref())
    }

    /// How many rows were found and set.
    pub(super) fn set(client: &mut Client, batch: &Batch) -> Result<u64, postgres::Error> {
        client.execute_typed(&batch.update, &batch.pack.given())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ROWS;
    use super::ROWS_MAX;
    use super::ROWS_MIN;
    use super::next_rows;

    #[test]
    fn a_statement_that_took_too_long_is_answered_by_a_smaller_one() {
        let mut rows = ROWS;
        for _ in 0..20 {
            rows = next_rows(rows, Duration::from_millis(80));
        }
        assert_eq!(rows, ROWS_MIN);
        for _ in 0..50 {
            rows = next_rows(rows, Duration::from_millis(5));
        }
        assert_eq!(rows, ROWS_MAX);
        assert_eq!(next_rows(rows, Duration::from_millis(30)), rows);
    }
}
