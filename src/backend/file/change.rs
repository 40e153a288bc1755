//! Changes to one folder, under its lock. The order is always: what must be there first, then the books, then what tidies up;
//! so that a crash leaves the books true, and a repeat of the same change goes on where it was cut off.

use crate::backend::file::coding;
use crate::backend::file::folder::Folder;
use crate::backend::file::folder::Found;
use crate::backend::file::folder::LOCK;
use crate::backend::file::folder::Material;
use crate::backend::file::folder::RING;
use crate::backend::file::ring::Entry;
use crate::backend::file::ring::Ring;
use crate::disk;
use crate::fault::Fault;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Failed;
use crate::port::backend::Prepared;
use crate::port::backend::judge;
use crate::secret::Secret;
use rustix::fs::OFlags;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// A folder that nobody else changes while this lives.
struct Locked<'f, 'a> {
    folder: &'f Folder<'a>,
    ring: Ring,
    /// Whether the books are on the disk as they stand here.
    kept: bool,
    _lock: Lock,
}

/// The lock. It dies with its process, and is let go by name otherwise: closing the file is not enough while a program that
/// another thread has just forked, and not yet begun, shares it.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it, which follows, lets it go too.
        let _best_effort = self.0.unlock();
    }
}

/// Makes one change.
pub(super) fn make(folder: &Folder<'_>, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
    let making = making(folder, change, prepared)?;
    if !folder.is_there()? {
        let Some(making) = &making else { return judge(&Key::default(), change, now).map(|_| ()) };
        // Nothing is made for the sake of a version that was never there.
        making.material()?;
        disk::make_folder(&folder.path, disk::PRIVATE_FOLDER)?;
    }
    let mut locked = lock(folder)?;
    locked.tidy(now)?;
    let Some(after) = judge(&locked.ring.key(), change, now)? else { return Ok(()) };
    match change {
        Change::Add { version, .. } => {
            let Some(making) = making else { return Ok(()) };
            locked.keep()?;
            let algorithm = locked.make_file(version, &making)?;
            if let Some(made) = after.version(version) {
                locked.ring.put(made, making.fingerprint, algorithm);
            }
            locked.commit()?;
        }
        Change::Switch { to } => {
            locked.well(to)?;
            locked.keep()?;
            locked.ring.take_over(&after);
            locked.commit()?;
        }
        Change::Retire { .. } => {
            locked.keep()?;
            locked.ring.take_over(&after);
            locked.commit()?;
            locked.tidy(now)?;
        }
        Change::Enable { version } => {
            locked.well(version)?;
            // Before the books say so, so that no reader of the books looks for a file that is not yet there.
            locked.move_to(version, State::DecryptOnly)?;
            locked.ring.take_over(&after);
            locked.commit()?;
        }
        Change::Discard { version } | Change::Destroy { version } => {
            locked.refuse_changed(version)?;
            locked.ring.begin_destroying(version);
            locked.commit()?;
            locked.tidy(now)?;
        }
    }
    Ok(())
}

/// What it takes to make a version.
struct Making<'p> {
    id: VersionId,
    fingerprint: Fingerprint,
    prepared: Option<&'p Prepared>,
}

impl Making<'_> {
    fn material(&self) -> Result<(&Secret, Algorithm), Failed> {
        let made = self.prepared.filter(|made| made.version == self.id);
        let made = made.filter(|made| made.fingerprint.as_ref() == Some(&self.fingerprint));
        let material = made.and_then(|made| made.material.as_ref().map(|material| (material, made.algorithm)));
        material.ok_or_else(|| Failed::Unmade(self.id.clone()))
    }
}

/// What an add asks for, once it is one that key files can do.
fn making<'p>(
    folder: &Folder<'_>,
    change: &Change,
    prepared: Option<&'p Prepared>,
) -> Result<Option<Making<'p>>, Failed> {
    let Change::Add { version, fingerprint, promotes } = change else { return Ok(None) };
    if *promotes {
        return Err(Failed::refused("key files are not switched in the act that adds one"));
    }
    if folder.ids.n(version).is_none() {
        return Err(Failed::refused(format!("`{version}` is not an id of the form `{}`", folder.ids.as_str())));
    }
    let Some(fingerprint) = fingerprint.clone() else {
        return Err(Fault::report_bug(format!("add version `{version}`"), "a key file has a fingerprint").into());
    };
    Ok(Some(Making { id: version.clone(), fingerprint, prepared }))
}

/// Takes a version that lies in the folder into the books.
pub(super) fn adopt(folder: &Folder<'_>, version: &VersionId, now: Hour) -> Result<(), Failed> {
    let unknown =
        || Failed::refused(format!("there is no file of a version `{version}` in `{}`", folder.path.display()));
    if !folder.is_there()? {
        return Err(unknown());
    }
    let lock = take_lock(folder)?;
    let books = folder.ring()?;
    let fresh = books.is_none();
    let ring = books.unwrap_or_else(Ring::empty);
    let mut versions = folder.list()?.versions;
    if fresh {
        versions.retain(|_, path| path.parent() == Some(&folder.path));
    }
    match ring.entry(version) {
        Some(entry) if entry.state != State::Destroyed => return Ok(()),
        None if versions.contains_key(version) => {}
        _ => return Err(unknown()),
    }
    let mut locked = Locked { folder, ring, kept: true, _lock: lock };
    // With books, one more version: somebody may have sealed under it, so it opens and may not be thrown away. Without books,
    // the one that was named is current, and the others open what they sealed.
    if !fresh {
        versions.retain(|id, _| id == version);
    }
    let mut found: Vec<(&VersionId, &PathBuf)> = versions.iter().collect();
    found.sort_by_key(|(id, _)| folder.ids.n(id));
    for (id, path) in found {
        let state = if fresh && id == version { State::Current } else { State::DecryptOnly };
        let material = readable(folder, path)?;
        let known = Version { since: Some(now), ..Version::new(id.clone(), state) };
        locked.ring.put(&known, material.fingerprint, material.algorithm);
    }
    locked.commit()?;
    locked.tidy(now)
}

/// The books as they would be begun for a folder that has none: one version's file makes that version the current one.
pub(super) fn begin(folder: &Folder<'_>) -> Result<Ring, Fault> {
    let mut ring = Ring::empty();
    let mut versions = folder.list()?.versions;
    versions.retain(|_, path| path.parent() == Some(&folder.path));
    let Some((id, path)) = versions.first_key_value() else { return Ok(ring) };
    if versions.len() > 1 {
        let mut ids: Vec<&VersionId> = versions.keys().collect();
        ids.sort_by_key(|id| folder.ids.n(id));
        let names: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
        let newest = ids.last().map_or(id, |id| id);
        let why = format!("it holds {} and no `{RING}`: which one is current?", names.join(", "));
        return Err(Fault::ask_operator(format!("look into the key folder `{}`", folder.path.display()), why)
            .hint(format!("`keyrota adopt KEY@{newest}`, if that is the one that is sealed under today")));
    }
    let material = readable(folder, path)?;
    ring.put(&Version::new(id.clone(), State::Current), material.fingerprint, material.algorithm);
    Ok(ring)
}

fn readable(folder: &Folder<'_>, path: &Path) -> Result<Material, Fault> {
    folder.read(path)?.map_err(|why| Fault::ask_operator(format!("read the key in `{}`", path.display()), why))
}

fn lock<'f, 'a>(folder: &'f Folder<'a>) -> Result<Locked<'f, 'a>, Fault> {
    let lock = take_lock(folder)?;
    let (ring, kept) = match folder.ring()? {
        Some(ring) => (ring, true),
        None => (begin(folder)?, false),
    };
    Ok(Locked { folder, ring, kept, _lock: lock })
}

fn take_lock(folder: &Folder<'_>) -> Result<Lock, Fault> {
    let path = folder.path.join(LOCK);
    let doing = || format!("lock the key folder `{}`", folder.path.display());
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(disk::PRIVATE_FILE)
        .custom_flags((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed())
        .open(&path)
        .map_err(|error| Fault::io(doing(), &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => {
            Err(Fault::retry(doing(), "another process is changing it").hint("wait until it is done"))
        }
        Err(TryLockError::Error(error)) => Err(Fault::io(doing(), &error)),
    }
}

impl Locked<'_, '_> {
    /// Puts the books on the disk where they are not yet: from here on, what lies in the folder is told by them alone.
    fn keep(&mut self) -> Result<(), Fault> {
        if self.kept { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let path = self.folder.path.join(RING);
        let doing = || format!("write `{}`", path.display());
        let on_disk = self.folder.ring()?.map_or(0, |ring| ring.revision);
        if on_disk != self.ring.revision {
            return Err(Fault::retry(doing(), "somebody else wrote it, without the lock"));
        }
        self.ring.revision = on_disk.saturating_add(1);
        let text = self.ring.text().map_err(|why| Fault::report_bug(doing(), why))?;
        disk::write_whole(&path, &text, disk::PRIVATE_FILE)?;
        self.kept = true;
        Ok(())
    }

    /// Does what a crash may have left undone: moves, destructions that had begun, halves of files.
    fn tidy(&mut self, now: Hour) -> Result<(), Failed> {
        disk::sweep(&self.folder.path.join(RING))?;
        let entries: Vec<Entry> = self.ring.versions.clone();
        for entry in entries {
            let places = self.folder.places(&entry.id);
            places.iter().try_for_each(|place| disk::sweep(place))?;
            if entry.destroying {
                self.refuse_changed(&entry.id)?;
                places.iter().try_for_each(|place| disk::shred(place))?;
                self.ring.end_destroying(&entry.id, now);
                self.commit()?;
            } else if entry.state != State::Destroyed {
                self.move_to(&entry.id, entry.state)?;
            }
        }
        Ok(())
    }

    /// Moves a version's file to where one in this state lies. A file that is not there is drift, and `look` says so.
    fn move_to(&self, id: &VersionId, state: State) -> Result<(), Fault> {
        let [main, disabled] = self.folder.places(id);
        let (from, to) = if state == State::Disabled { (main, disabled) } else { (disabled, main) };
        let facts = |path: &Path| fs::symlink_metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
        match (facts(&from), facts(&to)) {
            (None, _) => Ok(()),
            (Some(_), None) => {
                if state == State::Disabled {
                    disk::make_folder(&self.folder.disabled(), disk::PRIVATE_FOLDER)?;
                }
                disk::rename(&from, &to)
            }
            // One file under two names: a move in two steps that was cut off between them.
            (old, new) if old == new => disk::remove(&from),
            // Two files: whose they are must be found out first, and `look` names the one that is not ours.
            _ => Ok(()),
        }
    }

    /// Puts a version's key file in place, or finds it there from an attempt that was cut off.
    fn make_file(&self, id: &VersionId, making: &Making<'_>) -> Result<Algorithm, Failed> {
        let [path, _] = self.folder.places(id);
        disk::sweep(&path)?;
        match self.folder.find(id, &making.fingerprint)? {
            Found::Well(material) => return Ok(material.algorithm),
            Found::Changed(why) => {
                let why = format!("`{}` is there already, and it is not ours: {why}", path.display());
                return Err(Failed::refused_with(why, "look who else adds versions, then plan anew"));
            }
            Found::Gone => {}
        }
        let (material, algorithm) = making.material()?;
        let file = coding::encode(self.folder.codings, material);
        let file = file.map_err(|why| Fault::report_bug(format!("write `{}`", path.display()), why))?;
        file.lend(|bytes| disk::create_new(&path, bytes, disk::PRIVATE_FILE))?;
        // Before anybody is told of it: what the disk gives back is what was meant.
        let doing = || format!("read back `{}`", path.display());
        match self.folder.find(id, &making.fingerprint)? {
            Found::Well(_) => Ok(algorithm),
            Found::Changed(why) => Err(Fault::give_up(doing(), why).into()),
            Found::Gone => Err(Fault::give_up(doing(), "it is not there").into()),
        }
    }

    /// Refuses to build on a version whose material is not what the books say.
    fn well(&self, id: &VersionId) -> Result<(), Fault> {
        let Some(entry) = self.ring.entry(id) else { return Ok(()) };
        let doing = || format!("use version `{id}` in `{}`", self.folder.path.display());
        let (why, hint) = match self.folder.find(id, &entry.fingerprint)? {
            Found::Well(_) => return Ok(()),
            Found::Changed(why) => (format!("its key file is not what it was: {why}"), "put the right file back"),
            Found::Gone => ("its key file is gone".to_owned(), "restore the file from a backup"),
        };
        Err(Fault::ask_operator(doing(), why).hint(hint))
    }

    /// Refuses to destroy a file that is not the version's.
    fn refuse_changed(&self, id: &VersionId) -> Result<(), Failed> {
        let Some(entry) = self.ring.entry(id) else { return Ok(()) };
        for path in self.folder.places(id) {
            if fs::symlink_metadata(&path).is_err() {
                continue;
            }
            let ours = self.folder.read(&path)?.is_ok_and(|material| material.fingerprint == entry.fingerprint);
            if !ours {
                let why = format!("`{}` does not hold version `{id}`", path.display());
                return Err(Failed::refused_with(why, "move the file away: whose it is must be found out first"));
            }
        }
        Ok(())
    }
}
