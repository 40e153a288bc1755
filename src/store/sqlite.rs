//! A SQLite file as a store. It never makes a file that is not there; a link to one is followed once, for SQLite keeps its own
//! files beside the real one. Reads go through a connection that cannot write; writes are durable before they count.

mod census;
mod ident;
mod look;
mod open;
mod reader;
mod shape;
mod sql;
mod trouble;
mod whole;
mod writer;

use std::path::PathBuf;

use self::open::Database;
use self::shape::Shape;
use self::sql::Statements;
use crate::digest;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Reader;
use crate::port::store::Record;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Work;
use crate::port::store::Writer;

/// A SQLite file. Nothing is opened before it is needed.
#[derive(Debug, Clone)]
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { database: Database::new(path.into()) }
    }
}

impl Store for Sqlite {
    /// Of the real path and the `application_id` in the file: both outlive a restart, a `VACUUM`, and a backup put back in
    /// place, by copy or by rename; a copy in another folder is another world. The inode would not outlive a restore, the
    /// schema not a migration, and a mark of our own would be a change nobody asked for.
    fn world(&self) -> Result<String, Fault> {
        let (path, connection) = self.database.read()?;
        let application: i64 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(|error| self.database.fault("read the head", &error))?;
        let path = path.as_os_str().as_encoded_bytes();
        let digest = digest::of("keyrota/world/sqlite", &[path, &application.to_be_bytes()]);
        Ok(format!("sqlite:{}", digest.hex().get(..32).unwrap_or_default()))
    }

    fn mover(&self) -> Mover {
        Mover::Us
    }

    fn fit(&self, block: &Block) -> Result<(), Fault> {
        let (_, connection) = self.database.read()?;
        let shape = Shape::of(&self.database, &connection, block)?;
        let statements = Statements::of(block, &shape);
        shape.nothing_else_changes(&self.database, &connection, &statements)
    }

    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault> {
        let (_, connection) = self.database.read()?;
        let shape = Shape::of(&self.database, &connection, block)?;
        census::estimate(&self.database, &connection, &shape)
    }

    fn census(&self, block: &Block) -> Result<Census, Fault> {
        let (_, connection) = self.database.read()?;
        let shape = Shape::of(&self.database, &connection, block)?;
        census::count(&self.database, connection, block, &shape)
    }

    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        let (_, connection) = self.database.read()?;
        let shape = Shape::of(&self.database, &connection, block)?;
        Ok(Box::new(reader::Pages::new(&self.database, connection, block, &shape, want)))
    }

    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        let (_, connection) = self.database.write()?;
        let shape = Shape::of(&self.database, &connection, block)?;
        let statements = Statements::of(block, &shape);
        shape.nothing_else_changes(&self.database, &connection, &statements)?;
        Ok(Box::new(writer::Batches::new(&self.database, connection, block, statements, target)?))
    }

    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
        whole::run(&self.database, blocks, target, work)
    }

    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault> {
        let (_, connection) = self.database.read()?;
        look::proofs(&self.database, &connection, table)
    }

    fn ask(&self, query: &str) -> Result<Option<String>, Fault> {
        let (_, connection) = self.database.read()?;
        look::ask(&self.database, &connection, query)
    }
}
