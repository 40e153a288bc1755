//! A PostgreSQL database as a store. Every statement is sent whole with its parameters' types, and nothing is kept in a session
//! outside of a transaction, so that a pooler may lend each transaction another connection.

mod census;
mod look;
mod pack;
mod place;
mod reader;
mod shape;
mod splice;
mod sql;
mod whole;
mod writer;

use std::sync::Arc;

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
pub use crate::postgresql::Login;
use crate::postgresql::Server;

/// So many connections write at once at most; one more reads.
const WRITERS_MAX: usize = 4;

/// A PostgreSQL database. Nothing is connected before it is needed.
pub struct Postgres {
    server: Arc<Server>,
}

impl Postgres {
    /// The database of this login; `name` is the store's in the policy, for messages (an address may hold a password).
    #[must_use]
    pub fn new(name: &str, login: Login) -> Self {
        Self { server: Arc::new(Server::new(format!("store `{name}`"), login)) }
    }
}

impl Store for Postgres {
    /// Of the cluster's own identifier and the database's name: both outlive a restart and a restored base backup; another
    /// cluster or database is another world.
    fn world(&self) -> Result<String, Fault> {
        let mut session = self.server.session()?;
        let query = "SELECT system_identifier::text, current_database()::text FROM pg_control_system()";
        let rows = session.query("read the identity", query, &[])?;
        let text = |at: usize| rows.first().and_then(|row| row.try_get::<_, String>(at).ok()).unwrap_or_default();
        let digest = digest::of("keyrota/world/postgres", &[text(0).as_bytes(), text(1).as_bytes()]);
        Ok(format!("postgres:{}", digest.hex().get(..32).unwrap_or_default()))
    }

    fn mover(&self) -> Mover {
        Mover::Us
    }

    fn fit(&self, block: &Block) -> Result<(), Fault> {
        let mut session = self.server.session()?;
        Shape::of(&mut session, block)?.may_be_rewrapped(&mut session, block)
    }

    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault> {
        let mut session = self.server.session()?;
        let shape = Shape::of(&mut session, block)?;
        census::estimate(&mut session, &shape)
    }

    fn census(&self, block: &Block) -> Result<Census, Fault> {
        let mut session = self.server.session()?;
        let shape = Shape::of(&mut session, block)?;
        census::count(session, block, shape)
    }

    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        let mut session = self.server.session()?;
        let shape = Shape::of(&mut session, block)?;
        Ok(Box::new(reader::Pages::new(session, block, &Statements::of(block, shape), want)))
    }

    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        let mut session = self.server.session()?;
        let shape = Shape::of(&mut session, block)?;
        shape.may_be_rewrapped(&mut session, block)?;
        Ok(Box::new(writer::Batches::new(session, block, Statements::of(block, shape), target)))
    }

    fn writers_max(&self) -> usize {
        WRITERS_MAX
    }

    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
        whole::run(self.server.session()?, blocks, target, work)
    }

    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault> {
        look::proofs(&mut self.server.session()?, table)
    }

    fn ask(&self, query: &str) -> Result<Option<String>, Fault> {
        look::ask(&mut self.server.session()?, query)
    }
}
