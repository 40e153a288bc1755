//! A backend in memory. It is [`Key::after`] with material beside it, able to do what a test says, and no kinder than a real
//! one: it refuses what is disabled, and fails when told to.

mod service;

pub use service::Manners;

use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::port::backend::in_turn;
use crate::port::backend::judge;
use crate::port::facts::number;
use crate::port::service::Service;
use crate::port::trouble::Trouble;
use crate::secret::Secret;
use service::Served;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Keys in memory.
pub struct Memory {
    able: Able,
    trouble: Trouble,
    manners: Manners,
    places: Arc<Mutex<Places>>,
}

type Places = BTreeMap<String, Place>;

#[derive(Default)]
struct Place {
    key: Key,
    versions: BTreeMap<VersionId, (Algorithm, Secret)>,
}

impl Memory {
    /// A backend that can do this much.
    #[must_use]
    pub fn new(able: Able) -> Self {
        Self { able, trouble: Trouble::none(), manners: Manners::default(), places: Arc::default() }
    }

    /// As able as key files.
    #[must_use]
    pub fn like_files() -> Self {
        Self::new(Able {
            promotes: false,
            demotes: true,
            disables: Disables::Each,
            destroys: true,
            exports: true,
            reopens: Reopens::Local,
            fingerprints: Fingerprints::Bytes,
            marks: true,
            remembers: true,
        })
    }

    /// As able as a service's keys, which never leave it.
    #[must_use]
    pub fn like_a_service() -> Self {
        Self::new(Able {
            promotes: true,
            demotes: false,
            disables: Disables::Floor,
            destroys: true,
            exports: false,
            reopens: Reopens::Service,
            fingerprints: Fingerprints::None,
            marks: false,
            remembers: false,
        })
    }

    /// With a service of other manners.
    #[must_use]
    pub fn with_manners(mut self, manners: Manners) -> Self {
        self.manners = manners;
        self
    }

    /// With trouble that others may share.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }

    /// Puts a version there as somebody else would, without asking anybody.
    pub fn put(&self, at: &str, version: crate::model::Version, algorithm: Algorithm, material: Secret) {
        let mut places = self.places();
        let place = places.entry(at.to_owned()).or_default();
        place.versions.insert(version.id.clone(), (algorithm, material));
        place.key.versions.push(version);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fingerprint(&self, material: &Secret) -> Result<Option<Fingerprint>, Fault> {
        if self.able.fingerprints == Fingerprints::None {
            return Ok(None);
        }
        let print = material.fingerprint().hex().parse();
        print.map(Some).map_err(|bad| Fault::report_bug("fingerprint a key", bad))
    }

    /// What [`Able`] forbids, whatever the key's state.
    fn refuse_unable(&self, key: &Key, change: &Change) -> Result<(), Failed> {
        let stands = |id: &VersionId| key.version(id).map(|version| version.state);
        let unable = match change {
            Change::Add { promotes, .. } if *promotes != self.able.promotes => {
                return Err(Fault::report_bug("add a version", "the plan promotes, or this backend does").into());
            }
            Change::Switch { to } if !self.able.demotes && stands(to) == Some(State::DecryptOnly) => "go back",
            Change::Retire { .. } | Change::Enable { .. } if self.able.disables == Disables::No => "disable versions",
            Change::Destroy { .. } if !self.able.destroys => "destroy one version",
            _ => return Ok(()),
        };
        Err(Failed::refused(format!("this backend cannot {unable}")))
    }

    fn lend(&self, at: &str, id: &VersionId) -> Result<Secret, Failed> {
        let places = self.places();
        let found = places.get(at).and_then(|place| place.key.version(id).zip(place.versions.get(id)));
        let Some((version, (_, material))) = found else {
            return Err(Failed::refused(format!("there is no version `{id}` in `{at}`, or its material is gone")));
        };
        if !version.state.opens() {
            return Err(Failed::refused(format!("version `{id}` is {} and opens nothing", version.state)));
        }
        Ok(Secret::from_vec(material.lend(<[u8]>::to_vec)))
    }
}

/// What a place without books shows of a key: what is current, what came before it and what lies beside it.
fn forget(key: &Key) -> Key {
    let there = key.versions.iter().filter(|version| version.state != State::Destroyed);
    let current = key.versions.iter().position(|version| version.state == State::Current);
    let state = |version: &Version| match version.state {
        State::Staged | State::DecryptOnly => {
            let at = key.versions.iter().position(|other| other.id == version.id);
            if at < current { State::DecryptOnly } else { State::Staged }
        }
        other => other,
    };
    let shown = |version: &Version| Version {
        fingerprint: version.fingerprint.clone(),
        ..Version::new(version.id.clone(), state(version))
    };
    Key { versions: there.map(shown).collect() }
}

impl Backend for Memory {
    fn world(&self) -> Result<String, Fault> {
        self.trouble.call("ask the backend who it is", || Ok("memory".to_owned()))
    }

    fn able(&self) -> Able {
        self.able
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        self.trouble.call("look at the key", || {
            let places = self.places();
            let Some(place) = places.get(at) else { return Ok(Look::default()) };
            let algorithms = place.versions.iter().map(|(id, (algorithm, _))| (id.clone(), *algorithm)).collect();
            let key = if self.able.remembers { place.key.clone() } else { forget(&place.key) };
            Ok(Look { key, algorithms, ..Look::default() })
        })
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        self.trouble.call("choose the next version", || {
            let length = match algorithm {
                Algorithm::Aes128 => 16,
                Algorithm::Aes256 => 32,
                Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                    return Err(Failed::refused("keys in memory are keys of AES"));
                }
            };
            let places = self.places();
            let ids = places.get(at).map(|place| place.key.versions.as_slice()).unwrap_or_default();
            let highest = ids.iter().filter_map(|version| number(&version.id)).max().unwrap_or(0);
            let id = format!("v{}", highest.saturating_add(1)).parse();
            let version = id.map_err(|bad| Fault::report_bug("choose the next version", bad))?;
            let material = Secret::random(length)?;
            Ok(Prepared { version, fingerprint: self.fingerprint(&material)?, algorithm, material: Some(material) })
        })
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        self.trouble.call("change the key", || {
            let mut places = self.places();
            let key = places.get(at).map(|place| place.key.clone()).unwrap_or_default();
            let after = judge(&key, change, now);
            let Some(after) = after? else { return Ok(()) };
            self.refuse_unable(&key, change)?;
            if self.able.disables == Disables::Floor {
                in_turn(&key, change)?;
            }
            let place = places.entry(at.to_owned()).or_default();
            match change {
                Change::Add { version, fingerprint, .. } => {
                    let made = prepared.filter(|made| made.version == *version && made.fingerprint == *fingerprint);
                    let made = made.and_then(|made| made.material.as_ref().map(|key| (made.algorithm, key)));
                    let Some((algorithm, key)) = made else { return Err(Failed::Unmade(version.clone())) };
                    let copy = Secret::from_vec(key.lend(<[u8]>::to_vec));
                    place.versions.insert(version.clone(), (algorithm, copy));
                }
                Change::Discard { version } | Change::Destroy { version } => {
                    place.versions.remove(version);
                }
                Change::Switch { .. } | Change::Retire { .. } | Change::Enable { .. } => {}
            }
            place.key = after;
            Ok(())
        })
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.trouble.call("read the key", || match self.able.reopens {
            Reopens::Local => self.lend(at, version),
            Reopens::Service | Reopens::None => Err(Failed::refused("material never leaves this backend")),
        })
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.trouble.call("read the key", || match self.able.exports {
            true => self.lend(at, version),
            false => Err(Failed::refused("material never leaves this backend")),
        })
    }

    fn service(&self, at: &str, share: Option<u8>) -> Result<Option<Arc<dyn Service>>, Fault> {
        let served = || Served::new(&self.places, at, &self.trouble, self.manners, share);
        Ok((self.able.reopens == Reopens::Service).then(|| Arc::new(served()) as Arc<dyn Service>))
    }

    fn adopt(&self, at: &str, version: &VersionId, _now: Hour) -> Result<(), Failed> {
        self.trouble.call("adopt a version", || {
            let places = self.places();
            let there = places.get(at).is_some_and(|place| place.versions.contains_key(version));
            if there { Ok(()) } else { Err(Failed::refused(format!("there is no version `{version}` in `{at}`"))) }
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Memory;
    use crate::backend::contract;
    use crate::inventory::Able;
    use crate::inventory::Disables;
    use crate::inventory::Fingerprints;
    use crate::inventory::Reopens;
    use crate::port::backend::Backend;
    use crate::port::trouble::Fails;
    use crate::port::trouble::Trouble;

    /// Every mix of what a backend can do.
    fn every_able() -> Vec<Able> {
        let mut all = Vec::new();
        for bits in 0..32_u8 {
            let bit = |n: u8| bits & (1 << n) != 0;
            for disables in [Disables::Each, Disables::Floor, Disables::No] {
                for (reopens, fingerprints) in
                    [(Reopens::Local, Fingerprints::Bytes), (Reopens::Service, Fingerprints::None)]
                {
                    all.push(Able {
                        promotes: bit(0),
                        demotes: bit(1),
                        disables,
                        destroys: bit(2),
                        exports: bit(3),
                        reopens,
                        fingerprints,
                        marks: true,
                        remembers: bit(4),
                    });
                }
            }
        }
        all
    }

    #[test]
    fn the_contract_holds_whatever_it_can_do() {
        for able in every_able() {
            assert_eq!(contract::holds(&Memory::new(able), "keys"), Ok(()), "{able:?}");
        }
    }

    #[test]
    fn a_kind_of_trouble_breaks_the_contract_and_no_more() {
        // The contract notices every failed call: it asks for nothing whose answer it does not look at.
        let trouble = Trouble::none();
        contract::holds(&Memory::like_files().with_trouble(trouble.clone()), "keys").unwrap();
        let calls = trouble.calls();
        assert!(calls > 40, "{calls}");
        for number in 0..calls {
            for how in Fails::ALL {
                trouble.fail(number, how);
                let held = contract::holds(&Memory::like_files().with_trouble(trouble.clone()), "keys");
                assert!(held.is_err(), "call {number} {how:?}");
            }
        }
        assert_eq!(Memory::like_files().world().unwrap(), "memory");
    }
}
