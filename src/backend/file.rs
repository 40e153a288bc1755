//! Key files: a folder per key, a file per version named by its id, and `ring.json` beside them, which alone says what is true.
//!
//! A file is `ID.key`, mode 0600, in a folder of mode 0700; disabled versions lie in `disabled/`. Files that are no version are
//! reported and never touched. A folder with one version's file and no books is taken over with that version current.

mod begin;
mod beside;
mod change;
mod folder;
mod locked;
mod ring;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests;

use crate::backend::coding;
use crate::backend::coding::Material;
use crate::backend::file::folder::Folder;
use crate::backend::file::folder::Found;
use crate::backend::file::ring::Ring;
use crate::backend::id::Ids;
use crate::backend::id::file_name;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::inventory::key::Drift;
use crate::model::Change;
use crate::model::Hour;
use crate::model::State;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::secret::Secret;
use crate::template::Template;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How often a look begins anew because the folder changed meanwhile.
const LOOKS_MAX: u32 = 5;

/// Keys in folders below a root.
#[derive(Debug)]
pub struct KeyFiles {
    root: PathBuf,
    codings: Vec<Coding>,
    ids: Ids,
    run: Mutex<Option<String>>,
}

impl KeyFiles {
    /// Key files below `root`, the project's folder.
    ///
    /// # Errors
    /// The id template makes no names for files, or the coding cannot hold a key.
    pub fn new(root: &Path, codings: &[Coding], id: &Template) -> Result<Self, String> {
        let codings = codings.to_vec();
        // A key of any bytes must be writable: found out here rather than at the first rotation.
        coding::encode(&codings, &Secret::from_vec(vec![0xff; 32]))?;
        Ok(Self { root: root.to_owned(), codings, ids: Ids::new(id.clone())?, run: Mutex::default() })
    }

    fn folder(&self, at: &str) -> Result<Folder<'_>, Fault> {
        let folder = Folder::at(&self.root, at, &self.codings, &self.ids)?;
        Ok(Folder { run: self.run().clone(), ..folder })
    }

    fn run(&self) -> MutexGuard<'_, Option<String>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(folder: &Folder<'_>) -> Result<Ring, Fault> {
        folder.ring()?.map_or_else(|| begin::begin(folder), Ok)
    }

    fn found(&self, at: &str, id: &VersionId) -> Result<Material, Failed> {
        let folder = self.folder(at)?;
        let ring = Self::ring(&folder)?;
        let Some(entry) = ring.entry(id) else {
            return Err(Failed::refused(format!("there is no version `{id}` in `{at}`")));
        };
        if entry.destroying || !entry.state.opens() {
            let state = if entry.destroying { State::Destroyed } else { entry.state };
            return Err(Failed::refused(format!("version `{id}` is {state} and opens nothing")));
        }
        let doing = || format!("read version `{id}` in `{at}`");
        match folder.find(id, &entry.fingerprint)? {
            Found::Well(material) => Ok(material),
            Found::Changed(why) => Err(Fault::ask_operator(doing(), format!("its key file is not what it was: {why}"))
                .hint("put the right file back")
                .into()),
            Found::Gone => {
                Err(Fault::ask_operator(doing(), "its key file is gone").hint("restore the file from a backup").into())
            }
        }
    }
}

fn look(folder: &Folder<'_>, ring: &Ring) -> Result<Look, Fault> {
    let mut look = Look { key: ring.key(), run: ring.run.clone(), ..Look::default() };
    for entry in &ring.versions {
        look.algorithms.insert(entry.id.clone(), entry.algorithm);
        if entry.state == State::Destroyed || entry.destroying {
            continue;
        }
        match folder.find(&entry.id, &entry.fingerprint)? {
            Found::Well(_) => {}
            Found::Changed(_) => look.drift.push(Drift::MaterialChanged { version: entry.id.clone() }),
            Found::Gone => look.drift.push(Drift::MaterialGone { version: entry.id.clone() }),
        }
    }
    let listing = folder.list()?;
    look.unknown_files = listing.others;
    for (id, path) in &listing.versions {
        let known = ring.entry(id);
        if known.is_some_and(|entry| entry.state != State::Destroyed) {
            continue;
        }
        match folder.read(path) {
            Ok(Ok(material)) if known.is_none() => {
                look.drift.push(Drift::VersionAppeared { version: id.clone() });
                look.strays.insert(id.clone(), material.fingerprint);
            }
            // A file under the name of a destroyed version may be a backup that somebody needs: it is only named.
            _ => look.unknown_files.push(file_name(id)),
        }
    }
    Ok(look)
}

impl Backend for KeyFiles {
    fn world(&self) -> Result<String, Fault> {
        let root = self.root.canonicalize();
        let root = root.map_err(|error| Fault::io(format!("find the folder `{}`", self.root.display()), &error))?;
        Ok(format!("folder {}", root.display()))
    }

    fn able(&self) -> Able {
        Able {
            promotes: false,
            demotes: true,
            disables: Disables::Each,
            destroys: true,
            exports: true,
            reopens: Reopens::Local,
            fingerprints: Fingerprints::Bytes,
            marks: true,
            remembers: true,
        }
    }

    fn sign_as(&self, run: &str) {
        *self.run() = Some(run.to_owned());
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        let folder = self.folder(at)?;
        for _ in 0..LOOKS_MAX {
            let ring = Self::ring(&folder)?;
            let look = look(&folder, &ring)?;
            // What moved while we looked would seem to be gone.
            if folder.ring()?.is_none_or(|after| after.revision == ring.revision) {
                return Ok(look);
            }
        }
        Err(Fault::retry(format!("look into the key folder `{}`", folder.path.display()), "it changes all the time"))
    }

    fn beside(&self, named: &[&str]) -> Result<Vec<String>, Fault> {
        Ok(beside::beside(&self.root, named, &self.ids))
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        let Some(length) = coding::length(algorithm) else {
            return Err(Failed::refused_with(
                "key files hold keys of AES only",
                "declare `algorithm = \"aes-256\"`, or a backend that makes such keys",
            ));
        };
        let folder = self.folder(at)?;
        let ring = Self::ring(&folder)?;
        let listing = folder.list()?;
        let used = ring.versions.iter().map(|entry| &entry.id).chain(listing.versions.keys());
        let highest = used.filter_map(|id| self.ids.n(id)).max().unwrap_or(0);
        let doing = || format!("choose the next version in `{at}`");
        let version = self.ids.nth(highest.saturating_add(1)).map_err(|why| Fault::give_up(doing(), why))?;
        let material = Secret::random(length)?;
        let fingerprint = coding::fingerprint(&material).map_err(|why| Fault::report_bug(doing(), why))?;
        Ok(Prepared { version, fingerprint: Some(fingerprint), algorithm, material: Some(material) })
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        change::make(&self.folder(at)?, change, prepared, now)
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.found(at, version).map(|material| material.secret)
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        let material = self.found(at, version)?;
        let encoded = coding::encode(&self.codings, &material.secret);
        encoded.map_err(|why| Fault::report_bug(format!("write down version `{version}` of `{at}`"), why).into())
    }

    fn adopt(&self, at: &str, version: &VersionId, now: Hour) -> Result<(), Failed> {
        change::adopt(&self.folder(at)?, version, now)
    }
}
