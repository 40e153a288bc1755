//! Everything that keeps an old version from being destroyed: each with its count, and the hour at which it clears by itself.

use crate::decision::reason::Keeps;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::KeySeen;
use crate::model::Hour;
use crate::model::Name;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant::Key;
use crate::policy::meant::key::Retire;
use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that keeps an old version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// What.
    pub because: Keeps,
    /// When it clears by itself, where it does.
    pub until: Option<Hour>,
    /// The store it is about.
    pub store: Option<Name>,
    /// How many values it is about.
    pub count: u64,
}

impl Blocker {
    fn of(because: Keeps) -> Self {
        Self { because, until: None, store: None, count: 0 }
    }
}

/// Everything that keeps an old version from being destroyed at this hour; what no hour clears comes first.
#[must_use]
pub fn blockers(policy: &Policy, key: &Key, seen: &KeySeen, version: &Version, hour: Hour) -> Vec<Blocker> {
    let Some(able) = &seen.able else { return Vec::new() };
    let mut all = Vec::new();
    if key.retire == Retire::Never {
        all.push(Blocker::of(Keeps::Never));
    }
    let (values, pinned): (Vec<_>, Vec<_>) =
        values(seen, version).into_iter().partition(|blocker| blocker.because == Keeps::Values);
    all.extend(pinned);
    if version.state == State::DecryptOnly && able.disables != Disables::No {
        all.push(Blocker::of(Keeps::NotRetired));
    }
    let destroy_after = match key.retire {
        Retire::Never => None,
        Retire::After { destroy_after, .. } => destroy_after,
    };
    if destroy_after.is_none() && key.retire != Retire::Never {
        all.push(Blocker::of(Keeps::NoDestroyAfter));
    }
    if !able.destroys {
        all.push(Blocker::of(Keeps::CannotDestroy));
    }
    let older = seen.key.versions.iter().take_while(|other| other.id != version.id);
    if able.disables == Disables::Floor && older.into_iter().any(|other| other.state != State::Destroyed) {
        all.push(Blocker::of(Keeps::OlderFirst));
    }
    all.extend(values);
    let (over, kept): (Vec<_>, Vec<_>) =
        pre_images(key, seen, version, hour).into_iter().partition(|blocker| blocker.until.is_none());
    all.extend(over);
    let since = out_of_use(able, seen, version);
    if since.is_none() && all.is_empty() {
        all.push(Blocker::of(Keeps::NotRetired));
    }
    let until = |because, until: Hour, store| {
        (until > hour).then(|| Blocker { until: Some(until), store, ..Blocker::of(because) })
    };
    all.extend(since.zip(destroy_after).and_then(|(since, span)| until(Keeps::DestroyAfter, span.after(since), None)));
    all.extend(kept);
    let clean = seen.past.clean_at.get(&version.id).copied().or(since);
    for name in &key.seals {
        let restorable = policy.stores.get(name).and_then(|store| store.restorable_for);
        all.extend(
            restorable
                .zip(clean)
                .and_then(|(span, clean)| until(Keeps::Restorable, span.after(clean), Some(name.clone()))),
        );
    }
    all
}

/// Pre-images are values that may come back, for as long as they are there: those whose time is over are deleted first.
fn pre_images(key: &Key, seen: &KeySeen, version: &Version, hour: Hour) -> Vec<Blocker> {
    let keep = key.pre_images.as_ref().map(|wanted| wanted.keep);
    let mine = seen.past.pre_images.iter().filter(|kept| kept.under.contains(&version.id));
    mine.map(|kept| Blocker { until: kept.until(keep).filter(|until| *until > hour), ..Blocker::of(Keeps::PreImages) })
        .collect()
}

fn values(seen: &KeySeen, version: &Version) -> Vec<Blocker> {
    let of = |because, store, count| Blocker { store, count, ..Blocker::of(because) };
    let counted = seen.stores.iter().filter_map(|(name, store)| {
        let count = store.census.as_ref().map_or(0, |census| census.of(&version.id));
        (count > 0).then(|| of(Keeps::Values, Some(name.clone()), count))
    });
    let mut all: Vec<Blocker> = counted.collect();
    let of_past = |counts: &BTreeMap<VersionId, u64>| counts.get(&version.id).copied().unwrap_or(0);
    let (quarantined, accepted) = (of_past(&seen.past.quarantined), of_past(&seen.past.accepted));
    // What waits in quarantine is told as that, and what somebody accepted as lost needs no version. Before anything is
    // destroyed, each is looked at again.
    let left = all.iter().fold(0, |sum: u64, blocker| sum.saturating_add(blocker.count));
    if left <= quarantined.saturating_add(accepted) {
        all.clear();
    }
    if quarantined > 0 {
        all.push(of(Keeps::Quarantined, None, quarantined));
    }
    all
}

/// Since when a version is out of use: disabled, or last found clean where the backend cannot disable.
pub(super) fn out_of_use(able: &Able, seen: &KeySeen, version: &Version) -> Option<Hour> {
    match able.disables {
        Disables::No => seen.past.clean_at.get(&version.id).copied(),
        Disables::Each | Disables::Floor => seen.past.retired_at.get(&version.id).copied().or(version.since),
    }
}
