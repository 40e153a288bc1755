//! The only room that makes a file durable: write whole, append, sync, rename, shred, and sync the folder.
//!
//! Every durable act stands between two crash points ([`crash`]), so that a test can die at each of them. A symbolic link in
//! the last place of a path is never followed by a write. Nothing here knows what a file means, and nothing takes a lock.

pub mod crash;

mod append;
mod folder;
mod private;
mod shred;
mod write;

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

pub use self::append::Appender;
pub use self::folder::make_folder;
pub use self::folder::remove;
pub use self::folder::rename;
pub use self::private::read_private;
pub use self::private::read_private_file;
pub use self::shred::shred;
pub use self::shred::sweep;
pub use self::write::create_new;
pub use self::write::replace;
pub use self::write::replace_if;
pub use self::write::write_whole;

use crate::fault::Fault;

/// The mode of a file that only its owner may read.
pub const PRIVATE_FILE: u32 = 0o600;
/// The mode of a folder that only its owner may enter.
pub const PRIVATE_FOLDER: u32 = 0o700;

/// Reads a file whole, at most `bytes_max` of it: a larger one is a fault, and so is anything that is not a file (a pipe would
/// hang us). Links are followed: a configuration may be mounted as one.
///
/// # Errors
/// The file cannot be read, is too large or is not a file.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Fault> {
    let doing = || format!("read `{}`", path.display());
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NONBLOCK | OFlags::CLOEXEC))
        .open(path)
        .map_err(|error| Fault::io(doing(), &error))?;
    read_open(file, bytes_max, doing)
}

/// The rest of an open regular file, into one buffer that never grows (a grown one would leave copies of a key behind).
fn read_open(file: File, bytes_max: u64, doing: impl Fn() -> String) -> Result<Vec<u8>, Fault> {
    let facts = file.metadata().map_err(|error| Fault::io(doing(), &error))?;
    if !facts.is_file() {
        return Err(Fault::ask_operator(doing(), "it is not a regular file"));
    }
    let too_large = || Fault::ask_operator(doing(), format!("it is larger than {bytes_max} bytes"));
    if facts.len() > bytes_max {
        return Err(too_large());
    }
    let room = usize::try_from(facts.len()).map_err(|_| too_large())?;
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    let count = file.take(facts.len().saturating_add(1)).read_to_end(&mut bytes);
    let count = count.map_err(|error| Fault::io(doing(), &error))?;
    if count > room {
        return Err(Fault::retry(doing(), "it grew while it was read"));
    }
    Ok(bytes)
}

fn flags(flags: OFlags) -> i32 {
    // Every flag of `open` fits the `int` that the call takes.
    flags.bits().cast_signed()
}

/// The folder of a path, `.` where it names none.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes names in a folder durable: without it, a rename may be undone by a power cut.
fn sync_folder(folder: &Path, point: &'static str) -> io::Result<()> {
    crash::around(point, || File::open(folder)?.sync_all())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests {
    use std::fs;

    use super::read;

    #[test]
    fn reads_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().ends_with("it is larger than 4 bytes"));
        assert!(read(folder.path(), 4).unwrap_err().to_string().ends_with("it is not a regular file"));
        assert!(read(&folder.path().join("b"), 4).is_err());
    }

    #[test]
    fn a_pipe_does_not_hang_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(read(&path, 5).unwrap_err().to_string().ends_with("it is not a regular file"));
    }
}
