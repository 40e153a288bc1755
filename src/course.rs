//! What happens next: from a plan's unit, how far it has come, and whether each gate stands open. Executor,
//! simulator and prover all ask this one total function, so that what was proved is what is done.
//! Never here: doing anything, asking anybody; the hour is an argument.

pub mod facts;
pub mod forecast;
pub mod freeze;
pub mod span;

pub use facts::Observation;
pub use facts::Times;
pub use facts::facts;

pub use crate::decision::calendar;

use crate::plan::Part;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::Waiting;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::plan::step::Why;
use crate::policy::meant::check::When;

/// How a step's gates stand, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// All are open.
    Open,
    /// One is shut.
    Shut,
    /// One was missed.
    Late,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These steps are ready: begin or go on with them.
    Perform(Vec<usize>),
    /// These steps were done too early: their undo comes first.
    TakeBack(Vec<usize>),
    /// Nothing is ready before one of these steps' gates opens.
    Wait(Vec<usize>),
    /// It stops here, and says why.
    Stop(Stop),
    /// Everything is done.
    Finish,
}

/// Why nothing more happens in a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// These steps failed in this attempt.
    Failed(Vec<usize>),
    /// These steps' gates were missed.
    Late(Vec<usize>),
}

/// What happens next in a unit. `doors` has one entry a step.
#[must_use]
pub fn next(unit: &Unit, progress: &Progress, doors: &[Door]) -> Next {
    let (mut ready, mut waiting, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let (mut failed, mut back) = (Vec::new(), Vec::new());
    for index in 0..unit.steps.len() {
        match progress.at(index) {
            At::Done => continue,
            At::Failed => failed.push(index),
            At::Back => back.push(index),
            // Nothing is repeated: what took is written down, and what must not stay halfway is finished.
            At::Took => ready.push(index),
            // What was begun and is not known to have taken is a new attempt: its gates are asked like any other's.
            At::Ahead | At::Begun if may_begin(unit, progress, index) => {
                match doors.get(index).copied().unwrap_or(Door::Shut) {
                    Door::Open => ready.push(index),
                    Door::Shut => waiting.push(index),
                    Door::Late => late.push(index),
                }
            }
            At::Ahead | At::Begun => {}
        }
    }
    // A failure or a missed gate stops the unit: what is ready beside it might be what makes it worse.
    if !failed.is_empty() {
        return Next::Stop(Stop::Failed(failed));
    }
    if !back.is_empty() {
        return Next::TakeBack(back);
    }
    if !late.is_empty() {
        return Next::Stop(Stop::Late(late));
    }
    if !ready.is_empty() {
        return Next::Perform(ready);
    }
    if waiting.is_empty() { Next::Finish } else { Next::Wait(waiting) }
}

/// Whether everything is done that a step needs: from then on its gates are asked.
#[must_use]
pub fn may_begin(unit: &Unit, progress: &Progress, step: usize) -> bool {
    let planned = unit.steps.get(step);
    planned.is_some_and(|planned| planned.needs.iter().all(|need| progress.at(need.step) == At::Done))
}

/// The steps that are ahead again when this one is taken back, or has found that another round is needed: the closing
/// round, what a service moves before it, and everything that rested on nothing being left.
#[must_use]
pub fn round(unit: &Unit, step: usize) -> Vec<usize> {
    let Some(planned) = unit.steps.get(step) else { return Vec::new() };
    let moves = |part: &Part| {
        matches!(part, Part::Rewrap { service: true } | Part::Wait { until: Waiting::Landed } | Part::Close)
    };
    let rests = |part: &Part| {
        matches!(
            part,
            Part::Wait { until: Waiting::Soak | Waiting::Forgotten { .. } }
                | Part::Check { when: When::Moved | When::Retired, .. }
                | Part::Withdraw { .. }
                | Part::Restart { why: Why::Forget, .. }
                | Part::Retire
                | Part::Recount
        )
    };
    let retired = matches!(planned.part, Part::Retire | Part::Withdraw { .. });
    let mine = || unit.steps.iter().enumerate().filter(|(_, other)| other.key == planned.key);
    // Where a service's move is the turn, the last look at the world comes before it again.
    let turns = mine().any(|(_, other)| other.turn && other.part == Part::Rewrap { service: true });
    let looks = |part: &Part| turns && matches!(part, Part::Check { when: When::Before, again: true });
    let again = |other: &Step| moves(&other.part) || looks(&other.part) || retired && rests(&other.part);
    mine().filter(|(_, other)| again(other)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests;
