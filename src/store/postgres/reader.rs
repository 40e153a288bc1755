//! Pages of rows in key order. Each page is a statement of its own, so that no snapshot is held for long.

use postgres::Row;
use postgres::types::Type;

use super::place::Place;
use super::shape::Field;
use super::shape::Form;
use super::sql::Statements;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Page;
use crate::port::store::Reader;
use crate::port::store::Value;
use crate::port::store::Want;
use crate::postgresql::Given;
use crate::postgresql::Session;

/// How many rows are asked for before it is known how long they are: the answer comes whole.
pub(super) const ROWS_AT_FIRST: usize = 256;

/// Walks one block on a connection of its own.
pub(super) struct Pages {
    session: Session,
    walk: Walk,
}

impl Pages {
    pub(super) fn new(session: Session, block: &Block, statements: &Statements, want: Want<'_>) -> Self {
        Self { session, walk: Walk::new(block, statements, want) }
    }
}

impl Reader for Pages {
    fn page(&self) -> Page {
        self.walk.page()
    }

    fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
        let Self { session, walk } = self;
        walk.next(page, |doing, query, given| session.query(doing, query, given))
    }
}

/// A place in a block, on whichever connection.
pub(super) struct Walk {
    pub(super) name: String,
    statements: Statements,
    start: String,
    go_on: String,
    given: Vec<String>,
    last: Vec<Kept>,
    rows: usize,
    done: bool,
}

impl Walk {
    pub(super) fn new(block: &Block, statements: &Statements, want: Want<'_>) -> Self {
        let mut given = statements.only.clone();
        if let (Want::NotUnder(version), true) = (want, statements.skips(want)) {
            given.push(block.text_of(version).unwrap_or_default().to_owned());
        }
        Self {
            name: block.name(),
            start: statements.page(want, true),
            go_on: statements.page(want, false),
            statements: statements.clone(),
            given,
            last: Vec::new(),
            rows: ROWS_AT_FIRST,
            done: false,
        }
    }

    pub(super) fn page(&self) -> Page {
        Page::new(self.statements.layout.clone())
    }

    pub(super) fn next(
        &mut self,
        page: &mut Page,
        ask: impl FnOnce(&str, &str, &[Given<'_>]) -> Result<Vec<Row>, Fault>,
    ) -> Result<(), Fault> {
        page.clear();
        if self.done {
            return Ok(());
        }
        let asked = self.rows.min(page.rows_max());
        let limit = i64::try_from(asked).unwrap_or(i64::MAX);
        let mut given: Vec<Given<'_>> = self.given.iter().map(|text| (text as _, Type::TEXT)).collect();
        given.extend(self.last.iter().map(Kept::given));
        given.push((&limit, Type::INT8));
        let doing = format!("read {}", self.name);
        let rows = ask(&doing, if self.last.is_empty() { &self.start } else { &self.go_on }, &given)?;
        let all = rows.len();
        for row in &rows {
            push(page, row, &self.statements.fields).map_err(|error| Fault::ask_operator(&doing, error))?;
            if page.is_full() {
                break;
            }
        }
        self.rows = page.rows_next();
        // Fewer than asked for, and all of them taken: there are no more.
        self.done = all < asked && page.rows() == all;
        if let Some(row) = page.rows().checked_sub(1) {
            self.last = self.statements.walked().map(|cell| Kept::of(page.cell(row, cell))).collect();
        }
        Ok(())
    }
}

pub(super) fn push(page: &mut Page, row: &Row, fields: &[Field]) -> Result<(), postgres::Error> {
    for (at, field) in fields.iter().enumerate() {
        match field.form {
            Form::Int => page.push(row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Int)),
            Form::Place => page.push(Value::Int(row.try_get::<_, Place>(at)?.0)),
            Form::Bytes => page.push(row.try_get::<_, Option<&[u8]>>(at)?.map_or(Value::Null, Value::Blob)),
            Form::Text => {
                page.push(row.try_get::<_, Option<&str>>(at)?.map_or(Value::Null, |text| Value::Text(text.as_bytes())));
            }
        }
    }
    Ok(())
}

/// A cell of a key that outlives its page; no cell of a key is NULL.
enum Kept {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Kept {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Int(number) => Self::Int(number),
            Value::Blob(bytes) => Self::Bytes(bytes.to_vec()),
            other => Self::Text(String::from_utf8_lossy(other.bytes().unwrap_or_default()).into_owned()),
        }
    }

    fn given(&self) -> Given<'_> {
        match self {
            Self::Int(number) => (number, Type::INT8),
            Self::Text(text) => (text, Type::TEXT),
            Self::Bytes(bytes) => (bytes, Type::BYTEA),
        }
    }
}
