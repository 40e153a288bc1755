//! One round: everything that is not under the target, once.

use std::time::Instant;

use super::Job;
use super::QUARANTINED_MAX;
use super::Ring;
use super::Round;
use super::hands;
use super::hands::Done;
use super::judge::Judge;
use super::judge::Judged;
use super::lanes;
use super::tell::About;
use super::tell::Flow;
use super::tell::Progress;
use super::tell::Quarantined;
use super::tell::Watch;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Page;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Written;

/// Walks every block once. What comes in or changes behind the walk is the next round's.
///
/// # Errors
/// The store, the watcher or a cipher failed. What was moved until then is moved, each row whole.
pub fn round(store: &dyn Store, job: &Job, ring: &Ring, number: u32, watch: &mut dyn Watch) -> Result<Round, Fault> {
    let mut sum = Round::default();
    for block in &job.blocks {
        sum.add(walk(store, job, block, ring, number, watch)?);
        if sum.stopped {
            break;
        }
    }
    Ok(sum)
}

fn walk(
    store: &dyn Store,
    job: &Job,
    block: &Block,
    ring: &Ring,
    number: u32,
    watch: &mut dyn Watch,
) -> Result<Round, Fault> {
    let reader = store.reader(block, Want::NotUnder(&job.target))?;
    let (name, rows_about) = (block.name(), store.estimate(block)?);
    let sum = Round::default();
    let mut teller = Teller { block, name, number, began: Instant::now(), rows_about, sum, watch };
    let writers = job.writers.min(store.writers_max());
    let writer = || store.writer(block, &job.target);
    hands::with(writers, block, writer, |mut hands| {
        let stopped = lanes::run(
            reader,
            (job.lanes(ring), job.rows_per_chunk),
            || Judge::new(block, &job.target, ring),
            |judge: &mut Judge<'_>, page: Page| judge.page(page),
            |judged| {
                teller.before(&judged)?;
                hands.give(judged)?;
                while let Some(done) = hands.done(false) {
                    if teller.after(done)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::Go)
            },
        )?;
        teller.sum.stopped = stopped;
        // Whatever is in hand is finished, and told.
        while let Some(done) = hands.done(true) {
            teller.sum.stopped |= teller.after(done)? == Flow::Stop;
        }
        Ok(())
    })?;
    Ok(teller.sum)
}

/// Tells of one walk, and keeps its sum.
struct Teller<'a> {
    block: &'a Block,
    name: String,
    number: u32,
    began: Instant,
    rows_about: Option<u64>,
    sum: Round,
    watch: &'a mut dyn Watch,
}

impl Teller<'_> {
    /// Before a page is written.
    fn before(&mut self, judged: &Judged) -> Result<(), Fault> {
        for value in &judged.quarantined {
            self.watch.quarantined(value)?;
        }
        if judged.changes.is_empty() {
            return Ok(());
        }
        self.watch.keep(&About { block: self.block, page: &judged.page, changes: &judged.changes })
    }

    /// After a page was written, and all before it.
    fn after(&mut self, done: Done) -> Result<Flow, Fault> {
        let (judged, written) = done?;
        self.sum.add(tally(&judged, written));
        refuse_if_nothing_opens(&self.sum, &judged.quarantined)?;
        let row = judged.page.name(judged.page.rows().saturating_sub(1));
        self.watch.chunk(&Progress {
            block: &self.name,
            round: self.number,
            row: &row,
            moved: written.moved,
            moved_so_far: self.sum.moved,
            lost_so_far: self.sum.lost,
            quarantined_so_far: self.sum.quarantined,
            rows_about: self.rows_about,
            took: self.began.elapsed(),
            locked: self.sum.locked,
        })
    }
}

pub(super) fn tally(judged: &Judged, written: Written) -> Round {
    Round {
        seen: u64::try_from(judged.page.rows()).unwrap_or(u64::MAX),
        moved: written.moved,
        there: judged.there,
        lost: written.lost,
        quarantined: u64::try_from(judged.quarantined.len()).unwrap_or(u64::MAX),
        stopped: false,
        locked: written.locked,
    }
}

fn refuse_if_nothing_opens(sum: &Round, last: &[Quarantined]) -> Result<(), Fault> {
    if sum.quarantined < QUARANTINED_MAX {
        return Ok(());
    }
    let example = last.last().map_or_else(String::new, |value| format!("; the last is {value}"));
    Err(Fault::ask_operator("rewrap values", format!("{} of them do not open{example}", sum.quarantined)).hint(
        "check that the backend still holds the key that sealed them, and that `aad` is as the application has it",
    ))
}
