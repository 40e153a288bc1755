//! The span in which members that hold one version take turns: it begins with the first value moved and ends with the last
//! member's restart. Whoever starts inside it before its turn may fail to, so it is kept short.

use crate::plan::Part;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::plan::step::Why;

/// Whether this step begins a span.
#[must_use]
pub fn enters(unit: &Unit, step: usize) -> bool {
    let Some(planned) = unit.steps.get(step) else { return false };
    let key = planned.key;
    let sweeps = || unit.steps.iter().any(|other| other.key == key && matches!(other.part, Part::Sweep { .. }));
    planned.turn && matches!(planned.part, Part::Rewrap { .. }) && sweeps()
}

/// The restarts that are ahead in the spans that are begun, in the order of the plan.
#[must_use]
pub fn turns_left(unit: &Unit, progress: &Progress) -> Vec<usize> {
    let begun = |key| {
        let steps = unit.steps.iter().enumerate();
        steps.filter(|(_, step)| step.key == key).any(|(at, _)| enters(unit, at) && progress.at(at) != At::Ahead)
    };
    let takes_turns = |at: usize| {
        let step = unit.steps.get(at)?;
        let Part::Restart { fleet, why: Why::Follow, .. } = &step.part else { return None };
        let sweeps = |other: &crate::plan::Step| {
            other.key == step.key && matches!(&other.part, Part::Sweep { fleet: of, .. } if of == fleet)
        };
        (begun(step.key) && unit.steps.iter().any(sweeps)).then_some(at)
    };
    (0..unit.steps.len()).filter(|at| progress.at(*at) != At::Done).filter_map(takes_turns).collect()
}
