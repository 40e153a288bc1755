//! A small set in one transaction: all of it or nothing.

use std::panic::resume_unwind;
use std::thread;

use super::Job;
use super::Ring;
use super::Round;
use super::judge::Judge;
use super::judge::Judged;
use super::round::tally;
use super::tell::About;
use super::tell::Watch;
use crate::fault::Fault;
use crate::port::store::ATOMIC_ROWS_MAX;
use crate::port::store::Block;
use crate::port::store::Store;
use crate::port::store::Whole;

pub(super) fn run(store: &dyn Store, job: &Job, ring: &Ring, watch: &mut dyn Watch) -> Result<Round, Fault> {
    let mut sum = Round::default();
    store.whole(&job.blocks, &job.target, &mut |whole| {
        sum = Round::default();
        for (at, block) in job.blocks.iter().enumerate() {
            let mut judge = Judge::new(block, &job.target, ring)?;
            one(whole, (at, block), &mut judge, watch, &mut sum)?;
        }
        Ok(())
    })?;
    Ok(sum)
}

/// While the store writes one page, the next is made ready beside it: the lock lasts as long as the store needs, and no longer.
fn one(
    whole: &mut dyn Whole,
    (at, block): (usize, &Block),
    judge: &mut Judge<'_>,
    watch: &mut dyn Watch,
    sum: &mut Round,
) -> Result<(), Fault> {
    let mut ready: Option<Judged> = None;
    loop {
        let Some(mut page) = whole.page(at) else {
            return Err(Fault::report_bug(doing(block), "the store forgot the block"));
        };
        whole.next(at, &mut page)?;
        let last = page.is_empty();
        let next = thread::scope(|scope| {
            let next = (!last).then(|| scope.spawn(|| judge.page(page)));
            if let Some(judged) = ready.take() {
                write(whole, (at, block), &judged, watch, sum)?;
            }
            // A panic is one of ours too.
            next.map(|next| next.join().unwrap_or_else(|fell| resume_unwind(fell))).transpose()
        })?;
        match next {
            None => return Ok(()),
            Some(judged) => ready = Some(judged),
        }
    }
}

fn write(
    whole: &mut dyn Whole,
    (at, block): (usize, &Block),
    judged: &Judged,
    watch: &mut dyn Watch,
    sum: &mut Round,
) -> Result<(), Fault> {
    if let Some(first) = judged.quarantined.first() {
        let count = judged.quarantined.len();
        return Err(Fault::ask_operator(
            doing(block),
            format!("{first}; {count} of this page do not open, nothing was changed"),
        )
        .hint("mend or remove these rows first: an atomic store moves whole or not at all"));
    }
    watch.keep(&About { block, page: &judged.page, changes: &judged.changes })?;
    let written = whole.write(at, &judged.page, &judged.changes)?;
    if written.lost > 0 {
        let lost = format!("{} rows changed under a lock that nobody shares", written.lost);
        return Err(Fault::report_bug(doing(block), lost));
    }
    sum.add(tally(judged, written));
    if sum.seen > ATOMIC_ROWS_MAX {
        return Err(Fault::ask_operator(
            doing(block),
            format!("the set has more than {ATOMIC_ROWS_MAX} rows, nothing was changed"),
        )
        .hint("take `atomic = true` out of the store, or narrow its `where`"));
    }
    Ok(())
}

fn doing(block: &Block) -> String {
    format!("rewrap {} in one transaction", block.name())
}
