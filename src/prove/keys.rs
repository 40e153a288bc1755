//! The order between keys: whatever the policy puts first, and whatever only one rotation may change at a time, is
//! finished before the other begins.

use crate::model::KeyName;
use crate::model::Name;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::phrase;
use crate::policy::meant::Key;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::store::Literal;
use crate::prove::Breach;
use crate::prove::Violation;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Judges the order between the keys of a plan.
///
/// # Errors
/// Two rotations that may meet.
pub(super) fn check(plan: &Plan) -> Result<(), Box<Violation>> {
    apart(plan)?;
    for unit in plan.units.iter().filter(|unit| unit.keys.len() > 1) {
        let above = ancestors(unit);
        for (first, second, why) in pairs(plan, unit) {
            let orders = [(first, second), (second, first)];
            let allowed = orders.iter().take(if why == Tie::After { 1 } else { 2 });
            let broken: Vec<(usize, usize)> = allowed.filter_map(|(a, b)| overlap(unit, &above, *a, *b)).collect();
            let wanted = if why == Tie::After { 1 } else { 2 };
            if broken.len() == wanted
                && let Some(broken) = broken.first()
            {
                return Err(told(unit, *broken, why));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    After,
    Shares,
}

/// Keys of one unit of which one must be finished before the other begins.
fn pairs(plan: &Plan, unit: &Unit) -> Vec<(usize, usize, Tie)> {
    let keys: Vec<Option<&Key>> = unit.keys.iter().map(|planned| key(plan, &planned.name)).collect();
    let ties: Vec<BTreeSet<Thing<'_>>> = (0..unit.keys.len()).map(|slot| ties(plan, unit, slot)).collect();
    let mut pairs = Vec::new();
    for (first, a) in keys.iter().enumerate() {
        for (second, b) in keys.iter().enumerate().filter(|(second, _)| *second != first) {
            let (Some(a), Some(b), Some(one)) = (a, b, unit.keys.get(first)) else { continue };
            let other = unit.keys.get(second).map(|planned| &planned.name);
            if b.after.contains(&one.name) || other.is_some_and(|other| a.wraps.contains(other)) {
                pairs.push((first, second, Tie::After));
            } else if first < second && ties.get(first).zip(ties.get(second)).is_some_and(|(a, b)| !a.is_disjoint(b)) {
                pairs.push((first, second, Tie::Shares));
            }
        }
    }
    pairs
}

fn key<'a>(plan: &'a Plan, name: &KeyName) -> Option<&'a Key> {
    plan.policies.iter().find(|policy| policy.name == *name.policy())?.keys.get(name.key())
}

/// Something that only one rotation may change at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing<'a> {
    /// A sealed column of one world: its table, its name, the rows it is restricted to, and whose rows these are.
    Column(&'a str, &'a str, &'a str, &'a BTreeMap<String, Literal>, Option<&'a str>),
    /// A fleet whose members hold one version, and its policy.
    Fleet(&'a Name, &'a Name),
}

fn ties<'a>(plan: &'a Plan, unit: &'a Unit, slot: usize) -> BTreeSet<Thing<'a>> {
    let mut ties = BTreeSet::new();
    let Some(planned) = unit.keys.get(slot) else { return ties };
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
    let Some((policy, key)) = policy.and_then(|policy| Some((policy, policy.keys.get(planned.name.key())?))) else {
        return ties;
    };
    for (name, store) in key.seals.iter().filter_map(|name| policy.stores.get_key_value(name)) {
        let world = planned.base.stores.get(name).map_or("", String::as_str);
        for sealed in store.sealed.iter().filter(|_| !world.is_empty()) {
            // Rows that are each key's own are told apart by the key's `each`.
            let own = sealed.only.values().any(|only| matches!(only, Literal::Text(text) if text.asks_for("each")));
            let each = key.each.as_deref().filter(|_| own);
            let columns = sealed.columns.iter();
            ties.extend(columns.map(|column| Thing::Column(world, &sealed.table, column, &sealed.only, each)));
        }
    }
    let single = |name: &&Name| policy.fleets.get(*name).is_some_and(|fleet| fleet.holds == Holds::One);
    ties.extend(key.used_by.iter().filter(single).map(|name| Thing::Fleet(&policy.name, name)));
    ties
}

/// Keys that share something stand in one unit, or nothing orders them.
fn apart(plan: &Plan) -> Result<(), Box<Violation>> {
    if plan.units.len() < 2 {
        return Ok(());
    }
    let mut seen: BTreeMap<Thing<'_>, (usize, &KeyName)> = BTreeMap::new();
    for (at, unit) in plan.units.iter().enumerate() {
        for (slot, planned) in unit.keys.iter().enumerate() {
            for tie in ties(plan, unit, slot) {
                let (other, name) = *seen.entry(tie).or_insert((at, &planned.name));
                if other != at {
                    let end = format!("`{name}` and `{}` seal the same values, and nothing orders them", planned.name);
                    let key = planned.name.to_string();
                    let breach = Some(Breach::KeyOrder);
                    return Err(Box::new(Violation { key, breach, end, ..Violation::default() }));
                }
            }
        }
    }
    Ok(())
}

fn ancestors(unit: &Unit) -> Vec<BTreeSet<usize>> {
    let mut above: Vec<BTreeSet<usize>> = Vec::with_capacity(unit.steps.len());
    for step in &unit.steps {
        let mut all = BTreeSet::new();
        for need in &step.needs {
            all.insert(need.step);
            all.extend(above.get(need.step).into_iter().flatten().copied());
        }
        above.push(all);
    }
    above
}

/// A step of the second key that may begin before a step of the first one is done.
fn overlap(unit: &Unit, above: &[BTreeSet<usize>], first: usize, second: usize) -> Option<(usize, usize)> {
    let of = |key: usize| unit.steps.iter().enumerate().filter(move |(_, step)| step.key == key).map(|(at, _)| at);
    of(second).find_map(|later| {
        let above = above.get(later)?;
        of(first).find(|earlier| !above.contains(earlier)).map(|earlier| (earlier, later))
    })
}

fn told(unit: &Unit, (earlier, later): (usize, usize), why: Tie) -> Box<Violation> {
    let name = |at: usize| {
        let what = unit.steps.get(at).map(|step| phrase::told(unit.keys.get(step.key), &step.part)).unwrap_or_default();
        format!("`{}` ({what})", unit.step_name(at))
    };
    let key = |at: usize| {
        let planned = unit.steps.get(at).and_then(|step| unit.keys.get(step.key));
        planned.map(|planned| planned.name.to_string()).unwrap_or_default()
    };
    let story = vec![format!("{} begins", name(later)), format!("{} is not done", name(earlier))];
    let end = match why {
        Tie::After => format!("`{}` comes first by the policy, and is not finished", key(earlier)),
        Tie::Shares => format!("`{}` and `{}` share values or members, and rotate at once", key(earlier), key(later)),
    };
    Box::new(Violation { key: key(later), breach: Some(Breach::KeyOrder), story, end, ..Violation::default() })
}
