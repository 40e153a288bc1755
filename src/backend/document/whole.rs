//! A file of somebody else, as a whole: found, read, held while we change it, and put in the place of what it was if it still
//! is that.

use crate::disk;
use crate::fault::Fault;
use crate::pointer;
use crate::pointer::Format;
use crate::pointer::Unfit;
use crate::secret::Secret;
use rustix::fs::Access;
use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::OFlags;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// No configuration file is larger.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// How often a file is looked for anew because another took its name while we locked it.
const LOCKS_MAX: u32 = 5;

/// Where such a file is, and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// Whether it holds keys: then nobody else may be able to read it.
    private: bool,
}

/// A file that no other keyrota changes while this lives.
pub(super) struct Held<'w> {
    whole: &'w Whole,
    pub(super) bytes: Secret,
    lock: File,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // By name, because a program that was just forked may share it; closing it, which follows, lets it go too.
        let _best_effort = self.lock.unlock();
    }
}

impl Whole {
    /// A document that holds keys.
    pub(super) fn document(root: &Path, named: &str) -> Result<Self, Fault> {
        Self::at(root, named, true)
    }

    /// A file of settings.
    pub(super) fn settings(root: &Path, named: &str) -> Result<Self, Fault> {
        Self::at(root, named, false)
    }

    /// Below the project's folder unless it is named from the machine's root; through no symbolic link of ours, and never upwards.
    fn at(root: &Path, named: &str, private: bool) -> Result<Self, Fault> {
        let doing = || format!("find the file `{}`", named.escape_debug());
        let format = Format::of(named).ok_or_else(|| {
            let hint = "let its name end in `.json`, `.toml`, `.yaml` or `.yml`";
            Fault::ask_operator(doing(), "it is neither JSON nor TOML nor YAML by its name").hint(hint)
        })?;
        let mut path = root.to_owned();
        for part in Path::new(named).components() {
            match part {
                Component::Normal(_) | Component::RootDir => path.push(part),
                Component::CurDir => continue,
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(Fault::ask_operator(doing(), "its path leads up by `..`").hint("name the file itself"));
                }
            }
            let is_link = || fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
            // Above a file that is named from the root of the machine, links are the machine's own affair.
            if path.starts_with(root) && is_link() {
                return Err(Fault::ask_operator(doing(), format!("`{}` is a symbolic link", path.display()))
                    .hint("name the file that it points to"));
            }
        }
        Ok(Self { path, format, private })
    }

    /// Whether both are one file.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Its name, every link on the way followed.
    pub(super) fn true_name(&self) -> Result<String, Fault> {
        let name = self.path.canonicalize().map_err(|error| {
            let fault = Fault::io(format!("find the document `{}`", self.path.display()), &error);
            fault.hint("make it first, with an empty table where the key is to be")
        })?;
        Ok(name.display().to_string())
    }

    /// All of it.
    pub(super) fn read(&self) -> Result<Secret, Fault> {
        match self.private {
            true => disk::read_private_file(&self.path),
            false => disk::read(&self.path, SETTINGS_BYTES_MAX).map(Secret::from_vec),
        }
    }

    /// Lends its text.
    pub(super) fn lend<T>(&self, bytes: &Secret, read: impl FnOnce(&str) -> Result<T, Unfit>) -> Result<T, Fault> {
        let doing = || format!("read `{}`", self.path.display());
        bytes.lend(|bytes| {
            let text = std::str::from_utf8(bytes).map_err(|_| Fault::ask_operator(doing(), "it is no text"))?;
            read(text).map_err(|unfit| Fault::ask_operator(doing(), unfit))
        })
    }

    /// One value in it.
    pub(super) fn value(&self, bytes: &Secret, at: &str) -> Result<String, Fault> {
        self.lend(bytes, |text| pointer::read(self.format, text, at))
    }

    /// Whether another could be put in its place.
    pub(super) fn writable(&self) -> Result<(), Fault> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let may = rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
        may.map_err(|error| {
            let doing = format!("replace `{}`", self.path.display());
            let hint = format!("whoever applies must be able to make files in `{}`", folder.display());
            Fault::io(doing, &std::io::Error::from(error)).hint(hint)
        })
    }

    /// Locks it and reads it. The lock is on the file itself, so nothing is left beside it; it dies with its process.
    pub(super) fn hold(&self) -> Result<Held<'_>, Fault> {
        let doing = || format!("lock `{}`", self.path.display());
        for _ in 0..LOCKS_MAX {
            let lock = fs::OpenOptions::new()
                .read(true)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed())
                .open(&self.path)
                .map_err(|error| Fault::io(doing(), &error))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Fault::retry(doing(), "another process is changing it").hint("wait until it is done"));
                }
                Err(TryLockError::Error(error)) => return Err(Fault::io(doing(), &error)),
            }
            let ours = lock.metadata().map_err(|error| Fault::io(doing(), &error))?;
            let named = fs::symlink_metadata(&self.path).map_err(|error| Fault::io(doing(), &error))?;
            // Whoever held it before us has put another in its place: that one is to be locked.
            if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
                disk::sweep(&self.path)?;
                return Ok(Held { whole: self, bytes: self.read()?, lock });
            }
        }
        Err(Fault::retry(doing(), "it changes all the time"))
    }
}

impl Held<'_> {
    /// Puts these bytes in the place of those that were read, if nobody has changed them since.
    pub(super) fn replace(&self, after: &[u8]) -> Result<(), Fault> {
        self.bytes.lend(|before| disk::replace_if(&self.whole.path, before, after))
    }

    /// Lends its text.
    pub(super) fn lend<T>(&self, read: impl FnOnce(&str) -> Result<T, Unfit>) -> Result<T, Fault> {
        self.whole.lend(&self.bytes, read)
    }
}
