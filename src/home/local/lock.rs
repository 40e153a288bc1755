//! One executor at a time: locks of the operating system, which die with their process, so that none is ever stale.
//!
//! Two files are locked. `lock` is there before the journal is, and names the holder. The journal itself is locked too: whoever
//! takes the file `lock` away from a stopped process does not thereby get the journal.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::disk::PRIVATE_FILE;
use crate::fault::Fault;
use crate::home::local::files;
use crate::home::local::files::Identity;
use crate::home::not_as_left;

/// How much of a holder's name is shown.
const HOLDER_BYTES_MAX: u64 = 256;

/// The locks, let go when this is dropped.
pub(super) struct Held {
    path: PathBuf,
    identity: Identity,
    /// Let go before `lock`, as fields are dropped in this order: whoever gets `lock` must find the journal free.
    journal: OnceLock<File>,
    _lock: File,
}

impl Held {
    pub(super) fn take(path: &Path, who: &str) -> Result<Self, Fault> {
        let doing = || format!("take the journal's lock `{}`", path.display());
        let failed = |error: std::io::Error| Fault::io(doing(), &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .custom_flags(files::flags())
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(doing(), &mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // For people only: who holds it is decided by the lock, so these bytes need not be durable.
        let holder = format!("{} (process {})\n", who.escape_debug(), std::process::id());
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
        let identity = files::identity(&file.metadata().map_err(failed)?);
        let held = Self { path: path.to_owned(), identity, journal: OnceLock::new(), _lock: file };
        held.check()?;
        Ok(held)
    }

    /// Locks the journal itself as well. By a file of its own: a lock lasts as long as any copy of the file it was taken by,
    /// and this one must end with the lease.
    pub(super) fn take_too(&self, journal: &File, path: &Path) -> Result<(), Fault> {
        let doing = || format!("take the journal `{}`", path.display());
        if self.journal.get().is_some_and(|file| same(file, journal)) {
            return Ok(());
        }
        let file = files::open_ours(path)?.filter(|file| same(file, journal));
        let file = file.ok_or_else(|| not_as_left("another file has taken its place"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::retry(doing(), "another process holds it, though not its lock file")
                    .hint(format!("find it with `fuser {}` and stop it", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(Fault::io(doing(), &error)),
        }
        self.journal.set(file).map_err(|_| not_as_left("another file has taken its place"))
    }

    /// Whether this is the lock at `path`.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Whether the lock still stands where a rival would look for it.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match fs::symlink_metadata(&self.path) {
            Ok(facts) if files::identity(&facts) == self.identity => Ok(()),
            _ => Err(not_as_left("its lock file was taken away")),
        }
    }
}

fn same(one: &File, other: &File) -> bool {
    matches!((one.metadata(), other.metadata()), (Ok(a), Ok(b)) if files::identity(&a) == files::identity(&b))
}

fn taken(doing: String, file: &mut File) -> Fault {
    let mut holder = Vec::new();
    // Whatever stands there is only shown.
    let _read = file.take(HOLDER_BYTES_MAX).read_to_end(&mut holder);
    let holder = String::from_utf8_lossy(&holder);
    let holder = holder.lines().next().filter(|line| !line.is_empty()).unwrap_or("somebody");
    Fault::retry(doing, format!("`{}` has it", holder.escape_debug()))
        .hint("wait until that keyrota is done, or stop it: the lock goes with its process")
}
