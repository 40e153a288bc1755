//! The rewrap engine: moves sealed values from old versions of a key to a new one, whatever the store.
//!
//! What is left to do is always read from the data, so a walk may die anywhere and begin again. Every value is opened with the
//! version it names, sealed under the new one, opened again and compared, and only then replaced by compare-and-set. What does
//! not open is named and left alone. Never here: the journal, the hour, waiting; they are the caller's, between two chunks.

mod hands;
mod judge;
mod lanes;
mod ring;
mod round;
mod served;
mod tell;
mod verify;
mod whole;

pub use self::ring::Ring;
pub use self::round::round;
pub use self::tell::About;
pub use self::tell::Flow;
pub use self::tell::Progress;
pub use self::tell::Quarantined;
pub use self::tell::Watch;
pub use self::tell::Why;
pub use self::verify::Verified;
pub use self::verify::verify;

use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;
use crate::port::store::Store;
use crate::port::store::page::ROWS_PER_PAGE_MAX;

/// A walk that needs more rounds than this will not end: something writes under an old version faster than we move.
const ROUNDS_MAX: u32 = 100;
/// So many rounds in a row may move nothing and yet lose every race.
const STALLED_ROUNDS_MAX: u32 = 3;
/// So many connections at least: while one waits for the server's disk, another keeps it busy.
const WRITERS_MIN: usize = 2;
/// So few rows hold others up for a moment only.
const ROWS_PER_GENTLE_CHUNK: usize = 200;
/// When so many values do not open, the key is wrong, not the values.
pub const QUARANTINED_MAX: u64 = 100_000;

/// What to move, and where to.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is sealed.
    pub blocks: Vec<Block>,
    /// The version to move to.
    pub target: VersionId,
    /// Whether all of it changes in one transaction.
    pub atomic: bool,
    /// How many rows make a chunk at most: what is told, written down and waited after.
    pub rows_per_chunk: usize,
    /// How many threads open and seal.
    pub threads: usize,
    /// How many pages may be written at once, where the store can.
    pub writers: usize,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Rows that were read.
    pub seen: u64,
    /// Rows that were moved.
    pub moved: u64,
    /// Values that were under the target already, among those read.
    pub there: u64,
    /// Rows that somebody else changed while we worked on them: the next round's.
    pub lost: u64,
    /// Values that were named and left alone.
    pub quarantined: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The longest time for which others could not write.
    pub locked: std::time::Duration,
}

/// What a whole rewrap did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many rounds there were.
    pub rounds: u32,
    /// Rows that were moved, in all of them.
    pub moved: u64,
    /// The last round. A clean one was not stopped, and moved and lost nothing.
    pub last: Round,
    /// What was counted after the last round, per block; nothing where it was stopped.
    pub census: Vec<Census>,
}

impl Round {
    /// Whether it walked through everything and found nothing to move.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.stopped && self.moved == 0 && self.lost == 0
    }

    fn add(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.moved = self.moved.saturating_add(other.moved);
        self.there = self.there.saturating_add(other.there);
        self.lost = self.lost.saturating_add(other.lost);
        self.quarantined = self.quarantined.saturating_add(other.quarantined);
        self.stopped |= other.stopped;
        self.locked = self.locked.max(other.locked);
    }
}

impl Job {
    /// To move `blocks` to `target`, in chunks and with threads as the machine allows.
    #[must_use]
    pub fn new(blocks: Vec<Block>, target: VersionId) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
        Self {
            blocks,
            target,
            atomic: false,
            rows_per_chunk: ROWS_PER_PAGE_MAX,
            threads,
            writers: threads.max(WRITERS_MIN),
        }
    }

    /// The same with small chunks, one after the other: whoever waits between two of them leaves others the server meanwhile.
    #[must_use]
    pub fn gently(self) -> Self {
        Self { rows_per_chunk: ROWS_PER_GENTLE_CHUNK, threads: 1, writers: 1, ..self }
    }

    /// Whether it can be done at all; writes nothing. Whoever alone can open and seal shows with a probe that it does.
    ///
    /// # Errors
    /// Names what stands in the way.
    pub fn check(&self, store: &dyn Store, ring: &Ring) -> Result<(), Fault> {
        if store.mover() != Mover::Us {
            return Err(Fault::report_bug("rewrap a store", "its values are not ours to move"));
        }
        for block in &self.blocks {
            store.fit(block)?;
            if ring.serves(block)?.is_some() {
                continue;
            }
            for column in &block.columns {
                ring.need(&self.target, &column.seal, &block.name())?;
            }
        }
        ring.probe(&self.target)
    }

    /// Pages that are worked on at once: while a service has one, another is made ready.
    fn lanes(&self, ring: &Ring) -> usize {
        if ring.is_served() { self.threads.max(2) } else { self.threads }
    }
}

/// Moves everything: rounds until a whole one finds nothing to move, then a recount. In `atomic` mode the one transaction.
///
/// # Errors
/// The store, the watcher or a cipher failed. What was moved until then is moved, each row whole.
pub fn run(store: &dyn Store, job: &Job, ring: &Ring, watch: &mut dyn Watch) -> Result<Outcome, Fault> {
    job.check(store, ring)?;
    let mut outcome = Outcome::default();
    if job.atomic {
        outcome.last = whole::run(store, job, ring, watch)?;
        outcome.rounds = 1;
        outcome.moved = outcome.last.moved;
    } else {
        until_clean(store, job, ring, watch, &mut outcome)?;
    }
    if !outcome.last.stopped && outcome.census.is_empty() {
        outcome.census = recount(store, job, ring)?;
    }
    Ok(outcome)
}

/// The census that closes a rewrap. Where every value names its version, beside itself or inside, a count by version asks of
/// every row what another walk would ask: where it finds nothing but the target, that walk would move nothing.
fn closing(store: &dyn Store, job: &Job) -> Result<Option<Vec<Census>>, Fault> {
    let mut all = Vec::new();
    for block in &job.blocks {
        if block.version == VersionAt::ByTrial {
            return Ok(None);
        }
        let census = store.census(block)?;
        if !census.exact || census.total() != census.of(&job.target) {
            return Ok(None);
        }
        all.push(census);
    }
    Ok(Some(all))
}

fn until_clean(
    store: &dyn Store,
    job: &Job,
    ring: &Ring,
    watch: &mut dyn Watch,
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    let mut stalled = 0_u32;
    loop {
        outcome.rounds = outcome.rounds.saturating_add(1);
        outcome.last = round::round(store, job, ring, outcome.rounds, watch)?;
        outcome.moved = outcome.moved.saturating_add(outcome.last.moved);
        if outcome.last.stopped || outcome.last.is_clean() {
            return Ok(());
        }
        if outcome.last.lost == 0
            && outcome.last.quarantined == 0
            && let Some(census) = closing(store, job)?
        {
            let there = census.iter().fold(0, |sum: u64, one| sum.saturating_add(one.total()));
            outcome.rounds = outcome.rounds.saturating_add(1);
            outcome.last = Round { seen: there, there, ..Round::default() };
            outcome.census = census;
            return Ok(());
        }
        stalled = if outcome.last.moved == 0 { stalled.saturating_add(1) } else { 0 };
        if stalled >= STALLED_ROUNDS_MAX || outcome.rounds >= ROUNDS_MAX {
            let why = format!("after {} rounds others still change values faster than they are moved", outcome.rounds);
            return Err(Fault::retry(format!("finish moving to `{}`", job.target), why)
                .hint("look for a member that still writes under an old version"));
        }
    }
}

/// Counts what is left, block by block: by the versions that values name, and by opening where they name none.
///
/// # Errors
/// The store failed.
pub fn recount(store: &dyn Store, job: &Job, ring: &Ring) -> Result<Vec<Census>, Fault> {
    let count = |block: &Block| match block.version {
        VersionAt::ByTrial => verify::one(store, job, block, ring, None, &mut tell::Unwatched).map(|seen| seen.census),
        _ => store.census(block),
    };
    job.blocks.iter().map(count).collect()
}
