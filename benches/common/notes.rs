//! What the executor does after each chunk: a line in the journal, synced; then the rest that the pace asks for.

use std::path::Path;
use std::time::Duration;

use keyrota::disk;
use keyrota::executor::pace::Pacer;
use keyrota::executor::rewrap::Flow;
use keyrota::executor::rewrap::Progress;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use keyrota::policy::meant::store::Pace;
use keyrota::probe::clock::Machine;
use serde_json::json;

pub(crate) struct Notes {
    journal: disk::Appender,
    /// The longest that others could not write.
    pub(crate) locked: Duration,
    pacer: Pacer,
    clock: Machine,
}

impl Notes {
    pub(crate) fn new(journal: &Path, pace: Option<Pace>) -> Self {
        let journal = disk::Appender::open(journal, disk::PRIVATE_FILE).unwrap();
        let clock = Machine::default();
        Self { journal, locked: Duration::ZERO, pacer: Pacer::new(pace, &clock), clock }
    }
}

impl Watch for Notes {
    fn chunk(&mut self, progress: &Progress<'_>) -> Result<Flow, Fault> {
        self.locked = self.locked.max(progress.locked);
        let line = json!({ "event": "moved", "block": progress.block, "round": progress.round, "row": progress.row,
                           "moved": progress.moved, "so_far": progress.moved_so_far, "rate": progress.rate() });
        self.journal.append(format!("{line}\n").as_bytes())?;
        self.journal.sync()?;
        self.pacer.keep(progress.moved, &self.clock);
        Ok(Flow::Go)
    }
}
