//! Several blocks in one transaction. Their tables are locked against other writers from before the first read to the commit:
//! what is read is what will be replaced, and nobody can add a row in between. Readers go on.

use std::sync::Arc;
use std::time::Duration;

use postgres::types::Type;

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
/// How many rows are fetched at a time; a page takes a few of these.
const ROWS_PER_FETCH: usize = 1024;

struct Set {
    session: Session,
    parts: Vec<Part>,
}

/// One block. Its rows are read through a cursor: as they were when the tables were locked, whatever is written meanwhile, and
/// in the order in which they lie.
struct Part {
    fetch: String,
    statements: Statements,
    setter: Setter,
    done: bool,
}

pub(super) fn run(mut session: Session, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
    let (mut parts, mut cursors, mut tables) = (Vec::new(), Vec::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        let shape = Shape::of(&mut session, block)?;
        shape.may_be_rewrapped(&mut session, block)?;
        let statements = Statements::of(block, shape);
        tables.push(statements.shape.table.clone());
        cursors.push(format!("DECLARE keyrota_{at} NO SCROLL CURSOR FOR {}", statements.all()));
        let fetch = format!("FETCH FORWARD {ROWS_PER_FETCH} FROM keyrota_{at}");
        let setter = Setter::new(block, statements.clone(), target);
        parts.push(Part { fetch, statements, setter, done: false });
    }
    // In one order, whoever locks them.
    tables.sort();
    tables.dedup();
    session.begin("begin a transaction", WITHIN)?;
    let mut set = Set { session, parts };
    let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", "));
    let done = set
        .session
        .inside("lock the tables", |client| client.batch_execute(&lock))
        .and_then(|()| set.open(&cursors))
        .and_then(|()| work(&mut set));
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

    fn open(&mut self, cursors: &[String]) -> Result<(), Fault> {
        for (part, cursor) in self.parts.iter().zip(cursors) {
            let given: Vec<Given<'_>> = part.statements.only.iter().map(|text| (text as _, Type::TEXT)).collect();
            let doing = format!("read {}", part.setter.name);
            self.session.inside(&doing, |client| client.execute_typed(cursor, &given))?;
        }
        // Only now: a table is best read as it lies.
        self.session.inside("begin to write", |client| client.batch_execute(BY_KEY))
    }
}

impl Whole for Set {
    fn page(&self, block: usize) -> Option<Page> {
        self.parts.get(block).map(|part| Page::new(Arc::clone(&part.statements.layout)))
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        let Self { session, parts } = self;
        let part = parts.get_mut(block).ok_or_else(Self::none)?;
        let doing = format!("read {}", part.setter.name);
        page.clear();
        while !part.done && !page.is_full() {
            let rows = session.inside(&doing, |client| client.query_typed(&part.fetch, &[]))?;
            for row in &rows {
                push(page, row, &part.statements.fields).map_err(|error| Fault::ask_operator(&doing, error))?;
            }
            part.done = rows.len() < ROWS_PER_FETCH;
        }
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
