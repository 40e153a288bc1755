//! When each step is expected to be done, if nothing fails and every gate opens as declared.

use crate::course::freeze;
use crate::decision::calendar;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Gate;
use crate::plan::Step;
use crate::plan::Unit;
use crate::policy::Policy;
use crate::policy::meant::project::Calendar;

/// One step's forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// When it begins.
    pub begins: Hour,
    /// When it is done.
    pub done: Hour,
}

/// The forecast of a unit that is opened at this hour.
#[must_use]
pub fn forecast(unit: &Unit, policies: &[Policy], calendar: &Calendar, opened: Hour) -> Vec<Expected> {
    let mut expected: Vec<Expected> = Vec::with_capacity(unit.steps.len());
    for (index, step) in unit.steps.iter().enumerate() {
        let needed = step.needs.iter().filter_map(|need| expected.get(need.step)).map(|needed| needed.done);
        let from = needed.max().unwrap_or(opened);
        let begins = step.gates.iter().fold(from, |begins, gate| match gate {
            Gate::After { by } => begins.max(by.after(from)),
            Gate::Window { window, lasts } => calendar::opens(calendar, window, *lasts, begins).unwrap_or(begins),
            // A proof is there once the slowest member has looked again, as its fleet declares.
            Gate::Proof { fleet, .. } => begins.max(looks(unit, policies, step, fleet).after(from)),
            Gate::NotAfter { .. } | Gate::Approval { .. } => begins,
        });
        let begins = match freeze::waits_out(unit, index, |at| at < index) {
            true => calendar::thawed(calendar, begins),
            false => begins,
        };
        let done = Span::seconds(step.estimate.seconds).after(begins);
        expected.push(Expected { begins, done });
    }
    expected
}

/// How long it takes until every member of a fleet has looked again. Members that learn by a restart know it when that
/// step is done.
fn looks(unit: &Unit, policies: &[Policy], step: &Step, fleet: &Name) -> Span {
    let key = unit.keys.get(step.key).map(|planned| planned.name.policy());
    let policy = policies.iter().find(|policy| Some(&policy.name) == key);
    policy.and_then(|policy| policy.fleets.get(fleet)).and_then(|fleet| fleet.learns.at_most()).unwrap_or(Span::ZERO)
}
