//! Several blocks in one transaction. Their tables are locked against other writers from before the first read to the commit:
//! what is read is what will be replaced, and nobody can add a row in between. Readers go on.

use std::time::Duration;

use super::reader::Walk;
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
use crate::port::store::Want;
use crate::port::store::Whole;
use crate::port::store::Work;
use crate::port::store::Written;
use crate::postgresql::Session;

/// How long one statement of it may take.
const WITHIN: Duration = Duration::from_secs(600);

struct Set {
    session: Session,
    parts: Vec<(Walk, Setter)>,
}

pub(super) fn run(mut session: Session, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
    let mut parts = Vec::new();
    let mut tables = Vec::new();
    for block in blocks {
        let shape = Shape::of(&mut session, block)?;
        shape.may_be_rewrapped(&mut session, block)?;
        let statements = Statements::of(block, shape);
        tables.push(statements.shape.table.clone());
        parts.push((Walk::new(block, &statements, Want::All), Setter::new(block, statements, target)));
    }
    // In one order, whoever locks them.
    tables.sort();
    tables.dedup();
    session.begin("begin a transaction", WITHIN)?;
    let mut set = Set { session, parts };
    let lock = format!("{BY_KEY}; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", "));
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

impl Whole for Set {
    fn page(&self, block: usize) -> Option<Page> {
        self.parts.get(block).map(|(walk, _)| walk.page())
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        let Self { session, parts } = self;
        let (walk, _) = parts.get_mut(block).ok_or_else(Self::none)?;
        walk.next(page, |doing, query, given| session.inside(doing, |client| client.query_typed(query, given)))
    }

    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let Self { session, parts } = self;
        let (_, setter) = parts.get(block).ok_or_else(Self::none)?;
        let batch = setter.batch(page, changes, 0..changes.len())?;
        let moved = session.inside(&format!("write {}", setter.name), |client| Setter::set(client, &batch))?;
        Ok(Written { moved, lost: (changes.len() as u64).saturating_sub(moved), ..Written::default() })
    }
}
