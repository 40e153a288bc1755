//! A fleet whose members write what they know into a table of a store.

use crate::fault::Fault;
use crate::fleet::command::Commanded;
use crate::model::Member;
use crate::port::facts::Facts;
use crate::port::fleet::Delivered;
use crate::port::fleet::Fleet;
use crate::port::fleet::Row;
use crate::port::store::Store;
use crate::secret::Secret;
use std::sync::Arc;

/// Commands for everything, a table for the proofs.
pub(super) struct Proved {
    commanded: Commanded,
    store: Arc<dyn Store>,
    table: String,
}

impl Proved {
    /// With proofs from this table.
    pub(super) fn new(commanded: Commanded, store: Arc<dyn Store>, table: String) -> Self {
        Self { commanded, store, table }
    }
}

impl Fleet for Proved {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        self.commanded.members()
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        self.commanded.deliver(member, version, material)
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.commanded.withdraw(member, version)
    }

    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault> {
        self.commanded.restart(member, version)
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.commanded.point(member, version)
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        self.commanded.pointed(member)
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        let rows = self.store.proofs(&self.table)?;
        Ok(rows.into_iter().map(|row| row.into_iter().collect()).collect())
    }

    fn gone(&self, member: &Member) -> Result<bool, Fault> {
        self.commanded.gone(member)
    }
}
