//! Destroying a file: off its name, overwritten, then gone; each step durable before the next.
//!
//! A journaling file system or an SSD may keep copies all the same: whoever reports a destruction says so.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::disk::PRIVATE_FILE;
use crate::disk::crash;
use crate::disk::flags;
use crate::disk::folder::rename_free;
use crate::disk::folder::take;
use crate::disk::folder_of;
use crate::disk::sync_folder;
use crate::disk::write::TEMPORARY;
use crate::disk::write::beside;
use crate::fault::Fault;

const GONE: &str = ".keyrota-gone";

/// Destroys a file, and whatever an earlier attempt left of it. One that is not there is well.
///
/// # Errors
/// It cannot be destroyed, is no regular file, or has a second name (a hard link), whose owner must be asked first.
pub fn shred(path: &Path) -> Result<(), Fault> {
    let doing = || format!("destroy `{}`", path.display());
    let failed = |error: io::Error| Fault::io(doing(), &error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return sweep(path),
        Err(error) => return Err(failed(error)),
        Ok(facts) if !facts.is_file() => return Err(Fault::ask_operator(doing(), "it is not a regular file")),
        Ok(facts) if facts.nlink() > 1 => {
            return Err(Fault::ask_operator(doing(), format!("the file has {} names (hard links)", facts.nlink()))
                .hint(format!("find them with `find / -xdev -samefile {}` and remove the others", path.display())));
        }
        Ok(_) => {}
    }
    let shredded = || -> io::Result<()> {
        let gone = beside(path, GONE)?;
        crash::around("shred.rename", || rename_free(path, &gone))?;
        sync_folder(folder_of(path), "shred.sync_name")?;
        scrub(&gone)
    };
    shredded().map_err(failed)?;
    sweep(path)
}

/// Destroys what crashes left beside `path`: temporary files of a write that was cut off, half-destroyed ones. Only for whoever
/// holds the lock on the place: another process's unfinished write looks the same.
///
/// # Errors
/// The folder cannot be read, or a leftover cannot be destroyed.
pub fn sweep(path: &Path) -> Result<(), Fault> {
    let swept = || -> io::Result<()> { leftovers(path)?.iter().try_for_each(|leftover| scrub(leftover)) };
    swept().map_err(|error| Fault::io(format!("clear away what is left beside `{}`", path.display()), &error))
}

fn leftovers(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut start = b".".to_vec();
    start.extend_from_slice(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.as_bytes());
    start.push(b'.');
    let entries = match fs::read_dir(folder_of(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let middle = name
            .as_bytes()
            .strip_prefix(start.as_slice())
            .and_then(|rest| rest.strip_suffix(GONE.as_bytes()).or_else(|| rest.strip_suffix(TEMPORARY.as_bytes())));
        let ours = middle.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit));
        if ours && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Overwrites a file and takes it away. One with a second name only loses this one: its bytes belong to the other name too.
pub(super) fn scrub(path: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(path)?;
    if facts.nlink() == 1 && facts.len() > 0 {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE_FILE))?;
        let mut file =
            fs::OpenOptions::new().write(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::CLOEXEC)).open(path)?;
        crash::around("shred.overwrite", || overwrite(&mut file, facts.len()))?;
        crash::around("shred.sync", || file.sync_all())?;
    }
    crash::around("shred.unlink", || take(path))?;
    sync_folder(folder_of(path), "shred.sync_folder")
}

fn overwrite(file: &mut fs::File, len: u64) -> io::Result<()> {
    let zeros = [0; 4096];
    let mut left = len;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all(zeros.get(..count).unwrap_or(&zeros))?;
        left = left.saturating_sub(count as u64);
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::io::Seek;
    use std::os::unix::fs::PermissionsExt;

    use super::shred;
    use super::sweep;

    #[test]
    fn the_bytes_are_gone_before_the_name_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1.key");
        fs::write(&path, vec![7; 5000]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        let mut open = fs::File::open(&path).unwrap();
        shred(&path).unwrap();
        let mut bytes = Vec::new();
        open.rewind().unwrap();
        open.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, vec![0; 5000]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        shred(&path).unwrap();
    }

    #[test]
    fn a_second_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("v1.key"), folder.path().join("backup"));
        fs::write(&path, b"canary").unwrap();
        fs::hard_link(&path, &backup).unwrap();
        assert!(shred(&path).unwrap_err().hint.is_some());
        assert_eq!((fs::read(&path).unwrap(), fs::read(&backup).unwrap()), (b"canary".to_vec(), b"canary".to_vec()));
        assert!(shred(folder.path()).is_err());
    }

    #[test]
    fn leftovers_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text: &str| folder.path().join(text);
        for text in [".a.0123456789abcdef.keyrota-new", ".a.0123456789abcdef.keyrota-gone"] {
            fs::write(name(text), b"canary").unwrap();
        }
        let stay = [".a.x.keyrota-new", ".b.0123456789abcdef.keyrota-new", "a", ".a"];
        for text in stay {
            fs::write(name(text), b"canary").unwrap();
        }
        sweep(&name("a")).unwrap();
        assert!(stay.iter().all(|text| fs::read(name(text)).unwrap() == b"canary"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), stay.len());
        shred(&folder.path().join("no/folder")).unwrap();
    }
}
