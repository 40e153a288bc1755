//! What the journal knows of one key: what our own acts, looks and counts said, folded up.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::inventory::key::Past;
use crate::inventory::key::PreImages;
use crate::journal::name::RunId;
use crate::journal::parts::Base;
use crate::journal::parts::Fact;
use crate::journal::parts::Facts;
use crate::journal::parts::Place;
use crate::journal::parts::Settled;
use crate::model::Change;
use crate::model::Hour;
use crate::model::Key;
use crate::model::Member;
use crate::model::Name;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;

/// The fact of a step that keeps pre-images: the versions that they may be under.
pub const PRE_IMAGES_UNDER: &str = "pre-images under";
/// The fact of a step that deletes pre-images: the runs that kept them.
pub const PRE_IMAGES_DELETED: &str = "pre-images deleted of";

/// One key, as the journal knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Its versions as our own acts left them.
    pub key: Key,
    /// The open run that works on it.
    pub open_run: Option<RunId>,
    /// When somebody could first write under each version, by our own switches.
    pub current_since: BTreeMap<VersionId, Hour>,
    /// Which version was turned to, and when, one after the other.
    pub turns: Vec<(VersionId, Hour)>,
    /// When each version was disabled.
    pub retired_at: BTreeMap<VersionId, Hour>,
    /// When each version's material ended.
    pub destroyed_at: BTreeMap<VersionId, Hour>,
    /// The version that was current when we last acted.
    pub left_current: Option<VersionId>,
    /// Whether the last switch went back, and no run was opened since.
    pub rolled_back: bool,
    /// The versions said to be known to others.
    pub compromised: Vec<VersionId>,
    /// Values that do not open and that nobody has settled, with the version that they name.
    pub quarantine: BTreeMap<Place, Option<VersionId>>,
    /// Values that do not open and that somebody accepted as lost, with the version that they name.
    pub accepted: BTreeMap<Place, Option<VersionId>>,
    /// The stores with values sealed by it, and the last count of each.
    pub stores: BTreeMap<Name, Option<Count>>,
    /// Our last look at it.
    pub look: Option<Look>,
    /// Pre-images that were kept and not yet deleted, by the run that kept them.
    pub pre_images: BTreeMap<RunId, Kept>,
    versions: Vec<VersionId>,
}

/// The pre-images of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The versions that they may be under.
    pub under: Vec<VersionId>,
    /// When the run ended.
    pub since: Option<Hour>,
}

/// A count of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// When.
    pub at: Hour,
    /// How many under which version.
    pub under: BTreeMap<VersionId, u64>,
    /// How many name no version of the key.
    pub strange: u64,
    /// Whether it was whole and exact and found nothing strange.
    pub clean: bool,
}

/// A look at a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// When.
    pub at: Hour,
    /// Its versions.
    pub versions: Key,
    /// Per fleet and member, its sign of life.
    pub signs: BTreeMap<Name, BTreeMap<Member, Sign>>,
}

/// A member's sign of life, over our own looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// The sign's digest.
    pub digest: Digest,
    /// The look that first showed it.
    pub since: Hour,
    /// Whether it took the place of another: only then was the member seen alive.
    pub changed: bool,
}

impl Kept {
    fn told(&self, run: &RunId) -> PreImages {
        PreImages { run: run.to_string(), under: self.under.clone(), since: self.since }
    }
}

impl Known {
    /// A run was opened that works on this key.
    pub(super) fn opened(&mut self, run: &RunId, base: &Base) {
        self.open_run = Some(run.clone());
        self.rolled_back = false;
        self.key = base.versions.clone();
        if let Some(current) = base.versions.current() {
            self.left_current = Some(current.id.clone());
        }
        for version in &base.versions.versions {
            self.meet(&version.id);
        }
        // The stores of the newest plan: one that it no longer names no longer counts.
        let mut stores: BTreeMap<_, _> = base.stores.iter().map(|name| (name.clone(), None)).collect();
        for (name, count) in std::mem::take(&mut self.stores) {
            stores.entry(name).and_modify(|slot| *slot = count);
        }
        self.stores = stores;
    }

    pub(super) fn ended(&mut self, run: &RunId, at: Hour) {
        if self.open_run.as_ref() == Some(run) {
            self.open_run = None;
        }
        if let Some(kept) = self.pre_images.get_mut(run) {
            kept.since = Some(at);
        }
    }

    /// What a step that is done says of pre-images: kept, under these versions, or deleted, those of these runs.
    pub(super) fn told(&mut self, run: &RunId, facts: &Facts) {
        let words = |name: &str| match facts.get(name) {
            Some(Fact::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let under: Vec<VersionId> = words(PRE_IMAGES_UNDER).iter().filter_map(|id| id.parse().ok()).collect();
        if !under.is_empty() {
            self.pre_images.insert(run.clone(), Kept { under, since: None });
        }
        for deleted in words(PRE_IMAGES_DELETED) {
            self.pre_images.retain(|run, _| run.as_str() != deleted);
        }
    }

    /// A step changed this key. It cannot have acted before `begun`, and had acted `at`.
    pub(super) fn changed(&mut self, change: &Change, begun: Hour, at: Hour) {
        let before = self.key.clone();
        // A refusal is passed over: a pointer's turn may say again what the backend has done, and a report must
        // still be able to tell what happened.
        if let Ok(after) = before.after(change) {
            self.key = after;
        }
        match change {
            Change::Add { version, promotes, .. } => {
                self.meet(version);
                if *promotes {
                    self.turned(version, begun);
                }
            }
            Change::Switch { to } => {
                self.meet(to);
                self.rolled_back = self.is_older(to);
                self.turned(to, begun);
            }
            Change::Retire { version } => {
                self.retired_at.insert(version.clone(), at);
            }
            Change::Enable { version } => {
                self.retired_at.remove(version);
            }
            Change::Discard { version } | Change::Destroy { version } => {
                self.destroyed_at.insert(version.clone(), at);
            }
        }
    }

    /// Whether a version that is still there came after this one: to turn to it is to go back.
    fn is_older(&self, version: &VersionId) -> bool {
        let after = self.versions.iter().skip_while(|id| *id != version).skip(1);
        after.into_iter().any(|id| !self.destroyed_at.contains_key(id))
    }

    /// The cryptoperiod counts from the earliest moment at which somebody may have written: the intent, not the outcome.
    fn turned(&mut self, to: &VersionId, begun: Hour) {
        // What others made current before us has been so for longer than we know.
        if !self.is_older(to) {
            self.current_since.entry(to.clone()).or_insert(begun);
        }
        // A pointer's turn may say again what the backend has done.
        if self.turns.last().is_none_or(|(last, _)| last != to) {
            self.turns.push((to.clone(), begun));
        }
        self.left_current = Some(to.clone());
    }

    pub(super) fn adopted(
        &mut self,
        version: &VersionId,
        fingerprint: Option<&crate::model::Fingerprint>,
        current: bool,
    ) {
        self.meet(version);
        if current {
            self.left_current = Some(version.clone());
            for other in self.key.versions.iter_mut().filter(|other| other.state == State::Current) {
                other.state = State::DecryptOnly;
            }
        }
        self.key.versions.retain(|other| other.id != *version);
        let mut adopted = Version::new(version.clone(), if current { State::Current } else { State::Staged });
        adopted.fingerprint = fingerprint.cloned();
        self.key.versions.push(adopted);
    }

    pub(super) fn seen(&mut self, at: Hour, versions: &Key, members: &BTreeMap<Name, BTreeMap<Member, Digest>>) {
        let before = self.look.take().unwrap_or_default();
        // A member that this look did not show keeps its sign: silent is not gone.
        let mut signs = before.signs;
        for (fleet, members) in members {
            let fleet = signs.entry(fleet.clone()).or_default();
            for (member, digest) in members {
                let sign = match fleet.get(member) {
                    Some(sign) if sign.digest == *digest => *sign,
                    old => Sign { digest: *digest, since: at, changed: old.is_some() },
                };
                fleet.insert(member.clone(), sign);
            }
        }
        for version in &versions.versions {
            self.meet(&version.id);
        }
        self.look = Some(Look { at, versions: versions.clone(), signs });
    }

    pub(super) fn compromised(&mut self, version: &VersionId) {
        if !self.compromised.contains(version) {
            self.compromised.push(version.clone());
        }
    }

    /// A quarantined value no longer waits for anybody.
    pub(super) fn settled(&mut self, at: &Place, how: Settled) {
        let names = self.quarantine.remove(at).or_else(|| self.accepted.remove(at)).flatten();
        if how == Settled::Accepted {
            self.accepted.insert(at.clone(), names);
        }
    }

    fn meet(&mut self, version: &VersionId) {
        if !self.versions.contains(version) {
            self.versions.push(version.clone());
        }
    }

    /// Every version that the journal has seen, in the order in which it met them.
    #[must_use]
    pub fn versions(&self) -> &[VersionId] {
        &self.versions
    }

    /// When a version was last known clean: since then every store was counted, clean, with nothing under it.
    #[must_use]
    pub fn clean_at(&self, version: &VersionId) -> Option<Hour> {
        let mut oldest = None;
        for count in self.stores.values() {
            let count =
                count.as_ref().filter(|count| count.clean && count.under.get(version).is_none_or(|n| *n == 0))?;
            oldest = Some(oldest.map_or(count.at, |hour: Hour| hour.min(count.at)));
        }
        oldest
    }

    /// How many quarantined values pin each version. One that names none may need any of them, so it pins them all.
    #[must_use]
    pub fn quarantined(&self) -> BTreeMap<VersionId, u64> {
        let mut pinned = BTreeMap::new();
        let mut pin = |version: &VersionId| {
            let count: &mut u64 = pinned.entry(version.clone()).or_default();
            *count = count.saturating_add(1);
        };
        for names in self.quarantine.values() {
            match names {
                Some(version) => pin(version),
                None => self.versions.iter().filter(|id| !self.destroyed_at.contains_key(*id)).for_each(&mut pin),
            }
        }
        pinned
    }

    /// How many values under each version were accepted as lost.
    fn lost(&self) -> BTreeMap<VersionId, u64> {
        let mut lost = BTreeMap::new();
        for version in self.accepted.values().flatten() {
            let count: &mut u64 = lost.entry(version.clone()).or_default();
            *count = count.saturating_add(1);
        }
        lost
    }

    /// The same, for the inventory.
    #[must_use]
    pub fn past(&self) -> Past {
        Past {
            open_run: self.open_run.as_ref().map(ToString::to_string),
            current_since: self.current_since.clone(),
            retired_at: self.retired_at.clone(),
            ended: self.destroyed_at.keys().cloned().collect(),
            clean_at: self.versions.iter().filter_map(|id| Some((id.clone(), self.clean_at(id)?))).collect(),
            known: self.versions.clone(),
            left_current: self.left_current.clone(),
            rolled_back: self.rolled_back,
            quarantined: self.quarantined(),
            accepted: self.lost(),
            compromised: self.compromised.clone(),
            pre_images: self.pre_images.iter().map(|(run, kept)| kept.told(run)).collect(),
        }
    }
}
