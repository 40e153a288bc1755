//! The laws that every backend keeps, whatever it can do. Adapters run them against the real thing.

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
use crate::port::backend::Prepared;
use crate::port::backend::judge;
use crate::secret::Secret;

/// Whether the laws hold at a place that is empty and may be filled.
///
/// # Errors
/// Says which law is broken, and how.
pub fn holds(backend: &dyn Backend, at: &str) -> Result<(), String> {
    let mut case = Case { backend, at, able: backend.able(), key: Key::default(), hour: Hour::UNIX_EPOCH };
    law("a world has a name", !backend.world().map_err(say)?.is_empty())?;
    law("an empty place has no versions", case.look()?.versions.is_empty())?;
    let first = case.adding()?;
    case.switching(&first)?;
    let second = case.adding()?;
    law("an id is never given twice", first != second)?;
    case.switching(&second)?;
    case.is_not_staged(&first)?;
    case.going_back(&first, &second)?;
    case.disabling(&first, &second)?;
    case.destroying(&first, &second)?;
    case.discarding()?;
    case.floor()
}

struct Case<'b> {
    backend: &'b dyn Backend,
    at: &'b str,
    able: Able,
    /// What should be there, by [`judge`].
    key: Key,
    hour: Hour,
}

fn say(failed: impl ToString) -> String {
    failed.to_string()
}

fn law(name: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {name}")) }
}

fn refused<T>(name: &str, answer: Result<T, Failed>) -> Result<(), String> {
    match answer {
        Err(Failed::Refused { .. }) => Ok(()),
        Err(other) => Err(format!("broken: {name}: {other}")),
        Ok(_) => Err(format!("broken: {name}: it was done")),
    }
}

impl Case<'_> {
    fn look(&self) -> Result<Key, String> {
        let look = self.backend.look(self.at).map_err(say)?;
        law("nothing drifts while nobody else is there", look.drift.is_empty() && look.strays.is_empty())?;
        Ok(look.key)
    }

    /// Makes a change twice and compares the place with what [`judge`] says.
    fn change(&mut self, change: &Change, prepared: Option<&Prepared>) -> Result<(), String> {
        self.hour += chrono::TimeDelta::hours(1);
        self.backend.change(self.at, change, prepared, self.hour).map_err(say)?;
        self.key = judge(&self.key, change, self.hour).map_err(say)?.unwrap_or_else(|| self.key.clone());
        self.as_expected(&format!("{change:?}"))?;
        self.hour += chrono::TimeDelta::hours(1);
        self.backend.change(self.at, change, None, self.hour).map_err(say)?;
        self.as_expected(&format!("{change:?}, twice"))
    }

    fn as_expected(&self, after: &str) -> Result<(), String> {
        // A place that keeps no books shows what lies there: nothing that ended, and not what was ever current.
        let shown = |version: &&Version| self.able.remembers || version.state != State::Destroyed;
        let state = |state: State| match state {
            State::DecryptOnly if !self.able.remembers => State::Staged,
            other => other,
        };
        let short = |key: &Key| -> Vec<(VersionId, State, Option<Fingerprint>)> {
            let versions = key.versions.iter().filter(shown);
            versions.map(|v| (v.id.clone(), state(v.state), v.fingerprint.clone())).collect()
        };
        let (found, wanted) = (short(&self.look()?), short(&self.key));
        if found == wanted { Ok(()) } else { Err(format!("broken: after {after}: {found:?}, not {wanted:?}")) }
    }

    /// A version that was never current is staged where it lies there, and one that was current before another is not.
    fn is_not_staged(&self, id: &VersionId) -> Result<(), String> {
        let state = self.look()?.version(id).map(|version| version.state);
        law("what was current before the current one is not staged", state == Some(State::DecryptOnly))
    }

    fn refuses(&self, name: &str, change: &Change) -> Result<(), String> {
        refused(name, self.backend.change(self.at, change, None, self.hour))?;
        self.as_expected(name)
    }

    fn adding(&mut self) -> Result<VersionId, String> {
        // As our journal does for whoever cannot remember.
        let given: Vec<VersionId> = self.key.versions.iter().map(|version| version.id.clone()).collect();
        self.backend.reserve(self.at, &given);
        let prepared = self.backend.prepare(self.at, Algorithm::Aes256).map_err(say)?;
        self.as_expected("choosing a version")?;
        let add = prepared.add(self.able.promotes);
        match self.backend.change(self.at, &add, None, self.hour) {
            Err(Failed::Unmade(_)) => {}
            other => return Err(format!("broken: what was never made is not found: {other:?}")),
        }
        self.as_expected("looking for what was never made")?;
        self.change(&add, Some(&prepared))?;
        let id = prepared.version.clone();
        let rival = "0".repeat(64).parse().map_err(say)?;
        if self.able.fingerprints != Fingerprints::None {
            let rival = Change::Add { version: id.clone(), fingerprint: Some(rival), promotes: self.able.promotes };
            self.refuses("another's version is not ours", &rival)?;
        }
        let made = self.look()?.version(&id).cloned();
        law(
            "a version knows when it was made",
            !self.able.remembers || made.as_ref().is_some_and(|v| v.born.is_some()),
        )?;
        law("a new version is staged, or current at once", made.is_some_and(|v| v.state != State::DecryptOnly))?;
        if let (Reopens::Local, Some(made)) = (self.able.reopens, &prepared.material) {
            let material = self.backend.material(self.at, &id).map_err(say)?;
            law("material is what was prepared", material.same(made))?;
        }
        self.lends(&id)?;
        Ok(id)
    }

    /// The material, where a version's state and the backend let it be had.
    fn lends(&self, id: &VersionId) -> Result<Option<Secret>, String> {
        let opens = self.key.version(id).is_some_and(|version| version.state.opens());
        let encoded = self.backend.encoded(self.at, id);
        match self.able.exports && opens {
            true => law("what is delivered is not nothing", !encoded.map_err(say)?.is_empty())?,
            false => refused("nothing is delivered that does not open or may not leave", encoded)?,
        }
        let material = self.backend.material(self.at, id);
        if !(opens && self.able.reopens == Reopens::Local) {
            return refused("a version that is disabled does not open", material).map(|()| None);
        }
        let material = material.map_err(say)?;
        if self.able.fingerprints == Fingerprints::Bytes {
            let known = self.key.version(id).and_then(|version| version.fingerprint.as_ref());
            let is = material.fingerprint().hex();
            law("a fingerprint is the SHA-256 of the key", known.is_some_and(|known| known.as_str() == is))?;
        }
        Ok(Some(material))
    }

    fn switching(&mut self, id: &VersionId) -> Result<(), String> {
        self.change(&Change::Switch { to: id.clone() }, None)?;
        let nobody = "nobody".parse().map_err(say)?;
        self.refuses("nobody can be current", &Change::Switch { to: nobody })?;
        self.refuses("the current version is not retired", &Change::Retire { version: id.clone() })?;
        self.refuses("the current version is not discarded", &Change::Discard { version: id.clone() })?;
        self.refuses("the current version is not destroyed", &Change::Destroy { version: id.clone() })?;
        self.lends(id).map(|_| ())
    }

    fn going_back(&mut self, old: &VersionId, new: &VersionId) -> Result<(), String> {
        let back = Change::Switch { to: old.clone() };
        if !self.able.demotes {
            return self.refuses("what cannot go back says so", &back);
        }
        self.change(&back, None)?;
        self.change(&Change::Switch { to: new.clone() }, None)
    }

    fn disabling(&mut self, old: &VersionId, new: &VersionId) -> Result<(), String> {
        let retire = Change::Retire { version: old.clone() };
        if self.able.disables == Disables::No {
            return self.refuses("what cannot disable says so", &retire);
        }
        let before = self.lends(old)?;
        self.change(&retire, None)?;
        self.lends(old)?;
        self.lends(new)?;
        self.refuses("a disabled version is not current", &Change::Switch { to: old.clone() })?;
        self.change(&Change::Enable { version: old.clone() }, None)?;
        let same = match (before, self.lends(old)?) {
            (Some(before), Some(after)) => before.same(&after),
            (before, after) => before.is_none() && after.is_none(),
        };
        law("enabling gives back the same material", same)?;
        self.change(&retire, None)
    }

    fn destroying(&mut self, old: &VersionId, new: &VersionId) -> Result<(), String> {
        let destroy = Change::Destroy { version: old.clone() };
        if !self.able.destroys {
            return self.refuses("what cannot destroy says so", &destroy);
        }
        self.change(&destroy, None)?;
        self.lends(old)?;
        self.lends(new)?;
        self.refuses("what is destroyed stays so", &Change::Enable { version: old.clone() })?;
        self.refuses("what is destroyed is not current again", &Change::Switch { to: old.clone() })
    }

    /// Where one floor disables and ends everything below it, each version has its turn.
    fn floor(&mut self) -> Result<(), String> {
        if self.able.disables != Disables::Floor {
            return Ok(());
        }
        let staged = self.key.versions.iter().find(|version| version.state == State::Staged);
        if let Some(version) = staged.map(|version| version.id.clone()) {
            self.change(&Change::Discard { version }, None)?;
        }
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.extend(self.key.current().map(|version| version.id.clone()));
            let made = self.adding()?;
            self.switching(&made)?;
        }
        let [older, newer] = ids.as_slice() else { return Err("broken: one version is current".to_owned()) };
        let opening: Vec<VersionId> = self.key.opening().map(|version| version.id.clone()).collect();
        for id in opening.iter().take_while(|id| *id != older) {
            self.change(&Change::Retire { version: id.clone() }, None)?;
        }
        let retire = |id: &VersionId| Change::Retire { version: id.clone() };
        let enable = |id: &VersionId| Change::Enable { version: id.clone() };
        self.refuses("a floor is not raised over an older version that opens", &retire(newer))?;
        self.change(&retire(older), None)?;
        self.change(&retire(newer), None)?;
        self.refuses("a floor is not lowered under a newer version that is disabled", &enable(older))?;
        self.change(&enable(newer), None)?;
        self.change(&enable(older), None)?;
        self.lends(older)?;
        self.change(&retire(older), None)?;
        self.change(&retire(newer), None)?;
        if !self.able.destroys {
            return Ok(());
        }
        let destroy = |id: &VersionId| Change::Destroy { version: id.clone() };
        self.refuses("what is older ends first", &destroy(newer))?;
        let before: Vec<VersionId> = self.key.versions.iter().map(|version| version.id.clone()).collect();
        for id in before.iter().take_while(|id| *id != newer) {
            if self.key.version(id).is_some_and(|version| version.state != State::Destroyed) {
                self.change(&destroy(id), None)?;
            }
        }
        self.change(&destroy(newer), None)
    }

    fn discarding(&mut self) -> Result<(), String> {
        let third = self.adding()?;
        if self.able.promotes {
            return self.refuses("a version that was current is not discarded", &Change::Discard { version: third });
        }
        self.change(&Change::Discard { version: third.clone() }, None)?;
        self.lends(&third)?;
        let fourth = self.adding()?;
        law("a discarded id is not given again", third != fourth)
    }
}
