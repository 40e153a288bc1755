//! Whole files: a reader sees the old bytes or the new ones, and after a power cut too.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::fs::Permissions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::Gid;
use rustix::fs::OFlags;
use rustix::fs::Uid;
use zeroize::Zeroizing;

use crate::disk::PRIVATE_FILE;
use crate::disk::crash;
use crate::disk::flags;
use crate::disk::folder::rename_free;
use crate::disk::folder::rename_over;
use crate::disk::folder_of;
use crate::disk::shred::scrub;
use crate::disk::sync_folder;
use crate::fault::Fault;
use crate::secret;

/// The end of a temporary file's name; [`super::sweep`] finds what a crash left of them.
pub(super) const TEMPORARY: &str = ".keyrota-new";

/// Puts a file in place whole and durably, over an older one or none, with exactly this `mode`.
///
/// # Errors
/// It cannot be written (the older one is then untouched, unless only the last sync failed), or the name is a symbolic link.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let written = || -> io::Result<()> {
        refuse_link(path)?;
        place(path, bytes, |file| file.set_permissions(Permissions::from_mode(mode)), rename_over)
    };
    written().map_err(|error| fault("write", path, &error))
}

/// [`write_whole`] for a file of somebody else: its mode and owner stay as they are. It must be there.
///
/// # Errors
/// As [`write_whole`]; also when the file is not there or its owner cannot be kept.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let written = || -> io::Result<()> {
        let facts = refuse_link(path)?.ok_or(io::ErrorKind::NotFound)?;
        place(path, bytes, |file| as_before(file, &facts), rename_over)
    };
    written().map_err(|error| fault("replace", path, &error))
}

/// [`replace`], if the file still holds these bytes at the moment before the rename. What remains of a race is the time
/// between that look and the rename.
///
/// # Errors
/// As [`replace`]; one that may be retried where somebody else has changed the file.
pub fn replace_if(path: &Path, before: &[u8], after: &[u8]) -> Result<(), Fault> {
    let written = || -> io::Result<()> {
        let facts = refuse_link(path)?.ok_or(io::ErrorKind::NotFound)?;
        let put = |from: &Path, to: &Path| match still_holds(to, before)? {
            true => rename_over(from, to),
            false => Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else changed it at this very moment")),
        };
        place(path, after, |file| as_before(file, &facts), put)
    };
    written().map_err(|error| fault("replace", path, &error))
}

fn still_holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = fs::OpenOptions::new().read(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::CLOEXEC)).open(path)?;
    let mut now = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(1)));
    file.take(bytes.len().saturating_add(1) as u64).read_to_end(&mut now)?;
    Ok(now.as_slice() == bytes)
}

/// Puts a new file in place whole and durably. A name that is taken is a fault and stays as it is.
///
/// # Errors
/// It cannot be written, or something has its name.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let written = || -> io::Result<()> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        place(path, bytes, |file| file.set_permissions(Permissions::from_mode(mode)), rename_free)
    };
    written().map_err(|error| fault("create", path, &error))
}

fn place(
    path: &Path,
    bytes: &[u8],
    dress: impl FnOnce(&File) -> io::Result<()>,
    put: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = beside(path, TEMPORARY)?;
    let placed = || -> io::Result<()> {
        let mut file = crash::around("write.create", || {
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(PRIVATE_FILE)
                .custom_flags(flags(OFlags::NOFOLLOW | OFlags::CLOEXEC))
                .open(&temporary)
        })?;
        crash::around("write.write", || file.write_all(bytes))?;
        dress(&file)?;
        crash::around("write.sync", || file.sync_all())?;
        crash::around("write.rename", || put(&temporary, path))?;
        sync_folder(folder_of(path), "write.sync_folder")
    };
    placed().inspect_err(|_| {
        // It may hold a key. The first error is the one to tell; what this leaves behind, `sweep` finds.
        if fs::symlink_metadata(&temporary).is_ok() {
            let _best_effort = scrub(&temporary);
        }
    })
}

fn as_before(file: &File, facts: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (facts.uid(), facts.gid()) {
        rustix::fs::fchown(file, Some(Uid::from_raw(facts.uid())), Some(Gid::from_raw(facts.gid())))?;
    }
    file.set_permissions(Permissions::from_mode(facts.mode() & 0o7777))
}

/// A hidden name beside `path` that nothing else uses.
pub(super) fn beside(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    let random = secret::random_array::<8>().map_err(io::Error::other)?;
    name.push(format!(".{}{ending}", hex::encode(random)));
    Ok(folder_of(path).join(name))
}

/// What stands at `path`, or that nothing does; a symbolic link is an error.
fn refuse_link(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_symlink() => Err(rustix::io::Errno::LOOP.into()),
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn fault(verb: &str, path: &Path, error: &io::Error) -> Fault {
    let fault = Fault::io(format!("{verb} `{}`", path.display()), error);
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return Fault { source: "it is a symbolic link".to_owned(), ..fault }.hint("name the file that it points to");
    }
    fault
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::create_new;
    use super::replace;
    use super::replace_if;
    use super::write_whole;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn whole_files_replace_each_other_and_leave_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring.json");
        write_whole(&path, b"one", 0o600).unwrap();
        write_whole(&path, b"two", 0o644).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path), names(folder.path())), (b"two".to_vec(), 0o644, 1));
    }

    #[test]
    fn a_new_file_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1");
        create_new(&path, b"one", 0o600).unwrap();
        assert!(create_new(&path, b"two", 0o600).is_err());
        assert_eq!((fs::read(&path).unwrap(), mode(&path), names(folder.path())), (b"one".to_vec(), 0o600, 1));
    }

    #[test]
    fn somebody_elses_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        assert!(replace(&path, b"x").is_err());
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
    }

    #[test]
    fn a_file_that_somebody_changed_meanwhile_stays_as_they_left_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        for other in [&b"on"[..], b"onet", b"two", b""] {
            let fault = replace_if(&path, other, b"three").unwrap_err();
            assert!(fault.may_retry(), "{fault}");
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"one".to_vec(), 1));
        }
        replace_if(&path, b"one", b"three").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"three".to_vec(), 0o640));
    }

    #[test]
    fn links_are_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, b"mine").unwrap();
        symlink(&target, &link).unwrap();
        assert!(write_whole(&link, b"x", 0o600).unwrap_err().to_string().ends_with("it is a symbolic link"));
        assert!(replace(&link, b"x").is_err());
        assert!(create_new(&link, b"x", 0o600).is_err());
        assert_eq!((fs::read(&target).unwrap(), names(folder.path())), (b"mine".to_vec(), 2));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_whole(&path, b"x", 0o600).is_err());
        assert_eq!(names(folder.path()), 1);
        assert!(write_whole(&folder.path().join("no/such/folder"), b"x", 0o600).is_err());
    }
}
