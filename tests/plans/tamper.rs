//! Ways to spoil a plan.

use crate::scene::Scene;
use keyrota::model::Span;
use keyrota::plan::Gate;
use keyrota::plan::Part;
use keyrota::plan::Plan;
use keyrota::plan::Step;
use keyrota::plan::step::Need;
use keyrota::policy::meant::Fleet;
use keyrota::policy::meant::Key;
use keyrota::policy::meant::Store;

pub(crate) fn span(text: &str) -> Span {
    text.parse().unwrap()
}

/// Leaves out the steps that match; what was needed through them is needed directly.
pub(crate) fn drop(plan: &mut Plan, of: impl Fn(&Part) -> bool) {
    let mut dropped = 0;
    for unit in &mut plan.units {
        while let Some(gone) = unit.steps.iter().position(|step| of(&step.part)) {
            let through = unit.steps.remove(gone).needs;
            dropped += 1;
            for step in &mut unit.steps {
                let needed = step.needs.iter().any(|need| need.step == gone);
                let kept = step.needs.iter().filter(|need| need.step != gone).cloned();
                let all: Vec<Need> = kept.chain(through.iter().filter(|_| needed).cloned()).collect();
                step.needs = all
                    .into_iter()
                    .map(|need| Need { step: need.step - usize::from(need.step > gone), ..need })
                    .collect();
            }
        }
    }
    assert!(dropped > 0, "there was such a step");
}

/// Changes the steps that match.
pub(crate) fn change(plan: &mut Plan, of: impl Fn(&Part) -> bool, then: impl Fn(&mut Step)) {
    let steps = plan.units.iter_mut().flat_map(|unit| &mut unit.steps).filter(|step| of(&step.part));
    assert!(steps.map(then).count() > 0, "there was such a step");
}

/// Lets the steps that match wait for so long and nothing else.
pub(crate) fn wait_only(plan: &mut Plan, of: impl Fn(&Part) -> bool, by: &str) {
    change(plan, of, |step| step.gates = vec![Gate::After { by: span(by) }]);
}

/// Changes every fleet of a policy.
pub(crate) fn fleets(scene: &mut Scene, then: impl Fn(&mut Fleet)) {
    scene.project.policies.iter_mut().flat_map(|policy| policy.fleets.values_mut()).for_each(then);
}

/// Changes every store of a policy.
pub(crate) fn stores(scene: &mut Scene, then: impl Fn(&mut Store)) {
    scene.project.policies.iter_mut().flat_map(|policy| policy.stores.values_mut()).for_each(then);
}

/// Changes every key of a policy.
pub(crate) fn keys(scene: &mut Scene, then: impl Fn(&mut Key)) {
    scene.project.policies.iter_mut().flat_map(|policy| policy.keys.values_mut()).for_each(then);
}
