//! Several blocks in one transaction. Their tables are locked against other writers from before the first read to the commit:
//! what is read is what will be replaced, and nobody can add a row in between. Readers go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use postgres::Row;
use postgres::types::Type;

use super::reader::ROWS_AT_FIRST;
use super::reader::push;
use super::shape::Shape;
use super::sql::Statements;
use super::writer::BY_KEY;
use super::writer::Setter;
use crate::disk::crash;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Whole;
use crate::port::store::Work;
use crate::port::store::Written;
use crate::postgresql::Given;
use crate::postgresql::Session;

/// How long one statement of it may take.
const WITHIN: Duration = Duration::from_secs(600);
/// How many rows are fetched at a time at most; a page takes a few of these.
const ROWS_PER_FETCH_MAX: usize = 1024;
/// A table is best read as it lies.
const AS_IT_LIES: &str = "SET LOCAL enable_seqscan = on";

struct Set {
    session: Session,
    parts: Vec<Part>,
}

/// One block. Its rows are read through a cursor, in the order in which they lie: as they were when its turn came, with what was
/// written for the blocks before it, and without what is written for it.
struct Part {
    cursor: String,
    open: bool,
    statements: Statements,
    setter: Setter,
    /// Fetched, and not yet in a page.
    rows: VecDeque<Row>,
    fetch: usize,
    done: bool,
}

pub(super) fn run(mut session: Session, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
    let (mut parts, mut tables) = (Vec::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        let shape = Shape::of(&mut session, block)?;
        shape.may_be_rewrapped(&mut session, block)?;
        let statements = Statements::of(block, shape);
        tables.push(statements.shape.table.clone());
        let setter = Setter::new(block, statements.clone(), target);
        let (cursor, rows) = (format!("keyrota_{at}"), VecDeque::new());
        parts.push(Part { cursor, open: false, statements, setter, rows, fetch: ROWS_AT_FIRST, done: false });
    }
    // In one order, whoever locks them.
    tables.sort();
    tables.dedup();
    session.begin("begin a transaction", WITHIN)?;
    let mut set = Set { session, parts };
    let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", "));
    let done =
        set.session.inside("lock the tables", |client| client.batch_execute(&lock)).and_then(|()| work(&mut set));
    let done = done.and_then(|()| {
        crash::point("postgres.commit before");
        set.session.inside("commit the whole set", |client| client.batch_execute("COMMIT"))?;
        crash::point("postgres.commit after");
        Ok(())
    });
    if done.is_err() {
        set.session.abandon();
    }
    done
}

impl Set {
    fn none() -> Fault {
        Fault::report_bug("find a block of the set", "there are not so many")
    }
}

impl Part {
    fn open(&mut self, session: &mut Session) -> Result<(), Fault> {
        let given: Vec<Given<'_>> = self.statements.only.iter().map(|text| (text as _, Type::TEXT)).collect();
        let declare = format!("DECLARE {} NO SCROLL CURSOR FOR {}", self.cursor, self.statements.all());
        session.inside(&self.doing(), |client| {
            client.batch_execute(AS_IT_LIES)?;
            client.execute_typed(&declare, &given)?;
            client.batch_execute(BY_KEY)
        })?;
        self.open = true;
        Ok(())
    }

    fn doing(&self) -> String {
        format!("read {}", self.setter.name)
    }
}

impl Whole for Set {
    fn page(&self, block: usize) -> Option<Page> {
        self.parts.get(block).map(|part| Page::new(Arc::clone(&part.statements.layout)))
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        let Self { session, parts } = self;
        let part = parts.get_mut(block).ok_or_else(Self::none)?;
        if !part.open {
            part.open(session)?;
        }
        let doing = part.doing();
        page.clear();
        while !page.is_full() {
            let Some(row) = part.rows.pop_front() else {
                if part.done {
                    break;
                }
                let fetch = format!("FETCH FORWARD {} FROM {}", part.fetch, part.cursor);
                part.rows = session.inside(&doing, |client| client.query_typed(&fetch, &[]))?.into();
                part.done = part.rows.len() < part.fetch;
                continue;
            };
            push(page, &row, &part.statements.fields).map_err(|error| Fault::ask_operator(&doing, error))?;
        }
        part.fetch = page.rows_next().min(ROWS_PER_FETCH_MAX);
        Ok(())
    }

    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let Self { session, parts } = self;
        let Part { setter, .. } = parts.get(block).ok_or_else(Self::none)?;
        let batch = setter.batch(page, changes, 0..changes.len())?;
        let moved = session.inside(&format!("write {}", setter.name), |client| Setter::set(client, &batch))?;
        Ok(Written { moved, lost: (changes.len() as u64).saturating_sub(moved), ..Written::default() })
    }
}
