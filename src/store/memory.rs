//! A store in memory: lawful, and no kinder than a true one. It compares before it sets, refuses what is not there, and can be
//! told to fail at its nth call, before or after doing the work.

mod rows;
pub mod service;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

pub use self::rows::Datum;
use self::rows::Pages;
use self::rows::Setter;
use self::rows::Table;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Reader;
use crate::port::store::Record;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Whole;
use crate::port::store::Work;
use crate::port::store::Writer;
use crate::port::store::Written;
use crate::port::store::count;

/// Tables in memory. A clone is another door to the same tables.
#[derive(Debug, Clone)]
pub struct Memory {
    name: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, Table>,
    answers: BTreeMap<String, String>,
    calls: u64,
    fails: Option<(u64, Fails)>,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// With an error, and nothing was done.
    Before,
    /// It timed out, and what it was to do is done.
    After,
}

impl Memory {
    /// An empty one of this name, which is its world.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), state: Arc::default() }
    }

    /// Makes a table of these columns, the first of which is its key.
    pub fn create(&self, table: &str, columns: &[&str]) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.held().tables.insert(table.to_owned(), Table { columns, rows: BTreeMap::new() });
    }

    /// Puts a row, in the order of the columns, in place of one with its key. Nothing where there is no such table.
    pub fn put(&self, table: &str, row: Vec<Datum>) {
        if let (Some(table), Some(key)) = (self.held().tables.get_mut(table), row.first()) {
            table.rows.insert(key.clone(), row);
        }
    }

    /// The row with this key.
    #[must_use]
    pub fn row(&self, table: &str, key: &Datum) -> Option<Vec<Datum>> {
        self.held().tables.get(table)?.rows.get(key).cloned()
    }

    /// Takes a row away.
    pub fn remove(&self, table: &str, key: &Datum) {
        if let Some(table) = self.held().tables.get_mut(table) {
            table.rows.remove(key);
        }
    }

    /// What a query is answered by.
    pub fn answer(&self, query: &str, text: &str) {
        self.held().answers.insert(query.to_owned(), text.to_owned());
    }

    /// Lets the nth call from now fail, counted from 1; the ones after it do not.
    pub fn fail(&self, nth: u64, how: Fails) {
        let mut state = self.held();
        state.calls = 0;
        state.fails = Some((nth, how));
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One call of the port: counted, and failed where it is its turn.
    fn call<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.calls = self.calls.saturating_add(1);
        match self.fails {
            Some((nth, Fails::Before)) if nth == self.calls => {
                Err(Fault::retry("call the store", "connection refused"))
            }
            Some((nth, Fails::After)) if nth == self.calls => {
                act(self)?;
                Err(Fault::retry("call the store", "timed out"))
            }
            _ => act(self),
        }
    }

    fn table(&self, name: &str) -> Result<&Table, Fault> {
        self.tables.get(name).ok_or_else(|| {
            Fault::ask_operator(format!("find `{name}`"), "there is no such table").hint("name one of its tables")
        })
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, Fault> {
        let absent = Fault::ask_operator(format!("find `{name}`"), "there is no such table");
        self.tables.get_mut(name).ok_or(absent)
    }
}

impl Store for Memory {
    fn world(&self) -> Result<String, Fault> {
        self.held().call(|_| Ok(format!("memory:{}", self.name)))
    }

    fn mover(&self) -> Mover {
        Mover::Us
    }

    fn fit(&self, block: &Block) -> Result<(), Fault> {
        self.held().call(|state| state.table(&block.table)?.layout(block).map(|_| ()))
    }

    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault> {
        self.held().call(|state| Ok(u64::try_from(state.table(&block.table)?.rows.len()).ok()))
    }

    fn census(&self, block: &Block) -> Result<Census, Fault> {
        let mut pages = self.held().call(|state| Pages::new(&self.state, state, block, Want::All))?;
        count(block, &mut pages)
    }

    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        let pages = self.held().call(|state| Pages::new(&self.state, state, block, want))?;
        Ok(Box::new(pages))
    }

    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        let setter = self.held().call(|_| Ok(Setter::new(block, target)))?;
        Ok(Box::new(Batches { state: self.state.clone(), setter }))
    }

    /// The work is done on a copy, which takes the place of the tables at the end.
    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
        let mut state = self.held();
        let copy = State { tables: state.tables.clone(), ..State::default() };
        let copy = Arc::new(Mutex::new(copy));
        let mut set = Set { state: copy.clone(), parts: Vec::new() };
        for block in blocks {
            let pages = Pages::new(&copy, &copy.lock().unwrap_or_else(PoisonError::into_inner), block, Want::All)?;
            set.parts.push((pages, Setter::new(block, target)));
        }
        work(&mut set)?;
        state.call(|state| {
            state.tables = std::mem::take(&mut copy.lock().unwrap_or_else(PoisonError::into_inner).tables);
            Ok(())
        })
    }

    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault> {
        self.held().call(|state| Ok(state.table(table)?.records()))
    }

    fn ask(&self, query: &str) -> Result<Option<String>, Fault> {
        self.held().call(|state| Ok(state.answers.get(query).cloned()))
    }
}

struct Batches {
    state: Arc<Mutex<State>>,
    setter: Setter,
}

impl Writer for Batches {
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.call(|state| self.setter.write(state, page, changes))
    }
}

struct Set {
    state: Arc<Mutex<State>>,
    parts: Vec<(Pages, Setter)>,
}

impl Set {
    fn part(&mut self, block: usize) -> Result<&mut (Pages, Setter), Fault> {
        self.parts.get_mut(block).ok_or_else(|| Fault::report_bug("find a block of the set", "there are not so many"))
    }
}

impl Whole for Set {
    fn page(&self, block: usize) -> Option<Page> {
        self.parts.get(block).map(|(pages, _)| pages.page())
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        self.part(block)?.0.next(page)
    }

    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let state = self.state.clone();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        self.part(block)?.1.write(&mut state, page, changes)
    }
}
