//! A file that only grows, for journals: what `append` took, `sync` makes durable.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::disk::crash;
use crate::disk::flags;
use crate::disk::folder_of;
use crate::disk::sync_folder;
use crate::fault::Fault;

/// An open file to append to.
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Appender {
    /// Opens a file to append to, or makes it with `mode`, its name durable. A symbolic link is refused.
    ///
    /// # Errors
    /// It cannot be opened or made.
    pub fn open(path: &Path, mode: u32) -> Result<Self, Fault> {
        let opened = || -> io::Result<(File, u64)> {
            let fresh = fs::symlink_metadata(path).is_err();
            let file = crash::around("append.open", || {
                fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(mode)
                    .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC))
                    .open(path)
            })?;
            if fresh {
                sync_folder(folder_of(path), "append.sync_folder")?;
            }
            let facts = file.metadata()?;
            if !facts.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            Ok((file, facts.len()))
        };
        let (file, len) =
            opened().map_err(|error| Fault::io(format!("open `{}` to append", path.display()), &error))?;
        Ok(Self { file, path: path.to_owned(), len })
    }

    /// Appends the bytes. They are durable only after [`Appender::sync`]; after an error, part of them may stand in the file
    /// ([`Appender::cut`] takes it back).
    ///
    /// # Errors
    /// They could not all be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        crash::around("append.write", || self.file.write_all(bytes))
            .map_err(|error| self.fault("append to", &error))?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Makes durable all that was appended.
    ///
    /// # Errors
    /// The disk would not say so. What was appended may or may not survive: a journal stops here.
    pub fn sync(&mut self) -> Result<(), Fault> {
        crash::around("append.sync", || self.file.sync_data()).map_err(|error| self.fault("sync", &error))
    }

    /// Cuts the file to its first `len` bytes, durably: for a torn last line, once it is kept aside.
    ///
    /// # Errors
    /// It cannot be cut.
    pub fn cut(&mut self, len: u64) -> Result<(), Fault> {
        let cut = || -> io::Result<()> {
            crash::around("append.cut", || self.file.set_len(len))?;
            crash::around("append.cut_sync", || self.file.sync_all())
        };
        cut().map_err(|error| self.fault("cut", &error))?;
        self.len = len;
        Ok(())
    }

    /// How long the file is, all that we appended included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn fault(&self, verb: &str, error: &io::Error) -> Fault {
        Fault::io(format!("{verb} `{}`", self.path.display()), error)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    use super::Appender;

    #[test]
    fn grows_and_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut file = Appender::open(&path, 0o600).unwrap();
        assert!(file.is_empty());
        file.append(b"one\n").unwrap();
        file.sync().unwrap();
        drop(file);
        let mut file = Appender::open(&path, 0o600).unwrap();
        file.append(b"tw").unwrap();
        assert_eq!(file.len(), 6);
        file.cut(4).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn never_follows_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(Appender::open(&link, 0o600).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
