//! Compare-and-set of many rows in one statement, in short transactions whose length is measured: as many rows as keep others
//! waiting for less than the limit.

use std::time::Duration;
use std::time::Instant;

use postgres::Client;

use super::shape::Form;
use super::sql::Statements;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Value;
use crate::port::store::Writer;
use crate::port::store::Written;
use crate::postgresql::Given;
use crate::postgresql::Session;
use postgres::types::Type;

/// No row is to be locked for longer; the pace keeps well below.
const LOCKED_MAX: Duration = Duration::from_millis(50);
/// How many rows a statement sets, at first, at least and at most.
const ROWS: usize = 200;
const ROWS_MIN: usize = 10;
const ROWS_MAX: usize = 4000;
/// How long one statement may take before the server gives it up.
const WITHIN: Duration = Duration::from_secs(60);

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
            let to = from.saturating_add(self.rows).min(changes.len());
            let batch = Batch::of(&self.setter.statements, page, changes, from..to);
            let doing = format!("write {}", self.setter.name);
            let began = Instant::now();
            let moved = self.session.transaction(&doing, WITHIN, |client| self.setter.set(client, &batch))?;
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
    fn judge_lost(&mut self, doing: &str, batch: &Batch<'_>) -> Result<(), Fault> {
        let rows = self.session.query(doing, &self.setter.statements.same, &self.setter.given(batch))?;
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

    pub(super) fn batch<'p>(&self, page: &'p Page, changes: &'p Changes) -> Batch<'p> {
        Batch::of(&self.statements, page, changes, 0..changes.len())
    }

    /// How many rows were found and set.
    pub(super) fn set(&self, client: &mut Client, batch: &Batch<'_>) -> Result<u64, postgres::Error> {
        client.execute_typed(&self.statements.update, &self.given(batch))
    }

    fn given<'a>(&'a self, batch: &'a Batch<'_>) -> Vec<Given<'a>> {
        let arrays = batch.0.iter().map(Array::given);
        let target = self.target.iter().map(|text| (text as _, Type::TEXT));
        let only = self.statements.only.iter().map(|text| (text as _, Type::TEXT));
        arrays.chain(target).chain(only).collect()
    }
}

/// The rows of one statement, column by column.
pub(super) struct Batch<'p>(Vec<Array<'p>>);

enum Array<'p> {
    Int(Vec<Option<i64>>),
    Bytes(Vec<Option<&'p [u8]>>),
    Text(Vec<Option<&'p str>>),
}

impl<'p> Batch<'p> {
    fn of(statements: &Statements, page: &'p Page, changes: &'p Changes, part: std::ops::Range<usize>) -> Self {
        let layout = &statements.layout;
        let form = |cell: usize| statements.fields.get(cell).map_or(Form::Text, |field| field.form);
        let old = |cell: usize| {
            let mut array = Array::new(form(cell));
            part.clone().filter_map(|at| changes.row(at)).for_each(|row| array.push(page.cell(row, cell)));
            array
        };
        let new = |value: usize, cell: usize| {
            let mut array = Array::new(form(cell));
            for (at, row) in part.clone().filter_map(|at| Some((at, changes.row(at)?))) {
                array.push(changes.value(at, value).map_or_else(|| page.cell(row, cell), Value::Blob));
            }
            array
        };
        let keys = (0..layout.keys()).map(old);
        let values = layout.values().map(old);
        let changed = layout.values().enumerate().map(|(value, cell)| new(value, cell));
        let held = layout.version().into_iter().chain(layout.bound()).map(old);
        Self(keys.chain(values).chain(changed).chain(held).collect())
    }
}

impl<'p> Array<'p> {
    fn new(form: Form) -> Self {
        match form {
            Form::Int => Self::Int(Vec::new()),
            Form::Bytes => Self::Bytes(Vec::new()),
            Form::Text => Self::Text(Vec::new()),
        }
    }

    fn push(&mut self, value: Value<'p>) {
        match self {
            Self::Int(all) => all.push(match value {
                Value::Int(number) => Some(number),
                _ => None,
            }),
            Self::Bytes(all) => all.push(value.bytes()),
            // What a seal writes into a text column is text.
            Self::Text(all) => all.push(value.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())),
        }
    }

    fn given(&self) -> Given<'_> {
        match self {
            Self::Int(all) => (all, Type::INT8_ARRAY),
            Self::Bytes(all) => (all, Type::BYTEA_ARRAY),
            Self::Text(all) => (all, Type::TEXT_ARRAY),
        }
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
