//! Changes to one folder, under its lock. The order is always: what must be there first, then the books, then what tidies up;
//! so that a crash leaves the books true, and a repeat of the same change goes on where it was cut off.

use crate::backend::file::begin::readable;
use crate::backend::file::folder::Folder;
use crate::backend::file::locked::Locked;
use crate::backend::file::locked::Making;
use crate::backend::file::locked::lock;
use crate::backend::file::locked::take_lock;
use crate::backend::file::ring::Ring;
use crate::disk;
use crate::fault::Fault;
use crate::model::Change;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::port::backend::Failed;
use crate::port::backend::Prepared;
use crate::port::backend::judge;
use std::path::PathBuf;

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
    let mut ring = books.unwrap_or_else(Ring::empty);
    // Whoever adopts takes the books over as they stand: the mark of a run that nobody knows any more goes with it.
    let marked = ring.run != folder.run;
    ring.run.clone_from(&folder.run);
    let mut versions = folder.list()?.versions;
    if fresh {
        versions.retain(|_, path| path.parent() == Some(&folder.path));
    }
    match ring.entry(version) {
        Some(entry) if entry.state != State::Destroyed => {
            return match marked {
                true => Ok(Locked { folder, ring, kept: true, _lock: lock }.commit()?),
                false => Ok(()),
            };
        }
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
