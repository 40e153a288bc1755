//! "Safe to leave": whether an operator may go away now, and until when.

use crate::cli::stands;
use crate::course::facts::deadline;
use crate::course::span::turns_left;
use crate::executor;
use crate::journal::Standing;
use crate::model::Hour;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::render::all_of;

/// The line that every stop ends with.
pub(super) fn line(plan: &Plan, standing: Option<&Standing>, now: Hour) -> String {
    let Some(standing) = standing else { return "Safe to leave: yes; nothing was begun.".into() };
    let mut until: Option<Hour> = None;
    for unit in &plan.units {
        let names = unit.step_names();
        let progress = executor::progress(unit, &names, standing);
        if let Some(text) = span(plan, (unit, &names), standing, &progress) {
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
fn span(plan: &Plan, (unit, names): (&Unit, &[String]), standing: &Standing, progress: &Progress) -> Option<String> {
    let left = turns_left(unit, progress);
    let last = names.get(*left.last()?).cloned().unwrap_or_default();
    let mut members = Vec::new();
    for step in left.iter().filter_map(|at| unit.steps.get(*at)) {
        let one = step.part.member().map(ToString::to_string);
        let fleet = step.part.fleet().filter(|_| one.is_none());
        let all = fleet.map(|fleet| stands::members(plan, unit, standing, (step.key, fleet))).unwrap_or_default();
        members.extend(one.into_iter().chain(all).map(|name| format!("`{name}`")));
    }
    let (each, turn) = if members.len() == 1 { ("it restarts", "its turn") } else { ("one restarts", "its own turn") };
    Some(format!(
        "{} may not come up if {each} before {turn} ({last} is the last); `keyrota apply` goes on",
        all_of(&members)
    ))
}
