//! Whether two units are the same but for names, places and counts, so that the second needs no world of its own. It asks
//! for more than equal shapes do, and costs less to see.

use crate::model::Which;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Step;
use crate::plan::Unit;
use crate::policy::meant::Key;
use crate::prove::accepted::work;

/// Whether what is found of one unit of one key is true of the other.
pub(super) fn alike(plan: &Plan, a: &Unit, b: &Unit) -> bool {
    let ([a_key], [b_key]) = (a.keys.as_slice(), b.keys.as_slice()) else { return false };
    let same_steps = a.steps.len() == b.steps.len() && a.steps.iter().zip(&b.steps).all(|(a, b)| same_step(a, b));
    same_planned(a_key, b_key)
        && same_steps
        && a.bounds == b.bounds
        && same_work(plan, a_key, a, b)
        && key(plan, a_key).zip(key(plan, b_key)).is_some_and(|(a, b)| same_key(a, b))
}

/// How long an accepted hazard lasts depends on how much there is to move.
fn same_work(plan: &Plan, planned: &Planned, a: &Unit, b: &Unit) -> bool {
    key(plan, planned).is_some_and(|key| key.accepts.is_empty()) || work(a, 0) == work(b, 0)
}

fn key<'a>(plan: &'a Plan, planned: &Planned) -> Option<&'a Key> {
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy())?;
    policy.keys.get(planned.name.key())
}

fn same_planned(a: &Planned, b: &Planned) -> bool {
    let old = |planned: &Planned| {
        let version = planned.old.as_ref().and_then(|id| planned.base.key.version(id));
        let new = match &planned.new {
            Which::Id(id) => planned.base.key.version(id).map(|version| version.state),
            Which::New | Which::Nothing => None,
        };
        (planned.old.is_some(), version.map(|version| version.state), new)
    };
    let same_policy = a.name.policy() == b.name.policy();
    same_policy && a.kind == b.kind && a.haste == b.haste && a.base.able == b.base.able && old(a) == old(b)
}

/// Every field by name: a new one does not compile before somebody has thought of it here.
fn same_step(a: &Step, b: &Step) -> bool {
    let Step { key, part, needs, gates, risk, turn, estimate: _ } = a;
    *key == b.key && *part == b.part && *needs == b.needs && *gates == b.gates && *risk == b.risk && *turn == b.turn
}

/// As [`same_step`]. Names, places, and what decides when a key is due do not reach the model.
fn same_key(a: &Key, b: &Key) -> bool {
    let Key {
        backend: _,
        at: _,
        algorithm: _,
        seals,
        used_by,
        rotate_every: _,
        grace,
        retire,
        early_by: _,
        born: _,
        max_uses: _,
        counter: _,
        window,
        after: _,
        wraps: _,
        notify: _,
        checks,
        accepts,
        pre_images,
        each: _,
        line: _,
    } = a;
    let moments = |key: &Key| key.checks.iter().flat_map(|check| check.when.clone()).collect::<Vec<_>>();
    *seals == b.seals
        && *used_by == b.used_by
        && *grace == b.grace
        && *retire == b.retire
        && *window == b.window
        && checks.len() == b.checks.len()
        && moments(a) == moments(b)
        && *accepts == b.accepts
        && pre_images.is_some() == b.pre_images.is_some()
}
