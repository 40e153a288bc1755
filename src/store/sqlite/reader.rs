//! Pages of rows in key order. Each page is a read of its own, so that no long one keeps the log from being written back.

use rusqlite::Connection;
use rusqlite::Statement;
use rusqlite::types::ToSqlOutput;
use rusqlite::types::Value as Owned;
use rusqlite::types::ValueRef;

use super::open::Database;
use super::shape::Shape;
use super::sql::Statements;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Given;
use crate::port::store::Page;
use crate::port::store::Reader;
use crate::port::store::Value;
use crate::port::store::Want;

/// Walks one block on a connection of its own.
pub(super) struct Pages {
    database: Database,
    connection: Connection,
    walk: Walk,
}

impl Pages {
    pub(super) fn new(
        database: &Database,
        connection: Connection,
        block: &Block,
        shape: &Shape,
        want: Want<'_>,
    ) -> Self {
        let statements = Statements::of(block, shape);
        let walk = Walk::new(block, &statements, want);
        Self { database: database.clone(), connection, walk }
    }
}

impl Reader for Pages {
    fn page(&self) -> Page {
        self.walk.page()
    }

    fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
        self.walk
            .next(&self.connection, page)
            .map_err(|error| self.database.fault(&format!("read {}", self.walk.name), &error))
    }
}

/// A place in a block, on whichever connection.
pub(super) struct Walk {
    name: String,
    statements: Statements,
    start: String,
    go_on: String,
    given: Vec<Owned>,
    last: Option<Vec<Kept>>,
    done: bool,
}

impl Walk {
    pub(super) fn new(block: &Block, statements: &Statements, want: Want<'_>) -> Self {
        let mut given = given(block);
        if let (Want::NotUnder(version), true) = (want, statements.skips(want)) {
            given.push(Owned::Text(block.text_of(version).unwrap_or_default().to_owned()));
        }
        Self {
            name: block.name(),
            start: statements.page(want, true),
            go_on: statements.page(want, false),
            statements: statements.clone(),
            given,
            last: None,
            done: false,
        }
    }

    pub(super) fn page(&self) -> Page {
        Page::new(self.statements.layout.clone())
    }

    pub(super) fn next(&mut self, connection: &Connection, page: &mut Page) -> rusqlite::Result<()> {
        page.clear();
        if self.done {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(if self.last.is_some() { &self.go_on } else { &self.start })?;
        let limit = Owned::Integer(i64::try_from(page.rows_max()).unwrap_or(i64::MAX));
        let mut at = 0_usize;
        let mut bind = |value: ToSqlOutput<'_>| {
            at = at.saturating_add(1);
            statement.raw_bind_parameter(at, value)
        };
        for value in &self.given {
            bind(ToSqlOutput::Borrowed(value.into()))?;
        }
        for key in self.last.iter().flatten() {
            bind(lend(key.value()))?;
        }
        bind(ToSqlOutput::Owned(limit))?;
        fill(&mut statement, self.statements.layout.columns().len(), page)?;
        // A page that is not full was the last: asking again would only read the rest of the table once more.
        self.done = !page.is_full();
        if let Some(row) = page.rows().checked_sub(1) {
            let keys = self.statements.layout.keys();
            self.last = Some((0..keys).map(|cell| Kept::of(page.cell(row, cell))).collect());
        }
        Ok(())
    }
}

/// Adds the rows of a bound statement until there are no more or the page is full.
pub(super) fn fill(statement: &mut Statement<'_>, width: usize, page: &mut Page) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        for cell in 0..width {
            page.push(match row.get_ref(cell)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(text),
                ValueRef::Blob(bytes) => Value::Blob(bytes),
            });
        }
        if page.is_full() {
            break;
        }
    }
    Ok(())
}

/// The values of `where`, in the order of its columns.
pub(super) fn given(block: &Block) -> Vec<Owned> {
    let own = |given: &Given| match given {
        Given::Bool(truth) => Owned::Integer(i64::from(*truth)),
        Given::Int(number) => Owned::Integer(*number),
        Given::Text(text) => Owned::Text(text.clone()),
    };
    block.only.iter().map(|(_, value)| own(value)).collect()
}

/// A cell as a parameter, of the same storage class and without a copy.
pub(super) fn lend(value: Value<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(number),
        Value::Real(number) => ValueRef::Real(number),
        Value::Text(text) => ValueRef::Text(text),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// A cell that outlives its page, with its bytes as they are: text need not be UTF-8, and a key bent into it would lead the walk
/// past rows.
enum Kept {
    Null,
    Int(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Kept {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text.to_vec()),
            Value::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}
