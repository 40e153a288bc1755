//! Files that hold keys: read only where nobody else could have read or changed them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::folder_of;
use crate::disk::read_open;
use crate::fault::Fault;
use crate::secret::Secret;

/// No key, key set or certificate key is larger.
const PRIVATE_BYTES_MAX: u64 = 1 << 20;

/// Reads a private file: a regular file, no symbolic link, that its group and others cannot touch, in a folder that they
/// cannot touch either. The file is opened within the folder that was looked at, so that neither can be swapped in between.
///
/// # Errors
/// It cannot be read, or is not private; the hint says which `chmod` mends it.
pub fn read_private(path: &Path) -> Result<Secret, Fault> {
    read_in(path, 0o077, 0o700)
}

/// [`read_private`] for a file in a folder of somebody else, which others may enter but not change: they cannot read the file,
/// nor put another in its place.
///
/// # Errors
/// As [`read_private`].
pub fn read_private_file(path: &Path) -> Result<Secret, Fault> {
    read_in(path, 0o022, 0o755)
}

fn read_in(path: &Path, shut: u32, mended: u32) -> Result<Secret, Fault> {
    let doing = || format!("read `{}`", path.display());
    let failed = |error: Errno| Fault::io(doing(), &io::Error::from(error));
    let folder = folder_of(path);
    let name = path.file_name().ok_or_else(|| Fault::ask_operator(doing(), "it names no file"))?;

    let open = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let open = File::from(open.map_err(failed)?);
    refuse_public(&open, folder, (shut, mended), &doing)?;

    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::openat(&open, name, how, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => Fault::ask_operator(doing(), "it is a symbolic link").hint("name the file that it points to"),
        other => failed(other),
    })?;
    let file = File::from(file);
    refuse_public(&file, path, (0o077, 0o600), &doing)?;
    read_open(file, PRIVATE_BYTES_MAX, doing).map(Secret::from_vec)
}

fn refuse_public(
    file: &File,
    path: &Path,
    (shut, mended): (u32, u32),
    doing: &impl Fn() -> String,
) -> Result<(), Fault> {
    let mode = file.metadata().map_err(|error| Fault::io(doing(), &error))?.mode() & 0o7777;
    if mode & shut == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Fault::ask_operator(doing(), format!("`{path}` is open to others than its owner (mode {mode:04o})"))
        .hint(format!("`chmod {mended:o} {path}`, and think about who could have read it")))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::read_private;
    use super::read_private_file;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        let fault = read_private(path).err().unwrap();
        format!("{fault} ({})", fault.hint.clone().unwrap_or_default())
    }

    #[test]
    fn reads_only_what_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1.key");
        fs::write(&path, b"canary").unwrap();
        set(folder.path(), 0o700);
        for mode in [0o600, 0o400] {
            set(&path, mode);
            assert_eq!(read_private(&path).ok().unwrap().lend(<[u8]>::to_vec), b"canary");
        }
        for mode in [0o640, 0o604, 0o610, 0o602] {
            set(&path, mode);
            assert!(refusal(&path).contains(&format!("mode 0{mode:o}) (`chmod 600 ")), "{}", refusal(&path));
        }
        set(&path, 0o600);
        for mode in [0o750, 0o701] {
            set(folder.path(), mode);
            assert!(refusal(&path).contains("(`chmod 700 "), "{}", refusal(&path));
        }
    }

    #[test]
    fn a_folder_of_others_may_be_entered_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        fs::write(&path, b"canary").unwrap();
        set(&path, 0o600);
        for (mode, well) in [(0o700, true), (0o755, true), (0o750, true), (0o770, false), (0o707, false)] {
            set(folder.path(), mode);
            assert_eq!(read_private_file(&path).is_ok(), well, "{mode:o}");
        }
        set(folder.path(), 0o755);
        set(&path, 0o640);
        assert!(read_private_file(&path).err().unwrap().hint.unwrap().starts_with("`chmod 600 "));
    }

    #[test]
    fn follows_no_link_and_reads_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 0o700);
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, b"canary").unwrap();
        set(&target, 0o600);
        symlink(&target, &link).unwrap();
        assert!(refusal(&link).contains("it is a symbolic link"));
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        set(&inner, 0o700);
        assert!(refusal(&inner).contains("it is not a regular file"));
        assert!(refusal(&folder.path().join("absent")).contains("could not read"));
        assert!(refusal(Path::new("/")).contains("it names no file"));
    }
}
