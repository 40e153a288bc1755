//! Names in folders: make, move and take away, each durable when it returns.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::disk::crash;
use crate::disk::folder_of;
use crate::disk::sync_folder;
use crate::fault::Fault;

/// Makes a folder and those above it that are missing, each with `mode`. One that is there is left as it is.
///
/// # Errors
/// It cannot be made, or something else has its name.
pub fn make_folder(path: &Path, mode: u32) -> Result<(), Fault> {
    make(path, mode).map_err(|error| Fault::io(format!("make folder `{}`", path.display()), &error))
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let folder = folder_of(path);
    if folder != Path::new(".") {
        make(folder, mode)?;
    }
    let made = crash::around("make_folder.make", || fs::DirBuilder::new().mode(mode).create(path));
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    sync_folder(folder, "make_folder.sync_folder")
}

/// Moves a file to a name that must be free: a name that is taken is a fault, so that no key file is ever lost under another.
///
/// # Errors
/// The file cannot be moved, or `to` is taken.
pub fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    let moved = || -> io::Result<()> {
        crash::around("rename.rename", || rename_free(from, to))?;
        sync_folder(folder_of(to), "rename.sync_folder")?;
        if folder_of(from) != folder_of(to) {
            sync_folder(folder_of(from), "rename.sync_old_folder")?;
        }
        Ok(())
    };
    moved().map_err(|error| {
        let fault = Fault::io(format!("move `{}` to `{}`", from.display(), to.display()), &error);
        match error.kind() {
            io::ErrorKind::AlreadyExists => fault.hint(format!("look at `{}` and move it away", to.display())),
            _ => fault,
        }
    })
}

/// `rename` that never replaces.
pub(super) fn rename_free(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::CWD;
        use rustix::fs::RenameFlags;
        use rustix::io::Errno;
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some network file systems know no such flag: the two steps below are as safe, but leave two names for a moment.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return Ok(other?),
        }
    }
    fs::hard_link(from, to)?;
    take(from)
}

/// Takes a file away. One that is not there is well: the same act twice is the same act once.
///
/// # Errors
/// It cannot be taken away.
pub fn remove(path: &Path) -> Result<(), Fault> {
    let removed = || -> io::Result<()> {
        match crash::around("remove.unlink", || take(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        sync_folder(folder_of(path), "remove.sync_folder")
    };
    removed().map_err(|error| Fault::io(format!("remove `{}`", path.display()), &error))
}

#[expect(clippy::disallowed_methods, reason = "this is the room that takes files away")]
pub(super) fn take(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

#[expect(clippy::disallowed_methods, reason = "this is the room that makes renames durable")]
pub(super) fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
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

    use super::make_folder;
    use super::remove;
    use super::rename;

    #[test]
    fn folders_are_made_with_their_parents() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        make_folder(&deep, 0o700).unwrap();
        make_folder(&deep, 0o755).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(make_folder(&folder.path().join("file"), 0o700).is_err());
        assert!(make_folder(&folder.path().join("file/x"), 0o700).is_err());
    }

    #[test]
    fn a_rename_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, b"a").unwrap();
        fs::write(&b, b"b").unwrap();
        assert!(rename(&a, &b).unwrap_err().hint.is_some());
        assert_eq!(fs::read(&b).unwrap(), b"b");
        remove(&b).unwrap();
        remove(&b).unwrap();
        rename(&a, &b).unwrap();
        assert_eq!(fs::read(&b).unwrap(), b"a");
        assert!(!a.exists());
    }
}
