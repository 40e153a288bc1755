//! A small set in one transaction: all of it or nothing. One thread, as the set is small and the lock is held meanwhile.

use super::Job;
use super::Ring;
use super::Round;
use super::judge::Judge;
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

fn one(
    whole: &mut dyn Whole,
    (at, block): (usize, &Block),
    judge: &mut Judge<'_>,
    watch: &mut dyn Watch,
    sum: &mut Round,
) -> Result<(), Fault> {
    let doing = || format!("rewrap {} in one transaction", block.name());
    loop {
        let Some(mut page) = whole.page(at) else {
            return Err(Fault::report_bug(doing(), "the store forgot the block"));
        };
        whole.next(at, &mut page)?;
        if page.is_empty() {
            return Ok(());
        }
        let judged = judge.page(page)?;
        if let Some(first) = judged.quarantined.first() {
            let count = judged.quarantined.len();
            return Err(Fault::ask_operator(
                doing(),
                format!("{first}; {count} of this page do not open, nothing was changed"),
            )
            .hint("mend or remove these rows first: an atomic store moves whole or not at all"));
        }
        watch.keep(&About { block, page: &judged.page, changes: &judged.changes })?;
        let written = whole.write(at, &judged.page, &judged.changes)?;
        if written.lost > 0 {
            let lost = format!("{} rows changed under a lock that nobody shares", written.lost);
            return Err(Fault::report_bug(doing(), lost));
        }
        sum.add(tally(&judged, written));
        if sum.seen > ATOMIC_ROWS_MAX {
            return Err(Fault::ask_operator(
                doing(),
                format!("the set has more than {ATOMIC_ROWS_MAX} rows, nothing was changed"),
            )
            .hint("take `atomic = true` out of the store, or narrow its `where`"));
        }
    }
}
