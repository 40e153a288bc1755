//! The span in which members that hold one version take turns: it begins with the first value moved and ends with the last
//! member's restart. Whoever starts inside it before its turn may fail to, so it is kept short.

use crate::model::Span;
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

/// A span as it is planned: values are under the new version, and members still hold the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixed {
    /// The step that begins it.
    pub from: usize,
    /// The last member's restart.
    pub to: usize,
    /// About how long it takes to move the values.
    pub moves: Span,
    /// How long the restarts may take at most, one after the other.
    pub restarts: Span,
}

/// The span of one key of a unit, where its plan has one.
#[must_use]
pub fn mixed(unit: &Unit, key: usize) -> Option<Mixed> {
    let from =
        (0..unit.steps.len()).find(|at| unit.steps.get(*at).is_some_and(|s| s.key == key) && enters(unit, *at))?;
    let mut begun = Progress::fresh(unit.steps.len());
    begun.put(from, At::Begun);
    let turns = turns_left(unit, &begun);
    let seconds = |at: &usize| unit.steps.get(*at).map_or(0, |step| step.estimate.seconds);
    let restarts = turns.iter().map(seconds).fold(0_u64, u64::saturating_add);
    let (moves, restarts) = (Span::seconds(seconds(&from)), Span::seconds(restarts));
    Some(Mixed { from, to: *turns.last()?, moves, restarts })
}
