//! Several blocks in one transaction. It holds the write lock from the first read to the commit: what is read is what will be
//! replaced, and nobody can add a row in between. Pages pass through, so memory does not grow with the set.

use rusqlite::Connection;

use super::open::Database;
use super::reader::Walk;
use super::shape::Shape;
use super::sql::Statements;
use super::writer::Setter;
use super::writer::execute;
use super::writer::patiently;
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

struct Set<'a> {
    database: &'a Database,
    connection: &'a Connection,
    parts: Vec<(Walk, Setter)>,
}

pub(super) fn run(database: &Database, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
    let (_, connection) = database.write()?;
    let mut parts = Vec::new();
    for block in blocks {
        let shape = Shape::of(database, &connection, block)?;
        let statements = Statements::of(block, &shape);
        shape.nothing_else_changes(database, &connection, &statements)?;
        parts.push((Walk::new(block, &statements, Want::All), Setter::new(block, statements, target)));
    }
    patiently(|| execute(&connection, "BEGIN IMMEDIATE")).map_err(|error| database.fault("lock the tables", &error))?;
    let done = work(&mut Set { database, connection: &connection, parts }).and_then(|()| {
        crash::point("sqlite.commit before");
        patiently(|| execute(&connection, "COMMIT")).map_err(|error| database.fault("commit the whole set", &error))?;
        crash::point("sqlite.commit after");
        Ok(())
    });
    if done.is_err() {
        // Where it fails there is no transaction any more, and closing the connection ends what is left.
        let _undone = execute(&connection, "ROLLBACK");
    }
    done
}

impl Set<'_> {
    fn none() -> Fault {
        Fault::report_bug("find a block of the set", "there are not so many")
    }
}

impl Whole for Set<'_> {
    fn page(&self, block: usize) -> Option<Page> {
        self.parts.get(block).map(|(walk, _)| walk.page())
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        let (walk, setter) = self.parts.get_mut(block).ok_or_else(Self::none)?;
        let doing = format!("read {}", setter.name);
        walk.next(self.connection, page).map_err(|error| self.database.fault(&doing, &error))
    }

    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let (_, setter) = self.parts.get(block).ok_or_else(Self::none)?;
        let done = setter.some(self.connection, page, changes, 0, || false);
        let (_, moved, lost) =
            done.map_err(|error| error.into_fault(self.database, &format!("write {}", setter.name)))?;
        Ok(Written { moved, lost, ..Written::default() })
    }
}
