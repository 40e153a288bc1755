//! Moving a journal out of the folder and into it: a mark beside the journal, and its bytes as they come.

use super::HEAD_BYTES_MAX;
use super::Held;
use super::Local;
use super::files;
use crate::disk;
use crate::fault::Fault;
use crate::home::another_history;
use crate::home::ends_at;
use crate::journal::Head;
use crate::journal::Journal;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use crate::port::movable::Movable;

impl Local {
    /// Refuses a home whose journal is in another one.
    pub(super) fn here(&self) -> Result<(), Fault> {
        self.elsewhere()?.map_or(Ok(()), |mark| Err(mark.refusal()))
    }

    fn held(&self, lease: &Lease) -> Result<(), Fault> {
        let held = lease.kept::<Held>().filter(|held| held.is_at(&self.lock_path()));
        held.ok_or_else(|| Fault::report_bug("move the journal", "the lease is another home's"))?.check()
    }
}

impl Movable for Local {
    fn place(&self) -> Result<String, Fault> {
        let path = std::path::absolute(&self.folder)
            .map_err(|error| Fault::io(format!("find out where `{}` is", self.folder.display()), &error))?;
        // A link before it may be another way to the same folder.
        let path = path.canonicalize().unwrap_or(path);
        Ok(format!("the folder `{}`", path.display()))
    }

    fn elsewhere(&self) -> Result<Option<Elsewhere>, Fault> {
        files::check_folder(&self.folder)?;
        let path = self.moved_path();
        if files::open_ours(&path)?.is_none() {
            return Ok(None);
        }
        Elsewhere::from_text(&String::from_utf8_lossy(&disk::read(&path, HEAD_BYTES_MAX)?)).map(Some)
    }

    fn mark(&mut self, lease: &Lease, mark: Option<&Elsewhere>) -> Result<(), Fault> {
        self.held(lease)?;
        // Whoever moves it writes nothing more through what was opened before.
        self.kept = None;
        match mark {
            Some(mark) => disk::write_whole(&self.moved_path(), mark.to_text().as_bytes(), disk::PRIVATE_FILE),
            None => disk::remove(&self.moved_path()),
        }
    }

    fn take_in(&mut self, lease: &Lease, journal: &Journal) -> Result<(), Trouble> {
        self.held(lease)?;
        self.kept = None;
        let (path, lines) = (self.journal_path(), journal.lines());
        let here = match files::open_ours(&path)? {
            Some(_) => disk::read(&path, lines.len() as u64 + 1).map_err(|_| another_history())?,
            None => {
                // The head comes first, as when a journal begins.
                disk::write_whole(&self.head_path(), &Head::NONE.to_bytes(), disk::PRIVATE_FILE)?;
                Vec::new()
            }
        };
        let rest = lines.strip_prefix(here.as_slice()).ok_or_else(another_history)?;
        let mut appender = disk::Appender::open(&path, disk::PRIVATE_FILE)?;
        appender.append(rest)?;
        appender.sync()?;
        disk::write_whole(&self.head_path(), &journal.head().to_bytes(), disk::PRIVATE_FILE)?;
        Ok(())
    }

    fn ends_at(&self, head: &Head) -> Result<(), Trouble> {
        ends_at(&self.check(Some(head))?, head)
    }
}
