//! Every place that policies name, wired once.

use crate::cli::wire::backend;
use crate::cli::wire::place;
use crate::cli::wire::probe::Asked;
use crate::cli::wire::proved::Proved;
use crate::cli::wire::variable;
use crate::command::Runner;
use crate::fault::Fault;
use crate::fleet::command::Commanded;
use crate::model::KeyName;
use crate::model::Name;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::check::Ask;
use crate::policy::meant::fleet::ProofFrom;
use crate::port::backend::Backend;
use crate::port::clock::Clock;
use crate::port::fleet::Fleet;
use crate::port::probe::Probe;
use crate::port::probe::Secrets;
use crate::port::store::Store;
use crate::port::world::World;
use crate::probe::Asker;
use crate::probe::clock::Machine;
use crate::probe::secrets::Revealer;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a place stands: its policy, its name, and the value of `each` where its path asks for that.
type At = (Name, Name, Option<String>);

/// A project's places.
pub(in crate::cli) struct Wired {
    clock: Box<dyn Clock>,
    backends: BTreeMap<At, Box<dyn Backend>>,
    stores: BTreeMap<At, Arc<dyn Store>>,
    fleets: BTreeMap<At, Box<dyn Fleet>>,
    probes: BTreeMap<Name, Asked>,
    keys: BTreeMap<KeyName, Option<String>>,
}

impl Wired {
    /// Wires the places of these policies, found from this folder.
    pub(in crate::cli) fn new(
        folder: &Path,
        policies: &[Policy],
        allow: &[String],
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Fault> {
        let clock = Box::new(Machine::new(stop));
        Self::with_clock(folder, policies, allow, clock)
    }

    /// The same, with a clock of one's own.
    pub(in crate::cli) fn with_clock(
        folder: &Path,
        policies: &[Policy],
        allow: &[String],
        clock: Box<dyn Clock>,
    ) -> Result<Self, Fault> {
        let runner = Arc::new(Runner::new(folder, allow.iter().cloned()));
        let secrets: Arc<dyn Secrets> = Arc::new(Revealer::new(variable, Arc::clone(&runner)));
        let mut wired = Self {
            clock,
            backends: BTreeMap::new(),
            stores: BTreeMap::new(),
            fleets: BTreeMap::new(),
            probes: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        for policy in policies {
            for (name, key) in &policy.keys {
                wired.keys.insert(policy.key_name(name), key.each.clone());
                wired.places(folder, policy, key, &runner, &secrets)?;
            }
            let here = wired.stores.iter().filter(|((owner, _, each), _)| *owner == policy.name && each.is_none());
            let here = here.map(|((_, name, _), store)| (name.clone(), Arc::clone(store))).collect();
            let asker = Asker::new(Arc::clone(&runner), Arc::clone(&secrets));
            wired.probes.insert(policy.name.clone(), Asked::new(asker, here));
        }
        Ok(wired)
    }

    fn places(
        &mut self,
        folder: &Path,
        policy: &Policy,
        key: &meant::Key,
        runner: &Arc<Runner>,
        secrets: &Arc<dyn Secrets>,
    ) -> Result<(), Fault> {
        let whole = |name: &Name| (policy.name.clone(), name.clone(), None);
        if let Some(meant) = policy.backends.get(&key.backend)
            && !self.backends.contains_key(&whole(&key.backend))
            && let Some(port) = backend::backend(folder, &key.backend, meant, secrets)?
        {
            self.backends.insert(whole(&key.backend), port);
        }
        for (name, store) in key.seals.iter().filter_map(|name| policy.stores.get_key_value(name)) {
            let each = key.each.as_deref().filter(|_| place::differs(&store.place));
            let at = (policy.name.clone(), name.clone(), each.map(str::to_owned));
            if !self.stores.contains_key(&at)
                && let Some(port) = place::store(folder, name, &store.place, each, (runner, secrets))?
            {
                self.stores.insert(at, port);
            }
        }
        for (name, fleet) in key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
            if self.fleets.contains_key(&whole(name)) {
                continue;
            }
            let commanded =
                Commanded::new(fleet.clone(), Arc::clone(runner), Arc::clone(secrets), &folder.join(".keyrota"));
            let proof = fleet.proof.as_ref().map(|proof| &proof.from);
            let wired: Box<dyn Fleet> = match proof {
                Some(ProofFrom::Store { store, table }) => match self.stores.get(&whole(store)) {
                    Some(port) => Box::new(Proved::new(commanded, Arc::clone(port), table.clone())),
                    None => self.proof_store(folder, policy, store, commanded, (table, runner, secrets))?,
                },
                _ => Box::new(commanded),
            };
            self.fleets.insert(whole(name), wired);
        }
        self.asked(folder, policy, key, (runner, secrets))
    }

    /// Stores that hold nothing sealed, and are only asked by checks.
    fn asked(
        &mut self,
        folder: &Path,
        policy: &Policy,
        key: &meant::Key,
        (runner, secrets): (&Arc<Runner>, &Arc<dyn Secrets>),
    ) -> Result<(), Fault> {
        let healthy = key.used_by.iter().filter_map(|name| policy.fleets.get(name)).flat_map(|fleet| &fleet.healthy);
        let named = key.checks.iter().chain(healthy).filter_map(|check| match &check.ask {
            Ask::Sql { store, .. } => policy.stores.get_key_value(store),
            Ask::Http { .. } | Ask::Command { .. } => None,
        });
        for (name, store) in named.filter(|(_, store)| !place::differs(&store.place)) {
            let at = (policy.name.clone(), name.clone(), None);
            if !self.stores.contains_key(&at)
                && let Some(port) = place::store(folder, name, &store.place, None, (runner, secrets))?
            {
                self.stores.insert(at, port);
            }
        }
        Ok(())
    }

    /// A store that holds only a fleet's proofs.
    fn proof_store(
        &mut self,
        folder: &Path,
        policy: &Policy,
        store: &Name,
        commanded: Commanded,
        (table, runner, secrets): (&str, &Arc<Runner>, &Arc<dyn Secrets>),
    ) -> Result<Box<dyn Fleet>, Fault> {
        let found = policy.stores.get(store).filter(|found| !place::differs(&found.place));
        let port = found
            .map(|found| place::store(folder, store, &found.place, None, (runner, secrets)))
            .transpose()?
            .flatten();
        let Some(port) = port else {
            // Whoever asks it is told that this build cannot.
            return Ok(Box::new(commanded));
        };
        self.stores.insert((policy.name.clone(), store.clone(), None), Arc::clone(&port));
        Ok(Box::new(Proved::new(commanded, port, table.to_owned())))
    }

    fn missing(what: &str, name: &Name) -> Fault {
        let why = "this build has no adapter for it";
        Fault::give_up(format!("use {what} `{name}`"), why).hint("`keyrota validate` says which cargo feature has it")
    }

    fn find<'a, T: ?Sized>(&self, map: &'a BTreeMap<At, Box<T>>, key: &KeyName, name: &Name) -> Option<&'a T> {
        let each = self.keys.get(key).cloned().flatten();
        let of = |each| (key.policy().clone(), name.clone(), each);
        map.get(&of(None)).or_else(|| map.get(&of(each))).map(AsRef::as_ref)
    }
}

impl World for Wired {
    fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn probe(&self, key: &KeyName) -> Result<&dyn Probe, Fault> {
        match self.probes.get(key.policy()) {
            Some(probe) => Ok(probe),
            None => Err(Fault::report_bug(format!("ask checks of `{key}`"), "its policy is not wired")),
        }
    }

    fn backend(&self, key: &KeyName, name: &Name) -> Result<&dyn Backend, Fault> {
        self.find(&self.backends, key, name).ok_or_else(|| Self::missing("backend", name))
    }

    fn store(&self, key: &KeyName, store: &Name) -> Result<&dyn Store, Fault> {
        let each = self.keys.get(key).cloned().flatten();
        let of = |each| (key.policy().clone(), store.clone(), each);
        let found = self.stores.get(&of(None)).or_else(|| self.stores.get(&of(each)));
        found.map(AsRef::as_ref).ok_or_else(|| Self::missing("store", store))
    }

    fn fleet(&self, key: &KeyName, fleet: &Name) -> Result<&dyn Fleet, Fault> {
        self.find(&self.fleets, key, fleet).ok_or_else(|| Self::missing("fleet", fleet))
    }
}
