//! Drawing: decisions and inventory become units of ordered steps.

use crate::decision::Decision;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::decision::back;
use crate::decision::leak;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Risk;
use crate::model::Span;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::model::Which;
use crate::plan::Base;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Unit;
use crate::plan::aspect::Aspect;
use crate::plan::graph::Cycle;
use crate::plan::graph::Known;
use crate::plan::pass;
use crate::plan::rule::Code;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::project::Approval;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// How long a plan may be opened where the project does not say.
const EXPIRES: Span = Span::days(7);

/// Draws the plan for every key that has something to be done.
///
/// # Errors
/// When rules contradict each other for some key: a bug of ours, told with the steps concerned.
pub fn draw(
    project: &Project,
    inventory: &Inventory,
    decisions: Vec<Decision>,
    wish: &Wish,
    without: Option<Code>,
) -> Result<Plan, Cycle> {
    let found = aspects(project, inventory, &decisions, wish);
    let groups = group(&found);
    let mut found: Vec<Option<Aspect<'_>>> = found.into_iter().map(Some).collect();
    let mut known = Known::default();
    let mut units = Vec::with_capacity(groups.len());
    for group in groups {
        let aspects: Vec<Aspect<'_>> = group.into_iter().filter_map(|at| found.get_mut(at)?.take()).collect();
        let mut unit = unit(&aspects, inventory.hour, without, &mut known)?;
        approvals(&mut unit, project.settings.approval.as_ref());
        units.push(unit);
    }
    let named: BTreeSet<_> = units.iter().flat_map(|unit| unit.keys.iter().map(|key| key.name.policy())).collect();
    let policies = project.policies.iter().filter(|policy| named.contains(&policy.name)).cloned().collect();
    let made: Hour = inventory.hour;
    let expires = project.settings.plans_expire.unwrap_or(EXPIRES).after(made);
    let tool = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Plan {
        tool,
        made,
        expires,
        settings: project.settings.clone(),
        policies,
        decisions,
        unmanaged: inventory.unmanaged.clone(),
        leaks: leak::leak(project, inventory, wish).into_iter().collect(),
        units,
    })
}

/// The voices that the project asks for, by the class of each step.
fn approvals(unit: &mut Unit, approval: Option<&Approval>) {
    let needs = |class: Risk| approval.is_some_and(|a| a.need.get(&class).is_some_and(|voices| *voices > 0));
    for step in &mut unit.steps {
        if needs(step.risk) {
            step.gates.push(Gate::Approval { class: step.risk });
        }
    }
}

fn aspects<'a>(project: &'a Project, inventory: &'a Inventory, decisions: &[Decision], wish: &Wish) -> Vec<Aspect<'a>> {
    let mut found = Vec::new();
    for decision in decisions {
        let Some(kind) = kind(decision, wish) else { continue };
        let policy = project.policies.iter().find(|policy| policy.name == *decision.key.policy());
        let Some((policy, key)) = policy.and_then(|p| Some((p, p.keys.get(decision.key.key())?))) else { continue };
        let Some(seen) = inventory.keys.get(&decision.key) else { continue };
        let Some(mut aspect) = Aspect::new(policy, decision.key.clone(), key, seen, kind) else { continue };
        aspect.lead = decision.lead;
        aspect.hour = inventory.hour;
        aspect.old = old(policy, &aspect, seen, inventory.hour, wish);
        if kind == Kind::Back {
            let Some(Ok(route)) = back::route(wish, &decision.key, (policy, key), seen) else { continue };
            (aspect.old, aspect.to) = (Some(route.from), Some(route.to));
        }
        aspect.haste = aspect.old.is_some() && aspect.old.as_ref() == wish.leaked(&decision.key);
        if kind == Kind::Destroy && aspect.old.is_none() {
            continue;
        }
        found.push(aspect);
    }
    found
}

fn kind(decision: &Decision, wish: &Wish) -> Option<Kind> {
    let destroys = match wish {
        Wish::Destroy => true,
        Wish::DestroyOne(key, _) => *key == decision.key,
        Wish::WhatIsDue | Wish::Rotate(_) | Wish::To(..) | Wish::Back(_) | Wish::Compromised(..) => false,
    };
    let only = match wish {
        Wish::Rotate(key) | Wish::To(key, _) | Wish::Back(key) | Wish::Compromised(key, _) => *key == decision.key,
        Wish::Destroy | Wish::DestroyOne(..) => false,
        Wish::WhatIsDue => true,
    };
    match decision.verdict {
        Verdict::DestroyDue if destroys => Some(Kind::Destroy),
        _ if !only => None,
        Verdict::New => Some(Kind::First),
        Verdict::Due | Verdict::Overdue => Some(Kind::Rotate),
        Verdict::Behind => Some(Kind::Follow),
        Verdict::Reopened => Some(Kind::Reopen),
        Verdict::Back => Some(Kind::Back),
        Verdict::DiscardDue => Some(Kind::Discard),
        Verdict::Well
        | Verdict::DestroyDue
        | Verdict::Waiting
        | Verdict::UnderWay
        | Verdict::Blocked
        | Verdict::RolledBack => None,
    }
}

/// The version that is left behind.
fn old(policy: &Policy, aspect: &Aspect<'_>, seen: &KeySeen, hour: Hour, wish: &Wish) -> Option<VersionId> {
    let with_values = |version: &&Version| aspect.values(|census| census.of(&version.id)) > 0;
    let of = |state: State| seen.key.versions.iter().filter(move |version| version.state == state);
    let id = |version: &Version| version.id.clone();
    // Away from what others know, before anything else that is to be left.
    let leaked = |version: &&Version| wish.leaked(&aspect.name) == Some(&version.id);
    match aspect.kind {
        Kind::First | Kind::Discard | Kind::Back => None,
        Kind::Rotate => seen.key.current().map(id),
        Kind::Follow => {
            let found = of(State::DecryptOnly).find(leaked).or_else(|| of(State::DecryptOnly).find(with_values));
            found.or_else(|| of(State::DecryptOnly).next()).map(id)
        }
        Kind::Reopen => {
            let found = of(State::Disabled).filter(with_values).find(leaked);
            found.or_else(|| of(State::Disabled).find(with_values)).map(id)
        }
        Kind::Destroy => {
            let asked = |version: &&Version| match wish {
                Wish::DestroyOne(_, asked) => version.id == *asked,
                Wish::WhatIsDue
                | Wish::Rotate(_)
                | Wish::To(..)
                | Wish::Back(_)
                | Wish::Compromised(..)
                | Wish::Destroy => true,
            };
            let may_go = |version: &&Version| {
                let keep = crate::decision::judge::keeps(policy, aspect.key, seen, version, hour);
                matches!(keep, Some(crate::decision::judge::Keep::MayGo(_)))
            };
            seen.key.versions.iter().filter(asked).find(may_go).map(id)
        }
    }
}

/// Groups of keys that must be planned together: places in the list, each group in the order of its keys.
fn group(aspects: &[Aspect<'_>]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..aspects.len()).collect();
    let mut by_tie: BTreeMap<String, usize> = BTreeMap::new();
    let names: BTreeMap<&KeyName, usize> = aspects.iter().enumerate().map(|(at, aspect)| (&aspect.name, at)).collect();
    for (at, aspect) in aspects.iter().enumerate() {
        for tie in ties(aspect) {
            let first = *by_tie.entry(tie).or_insert(at);
            join(&mut leader, first, at);
        }
        for other in aspect.key.after.iter().chain(&aspect.key.wraps).filter_map(|name| names.get(name)) {
            join(&mut leader, *other, at);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..aspects.len() {
        groups.entry(lead_of(&leader, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

fn lead_of(leader: &[usize], mut at: usize) -> usize {
    while let Some(next) = leader.get(at).copied().filter(|next| *next != at) {
        at = next;
    }
    at
}

fn join(leader: &mut [usize], a: usize, b: usize) {
    let (a, b) = (lead_of(leader, a), lead_of(leader, b));
    if let Some(slot) = leader.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

/// What ties a key to others: sealed blocks, and fleets that hold one version at a time.
fn ties(aspect: &Aspect<'_>) -> Vec<String> {
    let blocks =
        aspect.seen.stores.values().flat_map(|store| store.blocks.iter().map(|block| format!("block {block}")));
    let single = aspect.fleets.iter().filter(|(_, fleet)| fleet.holds == Holds::One);
    blocks.chain(single.map(|(name, _)| format!("fleet {}/{name}", aspect.policy.name))).collect()
}

/// Whether two keys share something that only one rotation may change at a time.
pub(crate) fn share(a: &Aspect<'_>, b: &Aspect<'_>) -> bool {
    let mine = ties(a);
    ties(b).iter().any(|tie| mine.contains(tie))
}

/// Draws one unit as of this hour.
fn unit<'a>(aspects: &[Aspect<'a>], hour: Hour, without: Option<Code>, known: &mut Known<'a>) -> Result<Unit, Cycle> {
    let steps = aspects.iter().enumerate().flat_map(|(slot, aspect)| pass::steps(aspect, slot)).collect();
    let steps = known.order(aspects, steps, without)?;
    let keys = aspects.iter().filter_map(planned).collect();
    let bounds = aspects.iter().flat_map(|aspect| crate::plan::words::bounds(aspect, hour)).collect();
    Ok(Unit { keys, steps, bounds, proof: None })
}

fn planned(aspect: &Aspect<'_>) -> Option<Planned> {
    let new = match aspect.kind {
        Kind::First | Kind::Rotate => Which::New,
        Kind::Back => aspect.to.clone().map_or(Which::Nothing, Which::Id),
        Kind::Follow | Kind::Reopen | Kind::Destroy | Kind::Discard => {
            aspect.seen.key.current().map_or(Which::Nothing, |version| Which::Id(version.id.clone()))
        }
    };
    let base = Base::of(aspect.seen, &aspect.fleets)?;
    let (name, old) = (aspect.name.clone(), aspect.old.clone());
    Some(Planned { name, kind: aspect.kind, old, new, haste: aspect.haste, base })
}
