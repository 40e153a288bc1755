//! The judgement: one key's policy against what was seen of it.

use crate::decision::Decision;
use crate::decision::Lead;
use crate::decision::Reason;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::decision::back;
use crate::decision::blocker::blockers;
use crate::decision::blocker::out_of_use;
use crate::decision::lead::Ways;
use crate::decision::order;
use crate::decision::reason::Keeps;
use crate::inventory::Disables;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::inventory::PreImages;
use crate::inventory::key::Drift;
use crate::inventory::key::Uses;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
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
    order::wait(project, &mut decisions, wish);
    decisions.sort_by(|a, b| a.key.cmp(&b.key));
    decisions
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
        let blocked = self.blocked(seen).or_else(|| self.back(seen)).or_else(|| self.leaked(seen));
        let mut decision = blocked.unwrap_or_else(|| self.judge(seen, lead));
        if seen.past.rolled_back && decision.verdict.acts() {
            // It was blocked until a person planned it; a person did, and the plan says so.
            decision.reasons.push(Reason::TakenBack);
        }
        // Whatever else is to be done: what others know still opens.
        let open = |version: &&Version| matches!(version.state, State::Staged | State::DecryptOnly);
        let known = seen.key.versions.iter().filter(open).filter(|version| self.is_known_to_others(seen, version));
        decision.reasons.extend(known.map(|version| Reason::Compromised { version: version.id.clone() }));
        self.opens_anew(seen, &mut decision);
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

    /// What others know and is out of use would be enabled for as long as its values move: nobody does that in silence.
    fn opens_anew(&self, seen: &KeySeen, decision: &mut Decision) {
        let used = |id: &VersionId| {
            let under = |reason: &Reason| matches!(reason, Reason::ValuesUnderRetired { version, .. } if version == id);
            decision.verdict == Verdict::Reopened && decision.reasons.iter().any(under)
        };
        let known = seen.key.versions.iter().filter(|version| version.state == State::Disabled && used(&version.id));
        let known = known.filter(|version| self.is_known_to_others(seen, version));
        let told = known.map(|known| match self.wish.leaked(self.name) == Some(&known.id) {
            true => Reason::Compromised { version: known.id.clone() },
            false => Reason::OpensAnew { version: known.id.clone() },
        });
        let told: Vec<_> = told.collect();
        decision.reasons.extend(told);
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
        // Whoever wants to go back is told what to do first.
        if let Some(run) = seen.past.open_run.as_ref().filter(|_| self.back(seen).is_none()) {
            // Nothing is drawn beside an open run, and whoever asked for more than what is due is told so.
            let asked = self.wish.leaked(self.name).is_some();
            let verdict = if asked { Verdict::Blocked } else { Verdict::UnderWay };
            return Some(self.says(verdict, vec![Reason::OpenRun { run: run.clone() }]));
        }
        if seen.past.rolled_back && !self.wish.names(self.name) {
            return Some(self.says(Verdict::RolledBack, vec![Reason::TakenBack]));
        }
        let stops = |drift: &Drift| {
            matches!(drift, Drift::MaterialGone { .. } | Drift::MaterialChanged { .. } | Drift::UnknownRun { .. })
        };
        seen.drift.iter().any(stops).then(|| self.says(Verdict::Blocked, Vec::new()))
    }

    /// What was asked for: another version that is there takes the current one's place, or why it cannot.
    fn back(&self, seen: &KeySeen) -> Option<Decision> {
        let route = back::route(self.wish, self.name, (self.policy, self.key), seen)?;
        Some(match route {
            Ok(route) => self.says(Verdict::Back, vec![Reason::AskedBack { to: route.to, from: route.from }]),
            Err((version, why)) => self.says(Verdict::Blocked, vec![Reason::NoWayBack { version, why }]),
        })
    }

    /// What is said to be known to others must be there, or have been.
    fn leaked(&self, seen: &KeySeen) -> Option<Decision> {
        let version = self.wish.leaked(self.name)?;
        let known = seen.key.version(version).is_some() || seen.past.known.contains(version);
        (!known).then(|| self.says(Verdict::Blocked, vec![Reason::NoSuchVersion { version: version.clone() }]))
    }

    /// Whether others know a version: by its backend, by our journal, or by whoever asks.
    fn is_known_to_others(&self, seen: &KeySeen, version: &Version) -> bool {
        let asked = self.wish.leaked(self.name) == Some(&version.id);
        asked || version.compromised || seen.past.compromised.contains(&version.id)
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
        // Nothing is moved to a version that others know: what is left under older ones moves with the rotation away from it.
        let behind = if self.is_known_to_others(seen, current) { Vec::new() } else { self.behind(seen) };
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
        for version in seen.key.versions.iter().filter(|version| of(version)) {
            let counted = seen.stores.iter().filter_map(|(name, store)| Some((name, store.census.as_ref()?)));
            let counts: Vec<_> = counted.map(|(store, census)| (store, census.of(&version.id))).collect();
            let left = counts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            // What somebody accepted as lost opens under no version, and calls nobody back.
            if left <= seen.past.accepted.get(&version.id).copied().unwrap_or(0) {
                continue;
            }
            for (store, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                let version_id = version.id.clone();
                let reason = Reason::ValuesUnderRetired { store: store.clone(), version: version_id, count };
                found.push((version.state, reason));
            }
        }
        found
    }

    /// What an earlier rotation left to be done: values to move, or a version to retire.
    fn behind(&self, seen: &KeySeen) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for version in seen.key.versions.iter().filter(|version| version.state == State::DecryptOnly) {
            let of = |counts: &BTreeMap<_, u64>| counts.get(&version.id).copied().unwrap_or(0);
            let (quarantined, accepted) = (of(&seen.past.quarantined), of(&seen.past.accepted));
            let counted = seen.stores.iter().filter_map(|(store, seen)| Some((store, seen.census.as_ref()?)));
            let counts: Vec<_> = counted.map(|(store, census)| (store, census.of(&version.id))).collect();
            let left = counts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            // What does not open pins its own version and blocks only that version's retirement.
            if left > quarantined.saturating_add(accepted) {
                reasons.extend(
                    counts.into_iter().filter(|(_, count)| *count > 0).map(|(store, count)| Reason::Values {
                        store: store.clone(),
                        version: version.id.clone(),
                        count,
                    }),
                );
            } else if quarantined == 0 && self.retires(seen) {
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
            Wish::WhatIsDue | Wish::Rotate(_) | Wish::To(..) | Wish::Back(_) | Wish::Compromised(..) => false,
        }
    }

    fn due(&self, seen: &KeySeen, current: &Version, lead: Lead) -> Decision {
        let version = current.id.clone();
        let mut reasons = Vec::new();
        let mut verdict = Verdict::Well;
        if self.wish.names(self.name) && self.wish.leaked(self.name).is_none() {
            verdict = Verdict::Due;
            reasons.push(Reason::Asked);
        }
        if self.is_known_to_others(seen, current) {
            verdict = Verdict::Due;
            reasons.push(Reason::Compromised { version: version.clone() });
        }
        let wanted = self.key.algorithm.word();
        if let Some(is) = seen.algorithm.as_ref().filter(|is| *is != wanted) {
            verdict = Verdict::Due;
            let (is, wanted) = (is.clone(), wanted.to_owned());
            reasons.push(Reason::Algorithm { version: version.clone(), is, wanted });
        }
        let used = self.used(seen, current);
        if used.as_ref().is_some_and(|(up, _)| *up == Some(true)) {
            verdict = Verdict::Due;
        }
        let uncounted = used.as_ref().is_some_and(|(up, _)| up.is_none());
        reasons.extend(used.map(|(_, reason)| reason));
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
        if verdict == Verdict::Well && uncounted {
            // Nobody knows whether it is due: what is well must have been seen to be.
            return self.says(Verdict::Blocked, reasons);
        }
        if verdict == Verdict::Well && !self.is_to_destroy() {
            let over = self.pre_images(seen);
            if !over.is_empty() {
                reasons.extend(over);
                return self.says(Verdict::DiscardDue, reasons);
            }
        }
        // Whoever asks to destroy is told of that, due or not.
        if verdict == Verdict::Well || self.is_to_destroy() {
            return self.old_versions(seen, verdict, reasons);
        }
        self.says(verdict, reasons)
    }

    /// Whether a version has sealed as many values as it may, where that can be known, with the figures.
    fn used(&self, seen: &KeySeen, current: &Version) -> Option<(Option<bool>, Reason)> {
        let at_most = self.key.max_uses?;
        let uses = match (&self.key.counter, &seen.uses) {
            (Some(_), Some(Uses::Unknown(told))) => {
                let told = told.clone();
                return Some((None, Reason::Unreachable { what: told.what, why: told.why, hint: told.hint }));
            }
            (Some(_), Some(Uses::Counted(uses))) => *uses,
            // A glance asks nobody.
            (Some(_), None) => return None,
            (None, _) => {
                let counted: Vec<u64> =
                    seen.stores.values().filter_map(|store| Some(store.census.as_ref()?.of(&current.id))).collect();
                if counted.is_empty() {
                    return None;
                }
                counted.into_iter().fold(0, u64::saturating_add)
            }
        };
        Some((Some(uses >= at_most), Reason::Uses { version: current.id.clone(), uses, at_most }))
    }

    /// Pre-images that were kept for as long as they should be.
    fn pre_images(&self, seen: &KeySeen) -> Vec<Reason> {
        let over = |kept: &PreImages| {
            let since = kept.until(self.key.pre_images.as_ref().map(|wanted| wanted.keep))?;
            (since <= self.hour).then(|| Reason::PreImages { run: kept.run.clone(), since })
        };
        seen.past.pre_images.iter().filter_map(over).collect()
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
    if !matches!(version.state, State::DecryptOnly | State::Disabled) {
        return None;
    }
    let blockers = blockers(policy, key, seen, version, hour);
    // What no hour clears comes first; among hours, the last one.
    if let Some(first) = blockers.iter().find(|blocker| blocker.until.is_none()) {
        return Some(Keep::Until(None, first.because));
    }
    if let Some(last) = blockers.iter().rev().max_by_key(|blocker| blocker.until) {
        return Some(Keep::Until(last.until, last.because));
    }
    let since = out_of_use(able, seen, version)?;
    match key.retire {
        Retire::After { destroy_after: Some(span), .. } => Some(Keep::MayGo(span.after(since))),
        Retire::After { .. } | Retire::Never => None,
    }
}
