//! A version that others know: what would break if it were disabled this moment. It is told beside the plan that leads away
//! from it, so that whoever reads it can weigh the leak against the loss.

use crate::decision::Wish;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::inventory::MemberSeen;
use crate::inventory::Mover;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Span;
use crate::model::State;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Writes;
use serde::Deserialize;
use serde::Serialize;

/// A version that others know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// Its key.
    pub key: KeyName,
    /// The version.
    pub version: VersionId,
    /// The state that it was found in; nothing where it is no longer there, or was not looked at.
    pub state: Option<State>,
    /// Why nobody could look, where nobody could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// What would break if it were disabled this moment.
    pub breaks: Vec<Breaks>,
}

/// One thing that would break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "breaks")]
pub enum Breaks {
    /// Values that nobody could open.
    Values {
        /// The store.
        store: Name,
        /// How many.
        count: u64,
    },
    /// Values of which only opening tells the version.
    ByTrial {
        /// The store.
        store: Name,
        /// How many.
        count: u64,
    },
    /// Values that were not counted.
    Uncounted {
        /// The store.
        store: Name,
    },
    /// Values that are neither seen nor moved.
    Unseen {
        /// The store.
        store: Name,
    },
    /// Members that write under it: what they write, nobody could open.
    Writers {
        /// The fleet.
        fleet: Name,
        /// The members, as far as they have names.
        members: Vec<Member>,
    },
    /// Members that hold no other version.
    HoldOnly {
        /// The fleet.
        fleet: Name,
        /// The members, as far as they have names.
        members: Vec<Member>,
    },
    /// Members that could not be asked what they hold.
    Unheard {
        /// The fleet.
        fleet: Name,
        /// The members, as far as they have names.
        members: Vec<Member>,
    },
    /// Values in quarantine.
    Quarantined {
        /// How many.
        count: u64,
    },
    /// A backup of a store may bring values under it back.
    Backups {
        /// The store.
        store: Name,
        /// Until when, where nothing is under it any more.
        until: Option<Hour>,
        /// For how long after the last value moved.
        span: Span,
    },
    /// Pre-images that are kept under it.
    PreImages {
        /// How many runs kept some.
        count: u64,
    },
}

/// The version that somebody says is known to others, with what would break; nothing where nobody says so of a version that
/// is, or was, one of the key's.
#[must_use]
pub fn leak(project: &Project, inventory: &Inventory, wish: &Wish) -> Option<Leak> {
    let Wish::Compromised(key, version) = wish else { return None };
    let seen = inventory.keys.get(key)?;
    let found = seen.key.version(version);
    if found.is_none() && !seen.past.known.contains(version) {
        return None;
    }
    let policy = project.policies.iter().find(|policy| policy.name == *key.policy())?;
    let meant = policy.keys.get(key.key())?;
    let breaks = breaks(policy, meant, seen, version, inventory.hour);
    let unseen = seen.able.is_none().then(|| unseen(seen));
    Some(Leak { key: key.clone(), version: version.clone(), state: found.map(|found| found.state), unseen, breaks })
}

/// Why its backend could not be looked at.
fn unseen(seen: &KeySeen) -> String {
    let why: Vec<_> = seen.unreachable.iter().map(|told| format!("{}: {}", told.what, told.why)).collect();
    if why.is_empty() { "its backend was not looked at".into() } else { why.join("; ") }
}

/// What would break if a version were disabled this moment; what may break, where its backend could not be looked at.
#[must_use]
pub fn breaks(policy: &Policy, key: &Key, seen: &KeySeen, version: &VersionId, hour: Hour) -> Vec<Breaks> {
    let found = seen.key.version(version).map(|version| version.state);
    let gone = found.is_none_or(|state| state == State::Destroyed);
    if gone && seen.able.is_some() {
        return Vec::new();
    }
    let mut all: Vec<Breaks> = key.seals.iter().flat_map(|name| values(name, seen, version)).collect();
    for (name, fleet) in key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
        all.extend(held((name, fleet), seen, version, found));
    }
    let count = seen.past.quarantined.get(version).copied().unwrap_or(0);
    all.extend((count > 0).then_some(Breaks::Quarantined { count }));
    let clean = seen.past.clean_at.get(version).filter(|_| found != Some(State::Current));
    for name in &key.seals {
        let Some(span) = policy.stores.get(name).and_then(|store| store.restorable_for) else { continue };
        let until = clean.map(|clean| span.after(*clean));
        if until.is_none_or(|until| until > hour) {
            all.push(Breaks::Backups { store: name.clone(), until, span });
        }
    }
    let kept = seen.past.pre_images.iter().filter(|kept| kept.under.contains(version)).count();
    let count = u64::try_from(kept).unwrap_or(u64::MAX);
    all.extend((count > 0).then_some(Breaks::PreImages { count }));
    all
}

/// What of one store is under it; a store that could not be reached counts as one that was not counted.
fn values(name: &Name, seen: &KeySeen, version: &VersionId) -> Vec<Breaks> {
    let store = || name.clone();
    let found = seen.stores.get(name);
    if found.is_some_and(|found| found.mover == Mover::Nobody) {
        return vec![Breaks::Unseen { store: store() }];
    }
    let Some(census) = found.and_then(|found| found.census.as_ref()) else {
        return vec![Breaks::Uncounted { store: store() }];
    };
    let mut all = Vec::new();
    let count = census.of(version);
    all.extend((count > 0).then(|| Breaks::Values { store: store(), count }));
    let count = census.by_trial;
    all.extend((count > 0).then(|| Breaks::ByTrial { store: store(), count }));
    all
}

/// Who of one fleet needs it. Who proves what they know and was not heard may; so may whoever could not be asked, and
/// everybody while nobody knows which version is current.
fn held((name, fleet): (&Name, &Fleet), seen: &KeySeen, version: &VersionId, found: Option<State>) -> Vec<Breaks> {
    let (current, members) = (found == Some(State::Current), seen.fleets.get(name));
    let lost = members.is_none() || seen.able.is_none();
    let members = members.map(|fleet| fleet.members.as_slice()).unwrap_or_default();
    let named = |of: &dyn Fn(&&MemberSeen) -> bool| -> Vec<Member> {
        members.iter().filter(of).map(|member| member.name.clone()).collect()
    };
    let says = |member: &&MemberSeen| match &member.writes {
        Some(writes) => writes == version,
        None => current && fleet.writes != Writes::Never,
    };
    let only = |member: &&MemberSeen| match &member.knows {
        Some(knows) => knows.contains(version) && knows.iter().all(|known| known == version),
        None => current && fleet.holds == Holds::One,
    };
    let unheard = |member: &&MemberSeen| lost || fleet.proof.is_some() && member.knows.is_none();
    let nameless = members.is_empty() && current;
    let mut all = Vec::new();
    let told = named(&says);
    if !told.is_empty() || nameless && fleet.writes != Writes::Never {
        all.push(Breaks::Writers { fleet: name.clone(), members: told });
    }
    let told = named(&only);
    if !told.is_empty() || nameless && fleet.holds == Holds::One {
        all.push(Breaks::HoldOnly { fleet: name.clone(), members: told });
    }
    let told = named(&unheard);
    if !told.is_empty() || members.is_empty() && (lost || fleet.proof.is_some()) {
        all.push(Breaks::Unheard { fleet: name.clone(), members: told });
    }
    all
}
