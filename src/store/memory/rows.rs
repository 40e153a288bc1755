//! Rows of the store in memory: walking them in key order, and comparing before setting.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value as Json;

use super::State;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Given;
use crate::port::store::Layout;
use crate::port::store::Page;
use crate::port::store::Reader;
use crate::port::store::Record;
use crate::port::store::Value;
use crate::port::store::Want;
use crate::port::store::Written;

/// A value that the store in memory holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Datum {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }

    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null | Value::Real(_) => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

/// Rows by their key, which is their first column.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: BTreeMap<Datum, Vec<Datum>>,
}

impl Table {
    pub(super) fn layout(&self, block: &Block) -> Result<Layout, Fault> {
        let refuse = |why: String| Fault::ask_operator(format!("rewrap {}", block.name()), why);
        if let VersionAt::Field(_) = block.version {
            return Err(refuse("a table has columns, not fields".to_owned()));
        }
        let only = block.only.iter().map(|(name, _)| name.as_str());
        let sealed = block.columns.iter().map(|column| column.name.as_str());
        let named = sealed.chain(block.version_beside()).chain(block.row.iter().map(String::as_str)).chain(only);
        for name in named {
            if !self.columns.iter().any(|column| column == name) {
                let known = format!("its columns are {}", self.columns.join(", "));
                return Err(refuse(format!("it has no column `{name}`")).hint(known));
            }
        }
        let sealed = block.columns.iter().map(|column| column.name.clone()).collect();
        let keys = self.columns.iter().take(1).cloned().collect();
        Ok(Layout::new(keys, Vec::new(), sealed, block.version_beside().map(str::to_owned), &block.row))
    }

    fn cell<'r>(&self, row: &'r [Datum], column: &str) -> Value<'r> {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| row.get(at)).map_or(Value::Null, Datum::value)
    }

    fn belongs(&self, block: &Block, row: &[Datum]) -> bool {
        let sealed = block.columns.iter().any(|column| !self.cell(row, &column.name).is_null());
        sealed
            && block.only.iter().all(|(column, given)| {
                let value = self.cell(row, column);
                match given {
                    Given::Bool(truth) => value == Value::Int(i64::from(*truth)),
                    Given::Int(number) => value == Value::Int(*number),
                    Given::Text(text) => value == Value::Text(text.as_bytes()),
                }
            })
    }

    pub(super) fn records(&self) -> Vec<Record> {
        let json = |datum: &Datum| match datum {
            Datum::Null => Json::Null,
            Datum::Int(number) => Json::from(*number),
            Datum::Text(text) => Json::String(text.clone()),
            Datum::Blob(bytes) => Json::String(hex::encode(bytes)),
        };
        let record = |row: &Vec<Datum>| self.columns.iter().cloned().zip(row.iter().map(json)).collect();
        self.rows.values().map(record).collect()
    }
}

/// Walks one block. Each page is one call.
pub(super) struct Pages {
    state: Arc<Mutex<State>>,
    block: Block,
    layout: Arc<Layout>,
    unwanted: Option<String>,
    last: Option<Datum>,
}

impl Pages {
    pub(super) fn new(door: &Arc<Mutex<State>>, state: &State, block: &Block, want: Want<'_>) -> Result<Self, Fault> {
        let layout = Arc::new(state.table(&block.table)?.layout(block)?);
        let unwanted = match want {
            Want::NotUnder(version) if block.version_beside().is_some() => block.text_of(version).map(str::to_owned),
            _ => None,
        };
        Ok(Self { state: door.clone(), block: block.clone(), layout, unwanted, last: None })
    }
}

impl Reader for Pages {
    fn page(&self) -> Page {
        Page::new(self.layout.clone())
    }

    fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
        page.clear();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (block, layout, unwanted, last) = (&self.block, &self.layout, &self.unwanted, &mut self.last);
        state.call(|state| {
            let table = state.table(&block.table)?;
            let from = last.clone().map_or(Bound::Unbounded, Bound::Excluded);
            for (key, row) in table.rows.range((from, Bound::Unbounded)) {
                if page.is_full() {
                    break;
                }
                let version = block.version_beside().map(|column| table.cell(row, column));
                let there = unwanted.as_ref().is_some_and(|text| version == Some(Value::Text(text.as_bytes())));
                if !there && table.belongs(block, row) {
                    for column in layout.columns() {
                        page.push(table.cell(row, column));
                    }
                }
                *last = Some(key.clone());
            }
            Ok(())
        })
    }
}

/// Compares and sets rows of one block.
pub(super) struct Setter {
    block: Block,
    target: String,
}

impl Setter {
    pub(super) fn new(block: &Block, target: &VersionId) -> Self {
        Self { block: block.clone(), target: block.text_of(target).unwrap_or_default().to_owned() }
    }

    pub(super) fn write(&self, state: &mut State, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let table = state.table_mut(&self.block.table)?;
        let columns = page.layout().columns();
        let mut written = Written::default();
        for (at, row) in (0..).map_while(|at| Some((at, changes.row(at)?))) {
            let key = Datum::of(page.cell(row, 0));
            let as_read = table.rows.get(&key).is_some_and(|now| {
                (0..columns.len())
                    .all(|cell| columns.get(cell).is_some_and(|column| table.cell(now, column) == page.cell(row, cell)))
            });
            if !as_read {
                written.lost = written.lost.saturating_add(1);
                continue;
            }
            for (value, column) in self.block.columns.iter().enumerate() {
                if let Some(new) = changes.value(at, value) {
                    let new = match page.value(row, value) {
                        Value::Text(_) => Value::Text(new),
                        _ => Value::Blob(new),
                    };
                    set(table, &key, &column.name, Datum::of(new));
                }
            }
            if let Some(column) = self.block.version_beside() {
                let number = self.target.parse().ok().filter(|_| matches!(page.version(row), Value::Int(_)));
                set(table, &key, column, number.map_or_else(|| Datum::Text(self.target.clone()), Datum::Int));
            }
            written.moved = written.moved.saturating_add(1);
        }
        Ok(written)
    }
}

fn set(table: &mut Table, key: &Datum, column: &str, new: Datum) {
    let at = table.columns.iter().position(|name| name == column);
    let row = table.rows.get_mut(key);
    if let Some(cell) = at.zip(row).and_then(|(at, row)| row.get_mut(at)) {
        *cell = new;
    }
}
