//! Compare-and-set in short transactions. A transaction ends when its time is up, however few rows it has, and its time is
//! measured, not guessed; the log is written back between two of them, when nobody waits for us.

use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::Statement;
use rusqlite::types::Value as Owned;

use super::open::Database;
use super::reader::fill;
use super::reader::given;
use super::reader::lend;
use super::sql::Statements;
use super::trouble;
use crate::disk::crash;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Value;
use crate::port::store::Writer;
use crate::port::store::Written;

/// No lock is to last longer; the pace keeps well below, as a commit takes what it takes.
const LOCKED_MAX: Duration = Duration::from_millis(50);
/// The rows' share of a lock, at first, at least and at most; the rest is the commit's.
const SHARE: Duration = Duration::from_millis(8);
const SHARE_MIN: Duration = Duration::from_millis(1);
const SHARE_MAX: Duration = Duration::from_millis(20);
/// How many rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 8;
/// How many transactions between two checkpoints: few enough that the log stays in the cache.
const CHECKPOINT_EVERY: u32 = 4;
/// How often a lock that somebody else holds is asked for, [`super::open::BUSY`] each time.
const ASKED_MAX: u32 = 6;

/// Writes one block on a connection of its own.
pub(super) struct Batches {
    database: Database,
    connection: Connection,
    setter: Setter,
    /// Whether the log is written back by us.
    logged: bool,
    share: Duration,
    since_checkpoint: u32,
}

impl Batches {
    pub(super) fn new(
        database: &Database,
        connection: Connection,
        block: &Block,
        statements: Statements,
        target: &VersionId,
    ) -> Result<Self, Fault> {
        let mode: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .map_err(|error| database.fault("read the journal mode", &error))?;
        Ok(Self {
            database: database.clone(),
            connection,
            setter: Setter::new(block, statements, target),
            logged: mode.eq_ignore_ascii_case("wal"),
            share: SHARE,
            since_checkpoint: 0,
        })
    }

    /// One transaction; gives the place to go on from.
    fn transaction(&mut self, page: &Page, changes: &Changes, from: usize, sum: &mut Written) -> Result<usize, Fault> {
        let fault = |doing: &str, error: &rusqlite::Error| self.database.fault(doing, error);
        let doing = format!("write {}", self.setter.name);
        patiently(|| execute(&self.connection, "BEGIN IMMEDIATE")).map_err(|error| fault("lock the tables", &error))?;
        let began = Instant::now();
        let done = self.setter.some(&self.connection, page, changes, from, || began.elapsed() >= self.share);
        let (to, moved, lost) = match done {
            Ok(done) => done,
            Err(error) => {
                self.roll_back();
                return Err(error.into_fault(&self.database, &doing));
            }
        };
        crash::point("sqlite.commit before");
        if let Err(error) = patiently(|| execute(&self.connection, "COMMIT")) {
            self.roll_back();
            return Err(fault(&doing, &error));
        }
        crash::point("sqlite.commit after");
        let locked = began.elapsed();
        self.share = next_share(self.share, locked);
        sum.moved = sum.moved.saturating_add(moved);
        sum.lost = sum.lost.saturating_add(lost);
        sum.locked = sum.locked.max(locked);
        Ok(to)
    }

    fn roll_back(&self) {
        // Where it fails there is no transaction any more, and closing the connection ends what is left.
        let _undone = execute(&self.connection, "ROLLBACK");
    }

    /// Writes the log back into the database as far as readers let us. Whoever waits for the write lock gets it meanwhile.
    fn checkpoint(&mut self) {
        self.since_checkpoint = 0;
        // It may find others at the same work, and then it is theirs; the log is safe either way.
        let _written_back = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
}

impl Writer for Batches {
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let mut sum = Written::default();
        let mut from = 0;
        while from < changes.len() {
            from = self.transaction(page, changes, from, &mut sum)?;
            self.since_checkpoint = self.since_checkpoint.saturating_add(1);
            if self.logged && self.since_checkpoint >= CHECKPOINT_EVERY {
                self.checkpoint();
            }
        }
        Ok(sum)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        if self.logged && self.since_checkpoint > 0 {
            self.checkpoint();
        }
    }
}

/// The rows' share of the next lock, after one that lasted so long.
fn next_share(share: Duration, locked: Duration) -> Duration {
    if locked > LOCKED_MAX * 7 / 10 {
        (share / 2).max(SHARE_MIN)
    } else if locked < LOCKED_MAX * 4 / 10 {
        (share * 5 / 4).min(SHARE_MAX)
    } else {
        share
    }
}

/// Asks again while somebody else holds the lock; SQLite itself waits in between.
pub(super) fn patiently(mut ask: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    for _ in 1..ASKED_MAX {
        match ask() {
            Err(error) if trouble::is_busy(&error) => {}
            done => return done,
        }
    }
    ask()
}

pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// Why changes were not made.
pub(super) enum Unset {
    Sqlite(rusqlite::Error),
    /// The row is as the page says, and the compare-and-set did not find it.
    Stuck(String),
}

impl From<rusqlite::Error> for Unset {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Unset {
    pub(super) fn into_fault(self, database: &Database, doing: &str) -> Fault {
        match self {
            Self::Sqlite(error) => database.fault(doing, &error),
            Self::Stuck(row) => Fault::report_bug(
                format!("{doing} of {}", database.shown()),
                format!("the row {row} is as it was read, and the compare-and-set does not find it"),
            ),
        }
    }
}

/// Compares and sets rows of one block, on whichever connection.
pub(super) struct Setter {
    pub(super) name: String,
    statements: Statements,
    given: Vec<Owned>,
    /// What the version beside the values becomes, as a number where the old one is a number.
    target: String,
    number: Option<i64>,
}

impl Setter {
    pub(super) fn new(block: &Block, statements: Statements, target: &VersionId) -> Self {
        let target = block.text_of(target).unwrap_or_default().to_owned();
        let number = target.parse().ok().filter(|number: &i64| number.to_string() == target);
        Self { name: block.name(), statements, given: given(block), target, number }
    }

    /// Makes changes from this place on until there are no more or it is `late`. Gives the place reached, and how many rows
    /// were moved and lost.
    pub(super) fn some(
        &self,
        connection: &Connection,
        page: &Page,
        changes: &Changes,
        from: usize,
        late: impl Fn() -> bool,
    ) -> Result<(usize, u64, u64), Unset> {
        let mut update = connection.prepare_cached(&self.statements.update)?;
        let (mut at, mut moved, mut lost) = (from, 0_u64, 0_u64);
        while let Some(row) = changes.row(at) {
            if at > from && at % ROWS_PER_LOOK == 0 && late() {
                break;
            }
            self.bind(&mut update, page, row, changes, at)?;
            if update.raw_execute()? == 0 {
                self.judge_lost(connection, page, row)?;
                lost = lost.saturating_add(1);
            } else {
                moved = moved.saturating_add(1);
            }
            at = at.saturating_add(1);
        }
        Ok((at, moved, lost))
    }

    fn bind(
        &self,
        update: &mut Statement<'_>,
        page: &Page,
        row: usize,
        changes: &Changes,
        at: usize,
    ) -> rusqlite::Result<()> {
        let layout = &self.statements.layout;
        let mut place = 0_usize;
        let mut bind = |value: Value<'_>| {
            place = place.saturating_add(1);
            update.raw_bind_parameter(place, lend(value))
        };
        for value in 0..layout.values().len() {
            let old = page.value(row, value);
            bind(match (changes.value(at, value), old) {
                (None, old) => old,
                // As the application stored it: text stays text and bytes stay bytes.
                (Some(new), Value::Text(_)) => Value::Text(new),
                (Some(new), _) => Value::Blob(new),
            })?;
        }
        if layout.version().is_some() {
            let text = self.target.as_bytes();
            bind(match (page.version(row), self.number) {
                (Value::Int(_), Some(number)) => Value::Int(number),
                (Value::Blob(_), _) => Value::Blob(text),
                _ => Value::Text(text),
            })?;
        }
        let old = (0..layout.keys()).chain(layout.values()).chain(layout.version()).chain(layout.bound());
        for cell in old {
            bind(page.cell(row, cell))?;
        }
        for value in &self.given {
            place = place.saturating_add(1);
            update.raw_bind_parameter(place, value)?;
        }
        Ok(())
    }

    /// A row that the compare-and-set did not find must be gone or changed; else the walk would go round for ever.
    fn judge_lost(&self, connection: &Connection, page: &Page, row: usize) -> Result<(), Unset> {
        let layout = &self.statements.layout;
        let mut one = connection.prepare_cached(&self.statements.one)?;
        let mut place = 0_usize;
        for cell in 0..layout.keys() {
            place = place.saturating_add(1);
            one.raw_bind_parameter(place, lend(page.cell(row, cell)))?;
        }
        for value in &self.given {
            place = place.saturating_add(1);
            one.raw_bind_parameter(place, value)?;
        }
        let mut now = Page::new(layout.clone());
        fill(&mut one, layout.columns().len(), &mut now)?;
        let width = layout.columns().len();
        let same = !now.is_empty() && (0..width).all(|cell| now.cell(0, cell) == page.cell(row, cell));
        if same { Err(Unset::Stuck(page.name(row))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::SHARE;
    use super::SHARE_MAX;
    use super::SHARE_MIN;
    use super::next_share;

    #[test]
    fn a_lock_that_lasted_too_long_is_answered_by_a_shorter_one() {
        let mut share = SHARE;
        for _ in 0..20 {
            share = next_share(share, Duration::from_millis(80));
        }
        assert_eq!(share, SHARE_MIN);
        for _ in 0..50 {
            share = next_share(share, Duration::from_millis(5));
        }
        assert_eq!(share, SHARE_MAX);
        assert_eq!(next_share(share, Duration::from_millis(30)), share);
    }
}
