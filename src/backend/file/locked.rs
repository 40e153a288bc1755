//! A folder under its lock: the books committed, what a crash left undone done, files made, moved and looked at.

use crate::backend::coding;
use crate::backend::file::begin::begin;
use crate::backend::file::folder::Folder;
use crate::backend::file::folder::Found;
use crate::backend::file::folder::LOCK;
use crate::backend::file::folder::RING;
use crate::backend::file::ring::Entry;
use crate::backend::file::ring::Ring;
use crate::disk;
use crate::fault::Fault;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::State;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Failed;
use crate::port::backend::Prepared;
use crate::secret::Secret;
use rustix::fs::OFlags;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A folder that nobody else changes while this lives.
pub(super) struct Locked<'f, 'a> {
    pub(super) folder: &'f Folder<'a>,
    pub(super) ring: Ring,
    /// Whether the books are on the disk as they stand here.
    pub(super) kept: bool,
    pub(super) _lock: Lock,
}

/// The lock. It dies with its process, and is let go by name otherwise: closing the file is not enough while a program that
/// another thread has just forked, and not yet begun, shares it.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it, which follows, lets it go too.
        let _best_effort = self.0.unlock();
    }
}

/// What it takes to make a version.
pub(super) struct Making<'p> {
    pub(super) id: VersionId,
    pub(super) fingerprint: Fingerprint,
    pub(super) prepared: Option<&'p Prepared>,
}

impl Making<'_> {
    pub(super) fn material(&self) -> Result<(&Secret, Algorithm), Failed> {
        let made = self.prepared.filter(|made| made.version == self.id);
        let made = made.filter(|made| made.fingerprint.as_ref() == Some(&self.fingerprint));
        let material = made.and_then(|made| made.material.as_ref().map(|material| (material, made.algorithm)));
        material.ok_or_else(|| Failed::Unmade(self.id.clone()))
    }
}

/// Locks a folder and opens its books, begun where there are none.
pub(super) fn lock<'f, 'a>(folder: &'f Folder<'a>) -> Result<Locked<'f, 'a>, Fault> {
    let lock = take_lock(folder)?;
    let (ring, kept) = match folder.ring()? {
        Some(ring) => (ring, true),
        None => (begin(folder)?, false),
    };
    Ok(Locked { folder, ring, kept, _lock: lock })
}

/// Takes the lock of a folder that is there.
pub(super) fn take_lock(folder: &Folder<'_>) -> Result<Lock, Fault> {
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
    pub(super) fn keep(&mut self) -> Result<(), Fault> {
        if self.kept { Ok(()) } else { self.commit() }
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        let path = self.folder.path.join(RING);
        let doing = || format!("write `{}`", path.display());
        let on_disk = self.folder.ring()?.map_or(0, |ring| ring.revision);
        if on_disk != self.ring.revision {
            return Err(Fault::retry(doing(), "somebody else wrote it, without the lock"));
        }
        self.ring.revision = on_disk.saturating_add(1);
        if let Some(run) = &self.folder.run {
            self.ring.run = Some(run.clone());
        }
        let text = self.ring.text().map_err(|why| Fault::report_bug(doing(), why))?;
        disk::write_whole(&path, &text, disk::PRIVATE_FILE)?;
        self.kept = true;
        Ok(())
    }

    /// Does what a crash may have left undone: moves, destructions that had begun, halves of files.
    pub(super) fn tidy(&mut self, now: Hour) -> Result<(), Failed> {
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
    pub(super) fn move_to(&self, id: &VersionId, state: State) -> Result<(), Fault> {
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
    pub(super) fn make_file(&self, id: &VersionId, making: &Making<'_>) -> Result<Algorithm, Failed> {
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
    pub(super) fn well(&self, id: &VersionId) -> Result<(), Fault> {
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
    pub(super) fn refuse_changed(&self, id: &VersionId) -> Result<(), Failed> {
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
