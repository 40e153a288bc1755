//! Keys that wait for others: those that the policy puts first, and those that are under way already where only so many
//! may be at once.

use crate::decision::Decision;
use crate::decision::Reason;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::model::KeyName;
use crate::policy::Project;
use crate::policy::meant::Key;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Lets keys that are due wait for others.
pub(super) fn wait(project: &Project, decisions: &mut [Decision], wish: &Wish) {
    wait_for_others(project, decisions);
    at_once(project, decisions, wish);
}

/// A key that is due waits while a key that comes first is under way or blocked.
fn wait_for_others(project: &Project, decisions: &mut [Decision]) {
    let stuck: BTreeMap<KeyName, Verdict> = decisions.iter().map(|d| (d.key.clone(), d.verdict)).collect();
    for decision in
        decisions.iter_mut().filter(|decision| rotates(decision.verdict) && decision.verdict != Verdict::Back)
    {
        let Some(key) = key_of(project, &decision.key) else { continue };
        let first = key
            .after
            .iter()
            .find(|first| matches!(stuck.get(first), Some(Verdict::UnderWay | Verdict::Blocked | Verdict::RolledBack)));
        if let Some(first) = first {
            decision.verdict = Verdict::Blocked;
            decision.reasons.push(Reason::ComesAfter { key: first.clone() });
        }
    }
}

/// Only so many rotations are open at once: what somebody asked for, what others know and what cannot be read come first,
/// then what was left unfinished, what is overdue, and what is due soonest; and none before a key that the policy puts
/// before it.
fn at_once(project: &Project, decisions: &mut [Decision], wish: &Wish) {
    let Some(most) = project.settings.calendar.at_once else { return };
    let open = decisions.iter().filter(|decision| decision.verdict == Verdict::UnderWay).count();
    let slots = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(open);
    // Nobody waits for a slot with a version that others know.
    let wants = |decision: &&Decision| turns(decision.verdict) && wish.leaked(&decision.key).is_none();
    let mut wanting: Vec<&Decision> = decisions.iter().filter(wants).collect();
    if wanting.len() <= slots {
        return;
    }
    wanting.sort_by_key(|decision| (urgency(decision, wish), decision.due_by, decision.key.clone()));
    let names: BTreeSet<KeyName> = wanting.iter().map(|decision| decision.key.clone()).collect();
    let mut taken = Taken { project, names: &names, slots, taken: BTreeSet::new() };
    for decision in wanting {
        taken.take(&decision.key, names.len());
    }
    let taken = taken.taken;
    let waits = |d: &&mut Decision| turns(d.verdict) && names.contains(&d.key) && !taken.contains(&d.key);
    for decision in decisions.iter_mut().filter(waits) {
        decision.verdict = Verdict::Waiting;
        decision.reasons.push(Reason::AtOnce { at_most: most });
    }
}

struct Taken<'a> {
    project: &'a Project,
    names: &'a BTreeSet<KeyName>,
    slots: usize,
    taken: BTreeSet<KeyName>,
}

impl Taken<'_> {
    /// Takes a key, and before it those that come first. Policies have no cycles; a limit is put to it nonetheless.
    fn take(&mut self, key: &KeyName, left: usize) -> bool {
        if self.taken.contains(key) {
            return true;
        }
        let Some(left) = left.checked_sub(1) else { return false };
        let first = key_of(self.project, key).map(|key| key.after.clone()).unwrap_or_default();
        let ready = first.iter().filter(|first| self.names.contains(first)).all(|first| self.take(first, left));
        if !ready || self.slots == 0 {
            return false;
        }
        self.slots -= 1;
        self.taken.insert(key.clone());
        true
    }
}

/// Whether a plan for it changes what anybody meets: a deletion of copies does not.
const fn rotates(verdict: Verdict) -> bool {
    verdict.acts() && !matches!(verdict, Verdict::DiscardDue)
}

/// Whether a plan for it counts among those that may be under way: a first version takes nobody's place, and nobody who
/// goes back waits for others.
const fn turns(verdict: Verdict) -> bool {
    rotates(verdict) && !matches!(verdict, Verdict::New | Verdict::Back)
}

fn urgency(decision: &Decision, wish: &Wish) -> u8 {
    let known =
        decision.reasons.iter().any(|reason| matches!(reason, Reason::Compromised { .. } | Reason::OpensAnew { .. }));
    match decision.verdict {
        _ if wish.names(&decision.key) => 0,
        Verdict::Reopened => 1,
        _ if known => 1,
        Verdict::Behind => 2,
        Verdict::Overdue => 3,
        _ => 4,
    }
}

fn key_of<'a>(project: &'a Project, name: &KeyName) -> Option<&'a Key> {
    let policy = project.policies.iter().find(|policy| policy.name == *name.policy())?;
    policy.keys.get(name.key())
}
