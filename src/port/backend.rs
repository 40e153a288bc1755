//! Where key material lives: looked at, changed one version at a time, and asked for material.

use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::key::Drift;
use crate::model::Act;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::Refusal;
use crate::model::Span;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use crate::port::service::Service;
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A place for keys. `at` is always the key's own place in it. Every change is durable when it returns, and the same change
/// twice is the same change once.
pub trait Backend {
    /// Which world this is, so that a plan drawn for another is refused.
    ///
    /// # Errors
    /// It cannot be asked.
    fn world(&self) -> Result<String, Fault>;

    /// What it can do.
    fn able(&self) -> Able;

    /// From here on every change bears the name of this run, where the place can keep such a mark: a home that does not
    /// know the run has lost its journal, or is another's.
    fn sign_as(&self, _run: &str) {}

    /// From here on none of these ids is chosen for a new version: they were given before. For a place that cannot know what
    /// was there; one that keeps its own books passes it over.
    fn reserve(&self, _at: &str, _given: &[VersionId]) {}

    /// What stands at a place. Reads only.
    ///
    /// # Errors
    /// It cannot be asked, or not safely (a key that others can read).
    fn look(&self, at: &str) -> Result<Look, Fault>;

    /// Places that look like keys, beside these that policies name. Reads only; a backend that cannot tell names none.
    ///
    /// # Errors
    /// It cannot be asked.
    fn beside(&self, _named: &[&str]) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// Whether these acts may be carried out at a place: permissions, limits, room for a way back. Changes nothing.
    ///
    /// # Errors
    /// Names what stands in the way, and the way out.
    fn fit(&self, _at: &str, _acts: &[Act]) -> Result<(), Fault> {
        Ok(())
    }

    /// What stands at a place, whole, as it would be put back by hand: it holds key material. Nothing where the place shows no
    /// such thing.
    ///
    /// # Errors
    /// It cannot be asked, or not safely.
    fn pre_image(&self, _at: &str) -> Result<Option<Secret>, Fault> {
        Ok(None)
    }

    /// Whether the place's own history brings back what stands there now, for at least so long and for as many changes as a
    /// rotation makes. Reads only.
    ///
    /// # Errors
    /// It does not, or nobody can tell.
    fn history(&self, at: &str, _keep: Span, _now: Hour) -> Result<(), Fault> {
        let hint = "write `pre_images = { to = \"age:NAME\", keep = \"..\" }`, with `[recipients]` in `keyrota.toml`";
        let doing = format!("keep pre-images of `{at}` in its backend's history");
        Err(Fault::give_up(doing, "this backend keeps no history of its own").hint(hint))
    }

    /// Chooses the next version's id and material in memory. Nothing is written: whoever asks writes down id and fingerprint
    /// first, so that after a crash it knows its own.
    ///
    /// # Errors
    /// [`Failed::Refused`]: it makes no such key.
    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed>;

    /// Makes a change, durably. `prepared` goes with [`Change::Add`] while it is at hand; after a crash the change alone finds
    /// what was made, or says [`Failed::Unmade`].
    ///
    /// # Errors
    /// [`Failed`], and then the place is as it was, or as far as a repeat of the same change finds it.
    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed>;

    /// The key's bytes.
    ///
    /// # Errors
    /// [`Failed::Refused`]: the version is disabled or destroyed, or material never leaves this backend.
    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed>;

    /// The version exactly as the backend's `as` writes it, no newline: what is delivered.
    ///
    /// # Errors
    /// As [`Backend::material`].
    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed>;

    /// Who opens and seals what this key seals, where only the service behind it can; nothing where we do it ourselves. Of its
    /// quota we take `share` percent at most, where that is given. Asks nobody anything yet.
    ///
    /// # Errors
    /// It cannot be reached by what the policy says.
    fn service(&self, _at: &str, _share: Option<u8>) -> Result<Option<Arc<dyn Service>>, Fault> {
        Ok(None)
    }

    /// Takes into our books a version that somebody else put there.
    ///
    /// # Errors
    /// [`Failed::Refused`]: there is no such version.
    fn adopt(&self, at: &str, version: &VersionId, now: Hour) -> Result<(), Failed>;
}

/// What stands at a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Its versions, oldest first.
    pub key: Key,
    /// What kind of key each version is, where that can be seen.
    pub algorithms: BTreeMap<VersionId, Algorithm>,
    /// What is not as we left it.
    pub drift: Vec<Drift>,
    /// Versions that lie there and that the books do not know, with their fingerprints: our own `add` that a crash cut off, or
    /// somebody else's.
    pub strays: BTreeMap<VersionId, Fingerprint>,
    /// Files that are no version. They are never touched.
    pub unknown_files: Vec<String>,
    /// The run that changed it last, where the place keeps such a mark.
    pub run: Option<String>,
}

/// A version chosen and not yet made. Its material cannot be printed.
pub struct Prepared {
    /// Its id.
    pub version: VersionId,
    /// What tells its material from any other.
    pub fingerprint: Option<Fingerprint>,
    /// What kind of key it is.
    pub algorithm: Algorithm,
    /// The key's bytes, where we choose them.
    pub material: Option<Secret>,
}

impl Prepared {
    /// The change that makes it.
    #[must_use]
    pub fn add(&self, promotes: bool) -> Change {
        Change::Add { version: self.version.clone(), fingerprint: self.fingerprint.clone(), promotes }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Why a backend did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The world failed: what was asked may or may not have happened.
    Fault(Fault),
    /// It will not be done as things stand, and nothing was changed.
    Refused {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
    /// The version to add was chosen by a process that died before it made anything: prepare another.
    Unmade(VersionId),
}

impl Failed {
    /// A refusal.
    #[must_use]
    pub fn refused(why: impl fmt::Display) -> Self {
        Self::Refused { why: why.to_string(), hint: None }
    }

    /// A refusal with the way out.
    #[must_use]
    pub fn refused_with(why: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self::Refused { why: why.to_string(), hint: Some(hint.into()) }
    }

    /// The way out, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) => fault.hint.as_deref(),
            Self::Refused { hint, .. } => hint.as_deref(),
            Self::Unmade(_) => None,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Refused { why, .. } => f.write_str(why),
            Self::Unmade(id) => write!(f, "version `{id}` was chosen and never made"),
        }
    }
}

impl std::error::Error for Failed {}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal)
    }
}

/// The key after `change` with its dates, or nothing where it stands so already. This is what "the same twice is once" and
/// "another's is not ours" mean, for every backend that keeps its own books.
///
/// # Errors
/// [`Failed::Refused`], in the words of [`Key::after`].
pub fn judge(key: &Key, change: &Change, now: Hour) -> Result<Option<Key>, Failed> {
    if let Change::Add { version, fingerprint, .. } = change
        && let Some(there) = key.version(version)
    {
        return judge_again(there, fingerprint.as_ref()).map(|()| None);
    }
    if let Some((id, wanted)) = aim(change)
        && key.version(id).is_some_and(|version| version.state == wanted)
    {
        return Ok(None);
    }
    let mut after = key.after(change)?;
    for version in &mut after.versions {
        date(version, key.version(&version.id), now);
    }
    Ok(Some(after))
}

/// Whether a change may be made where one floor disables, and ends, everything below it: each version in its turn, so that
/// no change does more than it says.
///
/// # Errors
/// [`Failed::Refused`]: names the version whose turn it is.
pub fn in_turn(key: &Key, change: &Change) -> Result<(), Failed> {
    let (version, newer, pending): (_, _, fn(State) -> bool) = match change {
        Change::Retire { version } => (version, false, State::opens),
        Change::Enable { version } => (version, true, |state| state == State::Disabled),
        Change::Destroy { version } => (version, false, |state| state != State::Destroyed),
        Change::Add { .. } | Change::Switch { .. } | Change::Discard { .. } => return Ok(()),
    };
    let Some(at) = key.versions.iter().position(|other| other.id == *version) else { return Ok(()) };
    let (older, from) = key.versions.split_at(at);
    let mut others = if newer { from.iter() } else { older.iter() };
    match others.find(|other| other.id != *version && pending(other.state)) {
        None => Ok(()),
        Some(other) => {
            let which = if newer { "newer" } else { "older" };
            let why =
                format!("a floor does not pass over the {which} version `{}`, which is {}", other.id, other.state);
            Err(Failed::refused(why))
        }
    }
}

/// Whether the version that is there is the one to add.
fn judge_again(there: &Version, fingerprint: Option<&Fingerprint>) -> Result<(), Failed> {
    let id = &there.id;
    if there.fingerprint.as_ref() != fingerprint {
        let why = format!("there is a version `{id}` already, and its material is not ours");
        return Err(Failed::refused_with(why, "look who else adds versions, then plan anew"));
    }
    if there.state == State::Destroyed {
        return Err(Failed::refused(format!("version `{id}` was made and is destroyed")));
    }
    Ok(())
}

/// The version that a change is about and the state that it leads to.
fn aim(change: &Change) -> Option<(&VersionId, State)> {
    match change {
        Change::Add { .. } => None,
        Change::Switch { to } => Some((to, State::Current)),
        Change::Retire { version } => Some((version, State::Disabled)),
        Change::Enable { version } => Some((version, State::DecryptOnly)),
        Change::Discard { version } | Change::Destroy { version } => Some((version, State::Destroyed)),
    }
}

fn date(version: &mut Version, before: Option<&Version>, now: Hour) {
    if before.is_some_and(|before| before.state == version.state) {
        return;
    }
    version.since = Some(now);
    if before.is_none() {
        version.born = Some(now);
    }
    // A version that is current again counts from when it first was: that is when somebody could first write with it. Where
    // that is not known, today is not when.
    let first = before.is_none_or(|before| before.state == State::Staged);
    if version.state == State::Current && version.current_since.is_none() && first {
        version.current_since = Some(now);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Failed;
    use super::in_turn;
    use super::judge;
    use crate::model::Change;
    use crate::model::Hour;
    use crate::model::Key;
    use crate::model::VersionId;

    fn hour(n: u32) -> Hour {
        format!("2026-03-01T{n:02}:00:00Z").parse().unwrap()
    }

    fn id(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    fn add(version: &str, print: &str) -> Change {
        Change::Add { version: id(version), fingerprint: Some(print.parse().unwrap()), promotes: false }
    }

    #[test]
    fn the_same_twice_is_once_and_anothers_is_refused() {
        let key = judge(&Key::default(), &add("v1", "aa"), hour(1)).unwrap().unwrap();
        assert_eq!(judge(&key, &add("v1", "aa"), hour(2)), Ok(None));
        assert!(matches!(judge(&key, &add("v1", "bb"), hour(2)), Err(Failed::Refused { .. })));
        let gone = judge(&key, &Change::Discard { version: id("v1") }, hour(3)).unwrap().unwrap();
        assert_eq!(judge(&gone, &Change::Discard { version: id("v1") }, hour(4)), Ok(None));
        assert!(matches!(judge(&gone, &add("v1", "aa"), hour(4)), Err(Failed::Refused { .. })));
    }

    #[test]
    fn a_floor_takes_each_version_in_its_turn() {
        let mut key = Key::default();
        for n in 1..=3 {
            let version = id(&format!("v{n}"));
            key = key.after(&Change::Add { version, fingerprint: None, promotes: true }).unwrap();
        }
        let (v1, v2) = (id("v1"), id("v2"));
        let (retire, enable) = (
            |v: &VersionId| Change::Retire { version: v.clone() },
            |v: &VersionId| Change::Enable { version: v.clone() },
        );
        let destroy = |v: &VersionId| Change::Destroy { version: v.clone() };
        assert!(in_turn(&key, &retire(&v2)).unwrap_err().to_string().contains("older version `v1`"));
        for change in [retire(&v1), retire(&v2)] {
            in_turn(&key, &change).unwrap();
            key = key.after(&change).unwrap();
        }
        assert!(in_turn(&key, &enable(&v1)).unwrap_err().to_string().contains("newer version `v2`"));
        assert!(in_turn(&key, &destroy(&v2)).is_err());
        in_turn(&key, &enable(&v2)).unwrap();
        in_turn(&key, &destroy(&v1)).unwrap();
    }

    #[test]
    fn dates_say_since_when() {
        let mut key = Key::default();
        let steps = [
            add("v1", "aa"),
            Change::Switch { to: id("v1") },
            add("v2", "bb"),
            Change::Switch { to: id("v2") },
            Change::Switch { to: id("v1") },
        ];
        for (n, change) in (1..).zip(steps) {
            key = judge(&key, &change, hour(n)).unwrap().unwrap();
        }
        let dates: Vec<_> = key.versions.iter().map(|v| (v.born, v.current_since, v.since)).collect();
        assert_eq!(
            dates,
            [(Some(hour(1)), Some(hour(2)), Some(hour(5))), (Some(hour(3)), Some(hour(4)), Some(hour(5)))]
        );
    }
}
