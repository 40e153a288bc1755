//! The judgement: one key's policy against what was seen of it.

use crate::decision::Decision;
use crate::decision::Lead;
use crate::decision::Reason;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::decision::lead::Ways;
use crate::decision::reason::Keeps;
use crate::inventory::Disables;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::inventory::key::Drift;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::State;
use crate::model::Version;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::meant::Key;
use crate::policy::meant::key::Retire;
use crate::policy::meant::project::Calendar;
use std::collections::BTreeMap;

/// A decision for every key of the project.
#[must_use]
pub fn decide(project: &Project, inventory: &Inventory, wish: &Wish) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for policy in &project.policies {
        for (name, key) in &policy.keys {
            let whole = policy.key_name(name);
            let calendar = &project.settings.calendar;
            let case = Case { policy, key, calendar, hour: inventory.hour, wish, name: &whole };
            decisions.push(match inventory.keys.get(&whole) {
                Some(seen) => case.decide(seen),
                None => case.unseen(),
            });
        }
    }
    wait_for_others(project, &mut decisions);
    decisions.sort_by(|a, b| a.key.cmp(&b.key));
    decisions
}

/// A key that is due waits while a key that comes first is under way or blocked.
fn wait_for_others(project: &Project, decisions: &mut [Decision]) {
    let stuck: BTreeMap<KeyName, Verdict> = decisions.iter().map(|d| (d.key.clone(), d.verdict)).collect();
    for decision in decisions.iter_mut().filter(|decision| decision.verdict.acts()) {
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

fn key_of<'a>(project: &'a Project, name: &KeyName) -> Option<&'a Key> {
    let policy = project.policies.iter().find(|policy| policy.name == *name.policy())?;
    policy.keys.get(name.key())
}

struct Case<'a> {
    policy: &'a Policy,
    key: &'a Key,
    calendar: &'a Calendar,
    hour: Hour,
    wish: &'a Wish,
    name: &'a KeyName,
}

impl Case<'_> {
    fn unseen(&self) -> Decision {
        let reason = Reason::Unreachable { what: "the key".into(), why: "it was not looked at".into(), hint: None };
        self.says(Verdict::Blocked, vec![reason])
    }

    fn says(&self, verdict: Verdict, reasons: Vec<Reason>) -> Decision {
        let name = self.name.clone();
        Decision { key: name, verdict, reasons, start_by: None, due_by: None, lead: Lead::default() }
    }

    fn decide(&self, seen: &KeySeen) -> Decision {
        let current = seen.key.current();
        let due_by =
            current.and_then(|version| self.current_since(seen, version)).map(|h| self.key.rotate_every.after(h));
        let lead = self.lead(seen, due_by);
        let mut decision = self.blocked(seen).unwrap_or_else(|| self.judge(seen, lead));
        decision.due_by = due_by;
        decision.start_by = due_by.map(|due| lead.total().plus(self.key.early_by).before(due));
        decision.lead = lead;
        decision.reasons.extend(seen.drift.iter().map(|drift| Reason::Drifted { drift: drift.clone() }));
        let quarantined = seen.past.quarantined.iter().filter(|(_, count)| **count > 0);
        let told = quarantined.map(|(id, count)| Reason::Quarantined { version: id.clone(), count: *count });
        decision.reasons.extend(told);
        let census = seen.stores.iter().filter_map(|(name, store)| Some((name, store.census.as_ref()?.strange)));
        let strange = census.filter(|(_, count)| *count > 0);
        decision.reasons.extend(strange.map(|(name, count)| Reason::Strange { store: name.clone(), count }));
        decision
    }

    /// How long a rotation takes that has to be over by then.
    fn lead(&self, seen: &KeySeen, due_by: Option<Hour>) -> Lead {
        let fleets = self.key.used_by.iter().filter_map(|name| self.policy.fleets.get_key_value(name)).collect();
        let current = seen.key.current().map(|version| &version.id);
        let census = seen.stores.values().filter_map(|store| store.census.as_ref());
        let values = current.map_or(0, |id| census.map(|census| census.of(id)).sum());
        let ways = Ways { key: self.key, fleets, able: seen.able, values };
        ways.lead().with_window(&ways, self.calendar, due_by)
    }

    /// What must be settled before anything else.
    fn blocked(&self, seen: &KeySeen) -> Option<Decision> {
        if !seen.unreachable.is_empty() {
            let told = seen.unreachable.iter().cloned();
            let reasons = told.map(|u| Reason::Unreachable { what: u.what, why: u.why, hint: u.hint }).collect();
            return Some(self.says(Verdict::Blocked, reasons));
        }
        if let Some(run) = &seen.past.open_run {
            return Some(self.says(Verdict::UnderWay, vec![Reason::OpenRun { run: run.clone() }]));
        }
        if seen.past.rolled_back && !self.wish.names(self.name) {
            return Some(self.says(Verdict::RolledBack, vec![Reason::TakenBack]));
        }
        let gone = seen.drift.iter().any(|d| matches!(d, Drift::MaterialGone { .. } | Drift::MaterialChanged { .. }));
        gone.then(|| self.says(Verdict::Blocked, Vec::new()))
    }

    fn judge(&self, seen: &KeySeen, lead: Lead) -> Decision {
        let Some(current) = seen.key.current() else {
            return self.without_current(seen);
        };
        let under_retired = self.under(seen, |version| matches!(version.state, State::Disabled | State::Destroyed));
        if !under_retired.is_empty() {
            // What was sealed under a destroyed version is lost: no plan can move it.
            let lost = under_retired.iter().any(|(state, _)| *state == State::Destroyed);
            let verdict = if lost { Verdict::Blocked } else { Verdict::Reopened };
            return self.says(verdict, under_retired.into_iter().map(|(_, reason)| reason).collect());
        }
        let behind = self.behind(seen);
        if !behind.is_empty() {
            return self.says(Verdict::Behind, behind);
        }
        self.due(seen, current, lead)
    }

    fn without_current(&self, seen: &KeySeen) -> Decision {
        match seen.key.versions.iter().any(|version| version.state != State::Destroyed) {
            false => self.says(Verdict::New, vec![Reason::NoVersion]),
            true => {
                let reason = Reason::Unreachable {
                    what: "the current version".into(),
                    why: "no version is current".into(),
                    hint: Some(format!("say which with `keyrota adopt {}@VERSION`", self.name)),
                };
                self.says(Verdict::Blocked, vec![reason])
            }
        }
    }

    /// Values under versions of one kind, with the version they are under.
    fn under(&self, seen: &KeySeen, of: impl Fn(&Version) -> bool) -> Vec<(State, Reason)> {
        let mut found = Vec::new();
        for (store, census) in seen.stores.iter().filter_map(|(name, store)| Some((name, store.census.as_ref()?))) {
            for version in seen.key.versions.iter().filter(|version| of(version)) {
                let count = census.of(&version.id);
                if count > 0 {
                    let version_id = version.id.clone();
                    let reason = Reason::ValuesUnderRetired { store: store.clone(), version: version_id, count };
                    found.push((version.state, reason));
                }
            }
        }
        found
    }

    /// What an earlier rotation left to be done: values to move, or a version to retire.
    fn behind(&self, seen: &KeySeen) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for version in seen.key.versions.iter().filter(|version| version.state == State::DecryptOnly) {
            let quarantined = seen.past.quarantined.get(&version.id).copied().unwrap_or(0);
            let before = reasons.len();
            let mut left = 0;
            for (store, seen) in &seen.stores {
                let count = seen.census.as_ref().map_or(0, |census| census.of(&version.id));
                if count > 0 {
                    left += count;
                    reasons.push(Reason::Values { store: store.clone(), version: version.id.clone(), count });
                }
            }
            // What is quarantined pins its own version and blocks only that version's retirement.
            if quarantined > 0 && left <= quarantined {
                reasons.truncate(before);
            } else if left == 0 && quarantined == 0 && self.retires(seen) {
                let version = version.id.clone();
                reasons.push(Reason::Kept { version, until: None, because: Keeps::NotRetired });
            }
        }
        reasons
    }

    /// Whether an old version that nothing is under is to be disabled.
    fn retires(&self, seen: &KeySeen) -> bool {
        let disables = seen.able.is_some_and(|able| able.disables != Disables::No);
        disables && matches!(self.key.retire, Retire::After { .. })
    }

    /// Whether somebody asked to destroy versions of this key.
    fn is_to_destroy(&self) -> bool {
        match self.wish {
            Wish::Destroy => true,
            Wish::DestroyOne(key, _) => key == self.name,
            Wish::WhatIsDue | Wish::Rotate(_) => false,
        }
    }

    fn due(&self, seen: &KeySeen, current: &Version, lead: Lead) -> Decision {
        let version = current.id.clone();
        let mut reasons = Vec::new();
        let mut verdict = Verdict::Well;
        if self.wish.names(self.name) {
            verdict = Verdict::Due;
            reasons.push(Reason::Asked);
        }
        if current.compromised || seen.past.compromised.contains(&current.id) {
            verdict = Verdict::Due;
            reasons.push(Reason::Compromised { version: version.clone() });
        }
        let uses = seen.stores.values().filter_map(|store| store.census.as_ref()).map(|c| c.of(&current.id)).sum();
        if let Some(at_most) = self.key.max_uses.filter(|most| uses >= *most) {
            verdict = Verdict::Due;
            reasons.push(Reason::Uses { version: version.clone(), uses, at_most });
        }
        let by_age = match self.current_since(seen, current) {
            None => {
                reasons.push(Reason::AgeUnknown { version });
                Verdict::Due
            }
            Some(since) => {
                let (age, at_most) = (Span::between(since, self.hour), self.key.rotate_every);
                reasons.push(Reason::Age { version, age, at_most, lead: lead.total() });
                let begin = at_most.less(lead.total()).less(self.key.early_by);
                if age > at_most {
                    Verdict::Overdue
                } else if age >= begin {
                    Verdict::Due
                } else {
                    Verdict::Well
                }
            }
        };
        let verdict = verdict.max_urgency(by_age);
        // Whoever asks to destroy is told of that, due or not.
        if verdict == Verdict::Well || self.is_to_destroy() {
            return self.old_versions(seen, verdict, reasons);
        }
        self.says(verdict, reasons)
    }

    /// A key that is well may still have an old version whose time has come.
    fn old_versions(&self, seen: &KeySeen, mut verdict: Verdict, mut reasons: Vec<Reason>) -> Decision {
        for version in &seen.key.versions {
            match keeps(self.policy, self.key, seen, version, self.hour) {
                Some(Keep::Until(until, because)) => {
                    reasons.push(Reason::Kept { version: version.id.clone(), until, because });
                }
                Some(Keep::MayGo(since)) => {
                    verdict = Verdict::DestroyDue;
                    reasons.push(Reason::MayGo { version: version.id.clone(), since });
                }
                None => {}
            }
        }
        self.says(verdict, reasons)
    }

    fn current_since(&self, seen: &KeySeen, version: &Version) -> Option<Hour> {
        let journal = seen.past.current_since.get(&version.id).copied();
        // `born` tells when the first version was made, and of no other.
        let first = seen.key.versions.first().is_some_and(|first| first.id == version.id);
        journal.or(version.current_since).or(version.born).or(self.key.born.filter(|_| first))
    }
}

impl Verdict {
    fn max_urgency(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Overdue, _) | (_, Verdict::Overdue) => Verdict::Overdue,
            (Verdict::Due, _) | (_, Verdict::Due) => Verdict::Due,
            _ => Verdict::Well,
        }
    }
}

/// What becomes of an old version.
pub(crate) enum Keep {
    /// It is kept, until then where that is known, because of this.
    Until(Option<Hour>, Keeps),
    /// It may be destroyed since then.
    MayGo(Hour),
}

/// What keeps an old version from being destroyed. Nothing for versions that are not old.
pub(crate) fn keeps(policy: &Policy, key: &Key, seen: &KeySeen, version: &Version, hour: Hour) -> Option<Keep> {
    let able = seen.able.as_ref()?;
    let disables = able.disables != crate::inventory::Disables::No;
    if matches!(version.state, State::Staged | State::Current | State::Destroyed) {
        return None;
    }
    let Retire::After { destroy_after, .. } = key.retire else {
        return Some(Keep::Until(None, Keeps::Never));
    };
    let quarantined = seen.past.quarantined.get(&version.id).copied().unwrap_or(0);
    if quarantined > 0 {
        return Some(Keep::Until(None, Keeps::Values));
    }
    if version.state == State::DecryptOnly && disables {
        return Some(Keep::Until(None, Keeps::NotRetired));
    }
    let Some(destroy_after) = destroy_after else {
        return Some(Keep::Until(None, Keeps::NoDestroyAfter));
    };
    if !able.destroys {
        return Some(Keep::Until(None, Keeps::CannotDestroy));
    }
    let counted: u64 = seen.stores.values().filter_map(|s| s.census.as_ref()).map(|c| c.of(&version.id)).sum();
    if counted > 0 {
        return Some(Keep::Until(None, Keeps::Values));
    }
    let retired = seen.past.retired_at.get(&version.id).copied().or(version.since);
    let clean = seen.past.clean_at.get(&version.id).copied();
    let since = if disables { retired } else { clean };
    let Some(since) = since else {
        return Some(Keep::Until(None, Keeps::NotRetired));
    };
    let restorable = key.seals.iter().filter_map(|name| policy.stores.get(name)).filter_map(|s| s.restorable_for).max();
    let by_rule = destroy_after.after(since);
    let by_backup = restorable.map(|span| span.after(clean.unwrap_or(since)));
    match by_backup.filter(|backup| *backup > by_rule && *backup > hour) {
        Some(backup) => Some(Keep::Until(Some(backup), Keeps::Restorable)),
        None if by_rule > hour => Some(Keep::Until(Some(by_rule), Keeps::DestroyAfter)),
        None => Some(Keep::MayGo(by_rule)),
    }
}
