//! Asks the ports and fills an inventory. It only reads.
//! Never here: deciding anything; what could not be asked is noted as such, and makes only its own keys wait.

pub mod heard;
pub mod trace;

pub use heard::hear;

use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::FleetSeen;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::inventory::MemberSeen;
use crate::inventory::Mover;
use crate::inventory::StoreSeen;
use crate::inventory::Unmanaged;
use crate::inventory::key::Drift;
use crate::inventory::key::Past;
use crate::inventory::key::Unreachable;
use crate::inventory::key::Uses;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::Store;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::store::Place;
use crate::port::backend::Look;
use crate::port::facts::Facts;
use crate::port::store::Block;
use crate::port::store::Versions;
use crate::port::store::service::Asked;
use crate::port::world::World;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Count every value.
    Count,
    /// Ask nothing that costs a scan.
    Glance,
}

/// Looks at every key of the project.
#[must_use]
pub fn look(project: &Project, world: &dyn World, past: &BTreeMap<KeyName, Past>, depth: Depth) -> Inventory {
    let hour = world.clock().now();
    let mut keys = BTreeMap::new();
    let known = RefCell::new(BTreeMap::new());
    let strays = RefCell::new(Vec::new());
    for policy in &project.policies {
        for (name, key) in &policy.keys {
            let whole = policy.key_name(name);
            let past = past.get(&whole).cloned().unwrap_or_default();
            let asking = Asking { world, policy, key, name: &whole, depth, hour, known: &known, strays: &strays };
            keys.insert(whole.clone(), asking.key(past));
        }
    }
    let mut unmanaged = strays.into_inner();
    unmanaged.extend(beside(project, world));
    let former = past.keys().filter(|name| !keys.contains_key(*name));
    unmanaged.extend(former.map(|name| Unmanaged::Former { key: name.clone() }));
    unmanaged.sort();
    unmanaged.dedup();
    Inventory { hour, keys, unmanaged }
}

/// What looks like a key beside the keys of all policies. A backend that cannot be asked is told at its keys.
fn beside(project: &Project, world: &dyn World) -> Vec<Unmanaged> {
    let keys =
        || project.policies.iter().flat_map(|policy| policy.keys.iter().map(move |(name, key)| (policy, name, key)));
    let named: Vec<&str> = keys().map(|(_, _, key)| key.at.as_str()).collect();
    let mut asked = BTreeSet::new();
    let mut found = Vec::new();
    for (policy, name, key) in keys() {
        if asked.insert((&policy.name, &key.backend)) {
            let backend = world.backend(&policy.key_name(name), &key.backend);
            found.extend(backend.and_then(|backend| backend.beside(&named)).unwrap_or_default());
        }
    }
    found.into_iter().map(|place| Unmanaged::Place { place }).collect()
}

struct Asking<'a> {
    world: &'a dyn World,
    policy: &'a Policy,
    key: &'a Key,
    name: &'a KeyName,
    depth: Depth,
    hour: Hour,
    /// Which world each store is: many keys may seal into one, and every question opens it anew.
    known: &'a RefCell<BTreeMap<usize, String>>,
    /// What lies among the versions and is none of them.
    strays: &'a RefCell<Vec<Unmanaged>>,
}

impl Asking<'_> {
    fn key(&self, past: Past) -> KeySeen {
        let mut seen = KeySeen {
            key: crate::model::Key::default(),
            able: None,
            world: String::new(),
            stores: BTreeMap::new(),
            fleets: BTreeMap::new(),
            unreachable: Vec::new(),
            past,
            drift: Vec::new(),
            run: None,
            uses: None,
            algorithm: None,
        };
        match self.backend(&mut seen) {
            Ok(look) => {
                seen.drift = drift(&look, &seen.past);
                seen.run = look.run;
                let algorithm = look.key.current().and_then(|current| look.algorithms.get(&current.id));
                seen.algorithm = algorithm.map(|is| is.word().to_owned());
                seen.key = look.key;
                let stray = |file| Unmanaged::File { key: self.name.clone(), file };
                self.strays.borrow_mut().extend(look.unknown_files.into_iter().map(stray));
            }
            Err(fault) => seen.unreachable.push(unreachable(format!("backend `{}`", self.key.backend), fault)),
        }
        for name in &self.key.seals {
            let Some(store) = self.policy.stores.get(name) else { continue };
            // Nobody can say what values are under while the key's versions cannot be seen.
            let depth = if seen.able.is_none() { Depth::Glance } else { self.depth };
            match (Asking { depth, ..*self }).store(name, store, &seen.key) {
                Ok(store) => drop(seen.stores.insert(name.clone(), store)),
                Err(fault) => seen.unreachable.push(unreachable(format!("store `{name}`"), fault)),
            }
        }
        for name in &self.key.used_by {
            let Some(fleet) = self.policy.fleets.get(name) else { continue };
            match self.fleet(name, fleet) {
                Ok(fleet) => drop(seen.fleets.insert(name.clone(), fleet)),
                Err(fault) => seen.unreachable.push(unreachable(format!("fleet `{name}`"), fault)),
            }
        }
        recall(&mut seen);
        seen.uses = self.uses(&seen);
        seen
    }

    /// What the policy's own counter says of the current version: without it nobody knows whether a rotation is due.
    fn uses(&self, seen: &KeySeen) -> Option<Uses> {
        let (counter, current) = self.key.counter.as_ref().zip(seen.key.current())?;
        if self.depth == Depth::Glance {
            return None;
        }
        let facts = Facts::of(current).with("key", self.name.to_string());
        let facts = self.key.each.iter().fold(facts, |facts, each| facts.with("each", each.clone()));
        let counted = self.world.probe(self.name).and_then(|probe| probe.uses(counter, &facts));
        Some(match counted {
            Ok(count) => Uses::Counted(count),
            Err(fault) => Uses::Unknown(unreachable("counter of `max_uses`".into(), fault)),
        })
    }

    fn backend(&self, seen: &mut KeySeen) -> Result<Look, Fault> {
        let backend = self.world.backend(self.name, &self.key.backend)?;
        let look = backend.look(&self.key.at)?;
        seen.world = backend.world()?;
        seen.able = Some(backend.able());
        Ok(look)
    }

    fn store(&self, name: &Name, store: &Store, key: &crate::model::Key) -> Result<StoreSeen, Fault> {
        if store.place == Place::Unseen {
            return Ok(StoreSeen {
                world: String::new(),
                mover: Mover::Nobody,
                atomic: false,
                census: None,
                blocks: Vec::new(),
            });
        }
        let port = self.world.store(self.name, name)?;
        let world = self.world_of(port)?;
        if let Some(service) = port.service() {
            let census = match self.depth {
                Depth::Glance => None,
                Depth::Count => {
                    let asked = Asked::new(name, service, key, &versions(key))?;
                    Some(Census { at: Some(self.hour), ..asked.census(&asked.call(None, true)?) })
                }
            };
            // Whatever seals through one service seals in one place.
            let blocks = vec![format!("{world}/{}", service.method())];
            return Ok(StoreSeen { blocks, world, mover: port.mover(), atomic: false, census });
        }
        let blocks = Block::all(&store.sealed, self.key.each.as_deref(), &versions(key))?;
        let census = match self.depth {
            Depth::Glance => None,
            Depth::Count => {
                let mut all = Census { exact: true, at: Some(self.hour), ..Census::default() };
                for block in &blocks {
                    port.fit(block)?;
                    add(&mut all, port.census(block)?);
                }
                Some(all)
            }
        };
        let named = blocks.iter().map(|block| format!("{world}/{}{:?}", block.name(), block.only));
        Ok(StoreSeen { blocks: named.collect(), world, mover: port.mover(), atomic: store.atomic, census })
    }

    fn world_of(&self, port: &dyn crate::port::store::Store) -> Result<String, Fault> {
        let place = std::ptr::from_ref(port).cast::<()>().addr();
        if let Some(world) = self.known.borrow().get(&place) {
            return Ok(world.clone());
        }
        let world = port.world()?;
        self.known.borrow_mut().insert(place, world.clone());
        Ok(world)
    }

    fn fleet(&self, name: &Name, fleet: &Fleet) -> Result<FleetSeen, Fault> {
        let members = match &fleet.members {
            Members::Listed(members) => members.clone(),
            Members::FromProof { .. } | Members::FromCommand { .. } if self.depth == Depth::Glance => Vec::new(),
            Members::FromCommand { .. } => self.world.fleet(self.name, name)?.members()?,
            Members::FromProof { .. } => {
                let field = fleet.proof.as_ref().map(|proof| proof.member.as_str()).unwrap_or_default();
                let rows = self.world.fleet(self.name, name)?.proofs()?;
                rows.iter().filter_map(|row| row.get(field)?.as_str()?.parse().ok()).collect()
            }
        };
        let seen = members.into_iter().map(|name| MemberSeen {
            name,
            knows: None,
            writes: None,
            started_at: None,
            sign: None,
            fresh: false,
            gone: false,
        });
        Ok(FleetSeen { members: seen.collect() })
    }
}

/// What a backend that remembers nothing cannot show: a version that lies there may have been current, and then somebody may
/// have sealed under it. Our journal or the values themselves know.
fn recall(seen: &mut KeySeen) {
    if seen.able.is_none_or(|able| able.remembers) {
        return;
    }
    let counted = || seen.stores.values().filter_map(|store| store.census.as_ref());
    for version in seen.key.versions.iter_mut().filter(|version| version.state == State::Staged) {
        let was_current = seen.past.current_since.contains_key(&version.id);
        if was_current || counted().any(|census| census.of(&version.id) > 0) {
            version.state = State::DecryptOnly;
        }
    }
}

/// A key's versions with the words by which a store may write them down.
#[must_use]
pub fn versions(key: &crate::model::Key) -> Versions {
    let mut all = Versions::new();
    for version in &key.versions {
        let facts = Facts::of(version);
        let words =
            ["n", "sha256"].into_iter().filter_map(|word| Some((word.to_owned(), facts.know(word)?.into_owned())));
        all = all.with(version.id.clone(), words);
    }
    all
}

fn add(all: &mut Census, one: Census) {
    all.strange = all.strange.saturating_add(one.strange);
    all.by_trial = all.by_trial.saturating_add(one.by_trial);
    all.exact &= one.exact;
    for (version, count) in one.under {
        let slot = all.under.entry(version).or_default();
        *slot = slot.saturating_add(count);
    }
}

fn unreachable(what: String, fault: Fault) -> Unreachable {
    Unreachable { what, why: fault.to_string(), hint: fault.hint }
}

/// What the backend reports, and what is not as our journal left it.
fn drift(look: &Look, past: &Past) -> Vec<Drift> {
    let mut drift = look.drift.clone();
    // A run that is open is judged by its own steps.
    if past.known.is_empty() || past.open_run.is_some() {
        return drift;
    }
    let ended = |id: &VersionId| past.ended.contains(id);
    // A version that we ended and that is there again came out of a backup.
    let strange = |version: &&Version| {
        !past.known.contains(&version.id) || ended(&version.id) && version.state != State::Destroyed
    };
    let strangers = look.key.versions.iter().filter(strange);
    drift.extend(strangers.map(|version| Drift::VersionAppeared { version: version.id.clone() }));
    if let (Some(from), Some(current)) = (&past.left_current, look.key.current())
        && *from != current.id
    {
        drift.push(Drift::CurrentMoved { from: from.clone(), to: current.id.clone() });
    }
    let gone = past.known.iter().filter(|id| look.key.version(id).is_none() && !ended(id));
    let gone = gone.filter(|id| !drift.iter().any(|d| matches!(d, Drift::MaterialGone { version } if version == *id)));
    let gone: Vec<Drift> = gone.map(|version| Drift::MaterialGone { version: version.clone() }).collect();
    drift.extend(gone);
    drift
}
