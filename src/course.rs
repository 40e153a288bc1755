//! What happens next: from a plan's unit, how far it has come, and whether each gate stands open. Executor,
//! simulator and prover all ask this one total function, so that what was proved is what is done.
//! Never here: doing anything, asking anybody; the hour is an argument.

pub mod facts;
pub mod forecast;
pub mod freeze;

pub use facts::Observation;
pub use facts::Times;
pub use facts::facts;

pub use crate::decision::calendar;

use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;

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
    let (mut ready, mut waiting, mut late, mut failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, step) in unit.steps.iter().enumerate() {
        match progress.at(index) {
            At::Done => continue,
            At::Failed => failed.push(index),
            // What was begun goes on: its gates were open when it began.
            At::Begun => ready.push(index),
            At::Ahead if step.needs.iter().all(|need| progress.at(need.step) == At::Done) => {
                match doors.get(index).copied().unwrap_or(Door::Shut) {
                    Door::Open => ready.push(index),
                    Door::Shut => waiting.push(index),
                    Door::Late => late.push(index),
                }
            }
            At::Ahead => {}
        }
    }
    // A failure or a missed gate stops the unit: what is ready beside it might be what makes it worse.
    if !failed.is_empty() {
        return Next::Stop(Stop::Failed(failed));
    }
    if !late.is_empty() {
        return Next::Stop(Stop::Late(late));
    }
    if !ready.is_empty() {
        return Next::Perform(ready);
    }
    if waiting.is_empty() { Next::Finish } else { Next::Wait(waiting) }
}
