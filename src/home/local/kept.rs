//! The open journal, and the fence before each write: the file must be as we left it.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use crate::disk;
use crate::disk::Appender;
use crate::fault::Fault;
use crate::home::local::files;
use crate::home::local::files::Identity;
use crate::home::not_as_left;
use crate::home::not_open;
use crate::journal::Draft;
use crate::journal::Entry;
use crate::journal::Head;
use crate::journal::Tail;
use crate::journal::chain::Drawn;
use crate::port::home::Lease;

/// The journal while a lease lasts.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: File,
    identity: Identity,
    appender: Appender,
    tail: Tail,
    synced: bool,
    sealed: Option<Head>,
    lease: u64,
}

/// Chains entries behind what this lease left. Nothing is written yet.
pub(super) fn draw(kept: Option<&Kept>, lease: &Lease, drafts: Vec<Draft>) -> Result<Drawn, Fault> {
    let kept = kept.filter(|kept| kept.is_of(lease));
    kept.ok_or_else(|| not_open("write the journal"))?.tail.draw(drafts)
}

impl Kept {
    pub(super) fn new(path: PathBuf, file: File, appender: Appender, tail: Tail, lease: &Lease) -> Result<Self, Fault> {
        let facts = file.metadata().map_err(|error| Fault::io(format!("look at `{}`", path.display()), &error))?;
        let identity = files::identity(&facts);
        Ok(Self { path, file, identity, appender, tail, synced: true, sealed: None, lease: lease.number() })
    }

    pub(super) fn is_of(&self, lease: &Lease) -> bool {
        self.lease == lease.number()
    }

    pub(super) fn head(&self) -> Head {
        self.tail.head()
    }

    /// The file that stands at the journal's path is ours, as long as we left it, and ends as we left it.
    pub(super) fn fence(&self) -> Result<(), Fault> {
        let Ok(facts) = fs::symlink_metadata(&self.path) else { return Err(not_as_left("its file is gone")) };
        if files::identity(&facts) != self.identity {
            return Err(not_as_left("another file has taken its place"));
        }
        if facts.len() != self.appender.len() {
            return Err(not_as_left("somebody else wrote"));
        }
        if self.tail.head() == Head::NONE {
            return Ok(());
        }
        let end = format!("{}\"}}\n", self.tail.head().digest);
        let mut found = vec![0; end.len()];
        let from = facts.len().saturating_sub(end.len() as u64);
        let read = self.file.read_exact_at(&mut found, from);
        read.map_err(|error| Fault::io(format!("read the end of `{}`", self.path.display()), &error))?;
        if found == end.as_bytes() { Ok(()) } else { Err(not_as_left("its last entry is not ours")) }
    }

    pub(super) fn append(&mut self, drawn: Drawn, sync: bool) -> Result<Vec<Entry>, Fault> {
        if !drawn.bytes.is_empty() {
            self.appender.append(&drawn.bytes)?;
            self.synced = false;
            self.tail = drawn.tail;
        }
        if sync {
            self.sync()?;
        }
        Ok(drawn.entries)
    }

    fn sync(&mut self) -> Result<(), Fault> {
        if !self.synced {
            self.appender.sync()?;
            self.synced = true;
        }
        Ok(())
    }

    /// Keeps the head apart. The lines come first: a head ahead of its journal would read as a cut tail.
    pub(super) fn seal(&mut self, path: &Path) -> Result<(), Fault> {
        self.sync()?;
        let head = self.tail.head();
        if self.sealed != Some(head) {
            disk::write_whole(path, &head.to_bytes(), disk::PRIVATE_FILE)?;
            self.sealed = Some(head);
        }
        Ok(())
    }
}
