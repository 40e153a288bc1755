//! "Safe to leave": whether an operator may go away now, and until when.

use crate::course::facts::deadline;
use crate::executor;
use crate::journal::Standing;
use crate::model::Hour;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;

/// The line that every stop ends with.
pub(super) fn line(plan: &Plan, standing: Option<&Standing>, now: Hour) -> String {
    let Some(standing) = standing else { return "Safe to leave: yes; nothing was begun.".into() };
    let mut until: Option<Hour> = None;
    for unit in &plan.units {
        let names = unit.step_names();
        let progress = executor::progress(unit, &names, standing);
        if let Some(text) = span(unit, &names, &progress) {
            return format!("Safe to leave: no: {text}");
        }
        let times = executor::times(unit, &names, standing);
        let open = (0..unit.steps.len()).filter(|index| progress.at(*index) != At::Done);
        let by = open.filter_map(|index| deadline(unit, &times, index)).min();
        until = until.into_iter().chain(by).min();
    }
    match until {
        Some(by) if by <= now => format!("Safe to leave: no: a gate had to open by {}", super::list::hour(by)),
        Some(by) => format!("Safe to leave: yes, until {}", super::list::hour(by)),
        None => "Safe to leave: yes.".into(),
    }
}

/// Inside the span of a fleet that holds one version, members that had no turn yet cannot restart.
fn span(unit: &Unit, names: &[String], progress: &Progress) -> Option<String> {
    let begun = unit
        .steps
        .iter()
        .enumerate()
        .any(|(at, step)| matches!(step.part, Part::Rewrap { .. }) && step.turn && progress.at(at) != At::Ahead);
    if !begun {
        return None;
    }
    let left =
        unit.steps.iter().enumerate().find(|(at, step)| {
            matches!(step.part, Part::Restart { member: Some(_), .. }) && progress.at(*at) != At::Done
        });
    let (at, step) = left?;
    let member = step.part.member()?;
    let name = names.get(at).cloned().unwrap_or_default();
    Some(format!("`{member}` may not come up if it restarts before step {name}; `keyrota apply` goes on"))
}
