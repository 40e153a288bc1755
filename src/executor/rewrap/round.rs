//! One round: everything that is not under the target, once.

use std::time::Instant;

use super::Job;
use super::QUARANTINED_MAX;
use super::Ring;
use super::Round;
use super::judge::Judge;
use super::judge::Judged;
use super::lanes;
use super::tell::About;
use super::tell::Progress;
use super::tell::Quarantined;
use super::tell::Watch;
use crate::fault::Fault;
use crate::port::store::Block;
use crate::port::store::Page;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Writer;
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
    let began = Instant::now();
    let reader = store.reader(block, Want::NotUnder(&job.target))?;
    let mut writer = store.writer(block, &job.target)?;
    let (name, rows_about) = (block.name(), store.estimate(block)?);
    let mut sum = Round::default();
    let stopped = lanes::run(
        reader,
        (job.lanes(ring), job.rows_per_chunk),
        || Judge::new(block, &job.target, ring),
        |judge: &mut Judge<'_>, page: Page| judge.page(page),
        |judged| {
            let written = put(writer.as_mut(), block, &judged, watch)?;
            sum.add(tally(&judged, written));
            refuse_if_nothing_opens(&sum, &judged.quarantined)?;
            let row = judged.page.name(judged.page.rows().saturating_sub(1));
            watch.chunk(&Progress {
                block: &name,
                round: number,
                row: &row,
                moved: written.moved,
                moved_so_far: sum.moved,
                lost_so_far: sum.lost,
                quarantined_so_far: sum.quarantined,
                rows_about,
                took: began.elapsed(),
                locked: sum.locked,
            })
        },
    )?;
    sum.stopped = stopped;
    Ok(sum)
}

/// Tells, keeps and writes one page.
fn put(writer: &mut dyn Writer, block: &Block, judged: &Judged, watch: &mut dyn Watch) -> Result<Written, Fault> {
    for value in &judged.quarantined {
        watch.quarantined(value)?;
    }
    if judged.changes.is_empty() {
        return Ok(Written::default());
    }
    watch.keep(&About { block, page: &judged.page, changes: &judged.changes })?;
    let written = writer.write(&judged.page, &judged.changes)?;
    // A page leaves fewer rows to move than it found, or was changed under our hands; else the walk would never end.
    let due = u64::try_from(judged.changes.len()).unwrap_or(u64::MAX);
    if written.moved.saturating_add(written.lost) != due {
        let said = format!("of {due} rows it moved {} and lost {}", written.moved, written.lost);
        return Err(Fault::report_bug(format!("write a page of {}", block.name()), said));
    }
    Ok(written)
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
