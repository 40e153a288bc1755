//! Where the members of a fleet stand in an open run, by the journal: what each was given, where it points, whether it has
//! started with the new version, and which step brings it on.

use crate::course::span::turns_left;
use crate::executor;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::journal::StepRecord;
use crate::model::Name;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::step::Why;
use crate::policy::meant::fleet::Members;
use crate::render::status::FleetStands;
use std::collections::BTreeSet;

/// The fleets of a unit for which the run does something.
pub(super) fn fleets(plan: &Plan, unit: &Unit, standing: &Standing) -> Vec<FleetStands> {
    let mut all = Vec::new();
    for (key, planned) in unit.keys.iter().enumerate() {
        let mine = || unit.steps.iter().filter(move |step| step.key == key);
        let acts = |part: &Part| !matches!(part, Part::Wait { .. });
        let names: BTreeSet<&Name> =
            mine().filter(|step| acts(&step.part)).filter_map(|step| step.part.fleet()).collect();
        for fleet in names {
            let one = One { plan, unit, standing, key, fleet };
            let members = one.members().into_iter().map(|member| (member.clone(), one.stands(&member))).collect();
            all.push(FleetStands { key: planned.name.clone(), fleet: fleet.to_string(), members });
        }
    }
    all
}

/// The members of a fleet in a run, as far as the policy lists them or the journal names them.
pub(super) fn members(plan: &Plan, unit: &Unit, standing: &Standing, (key, fleet): (usize, &Name)) -> Vec<String> {
    One { plan, unit, standing, key, fleet }.members()
}

struct One<'a> {
    plan: &'a Plan,
    unit: &'a Unit,
    standing: &'a Standing,
    key: usize,
    fleet: &'a Name,
}

impl One<'_> {
    /// Those that the policy lists, or that the steps and their outcomes name.
    fn members(&self) -> Vec<String> {
        let policy = self.unit.keys.get(self.key).map(|key| key.name.policy());
        let policy = self.plan.policies.iter().find(|known| Some(&known.name) == policy);
        if let Some(Members::Listed(listed)) =
            policy.and_then(|policy| policy.fleets.get(self.fleet)).map(|fleet| &fleet.members)
        {
            return listed.iter().map(ToString::to_string).collect();
        }
        let mut found = BTreeSet::new();
        for (_, part, record) in self.steps() {
            found.extend(part.member().map(ToString::to_string));
            if matches!(part, Part::Deliver { .. } | Part::Restart { .. }) {
                found.extend(record.facts.keys().cloned());
            }
        }
        found.into_iter().collect()
    }

    /// The steps of this fleet, their names and what the journal says of them.
    fn steps(&self) -> impl Iterator<Item = (String, &Part, &StepRecord)> {
        let steps = self.unit.steps.iter().zip(self.unit.step_names());
        let mine = steps.filter(|(step, _)| step.key == self.key && step.part.fleet() == Some(self.fleet));
        mine.filter_map(|(step, name)| {
            let known: StepName = name.parse().ok()?;
            Some((name.rsplit('/').next()?.to_owned(), &step.part, self.standing.step(&known)))
        })
    }

    fn stands(&self, member: &str) -> String {
        let mut told = Vec::new();
        for (name, part, record) in self.steps() {
            if part.member().is_some_and(|of| of.as_str() != member) {
                continue;
            }
            if let Some(text) = tells(part, record, &name, record.facts.contains_key(member)) {
                told.push(text);
            }
        }
        if self.cannot_start(member) {
            told.push("may not come up if it restarts before that".to_owned());
        }
        if told.is_empty() { "nothing was done yet".to_owned() } else { told.join("; ") }
    }

    fn cannot_start(&self, member: &str) -> bool {
        let names = self.unit.step_names();
        let progress = executor::progress(self.unit, &names, self.standing);
        turns_left(self.unit, &progress).into_iter().filter_map(|at| Some((at, self.unit.steps.get(at)?))).any(
            |(at, step)| {
                // One whose turn has begun and that did not come back starts with the new version.
                let mine = step.key == self.key && step.part.fleet() == Some(self.fleet);
                let named = |name: &String| name.parse::<StepName>().ok();
                let turn = names.get(at).and_then(named).map(|name| &self.standing.step(&name).stands);
                mine && matches!(turn, Some(Stands::Pending))
                    && step.part.member().is_none_or(|of| of.as_str() == member)
            },
        )
    }
}

/// What a step says of a member: what was done, or which step will do it.
fn tells(part: &Part, record: &StepRecord, step: &str, named: bool) -> Option<String> {
    let done = matches!(record.stands, Stands::Done { .. });
    let failed = matches!(record.stands, Stands::Failed { .. });
    let told = match (part, done) {
        (Part::Deliver { .. }, true) if named => "holds the new version",
        (Part::Deliver { .. }, true) => "was not there when the new version was delivered",
        (Part::Deliver { .. }, false) => return Some(format!("gets the new version in {step}")),
        (Part::Point { .. }, true) => "points at it",
        (Part::Restart { why: Why::Forget, .. }, true) => "started without the old one",
        (Part::Restart { .. }, true) => "started with it",
        (Part::Restart { .. }, false) if failed => return Some(format!("did not come back in {step}")),
        (Part::Restart { why: Why::Learn | Why::Follow, .. }, false) => return Some(format!("restarts in {step}")),
        (Part::Withdraw { .. }, true) => "gave the old version back",
        _ => return None,
    };
    Some(told.to_owned())
}
