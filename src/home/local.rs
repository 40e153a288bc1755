//! The default home: a folder `.keyrota/` beside the policies. It holds `journal.jsonl`, `head.json`, `plans/`, `lock` and
//! what was torn.
//!
//! Never here: a write past `disk`, a link followed, a file that others may write.

mod files;
mod kept;
mod lock;
mod moved;
mod recover;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use crate::digest;
use crate::digest::Digest;
use crate::disk;
use crate::fault::Fault;
use crate::home::local::kept::Kept;
use crate::home::local::lock::Held;
use crate::home::not_as_left;
use crate::home::not_open;
use crate::journal;
use crate::journal::Broken;
use crate::journal::Checked;
use crate::journal::Draft;
use crate::journal::Entry;
use crate::journal::Head;
use crate::journal::Journal;
use crate::journal::Torn;
use crate::journal::Why;
use crate::port::home::Aside;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Ready;
use crate::port::home::Trouble;

/// The largest head file.
const HEAD_BYTES_MAX: u64 = 4096;
/// The largest plan.
const PLAN_BYTES_MAX: u64 = 1 << 30;
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

/// A journal in a folder of its own.
#[derive(Debug)]
pub struct Local {
    folder: PathBuf,
    kept: Option<Kept>,
}

impl Local {
    /// The home in this folder (`.keyrota`), which need not be there yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), kept: None }
    }

    fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    fn lock_path(&self) -> PathBuf {
        self.folder.join("lock")
    }

    fn head_path(&self) -> PathBuf {
        self.folder.join("head.json")
    }

    fn plan_path(&self, id: &Digest) -> PathBuf {
        self.folder.join("plans").join(format!("{id}.json"))
    }

    fn moved_path(&self) -> PathBuf {
        self.folder.join("moved.json")
    }

    /// The head and the journal's file, the head first: a journal only grows, so it is never behind a head read before it.
    fn parts(&self) -> Result<(Option<Head>, Option<File>), Trouble> {
        files::check_folder(&self.folder)?;
        let mut head = self.head()?;
        let journal = files::open_ours(&self.journal_path())?;
        if head.is_none() && journal.is_some() {
            // It may have been begun between our two looks.
            head = self.head()?;
        }
        match (head, journal) {
            (None, Some(_)) => Err(Broken::of(Why::HeadLost).into()),
            // A plan is kept only once the journal has begun.
            (None, None) => match self.plans()?.len() {
                0 => Ok((None, None)),
                // It was begun between our looks.
                _ if self.head()?.is_some() => self.parts(),
                plans => Err(Broken::of(Why::OnlyPlans { plans }).into()),
            },
            (Some(head), None) if head != Head::NONE => Err(Broken::of(Why::Lost { head }).into()),
            parts => Ok(parts),
        }
    }

    fn read_parts(&self, head: Option<Head>, journal: Option<&File>) -> Result<Journal, Trouble> {
        let mut bytes = Vec::new();
        if let Some(mut file) = journal {
            file.read_to_end(&mut bytes).map_err(|error| self.cannot_read(&error))?;
        }
        Ok(journal::read(bytes, head.as_ref())?)
    }

    /// Checks what is here, whatever its mark.
    fn check(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        let (head, journal) = self.parts()?;
        let heads: Vec<Head> = head.iter().chain(witness).copied().collect();
        let checked = match journal {
            Some(file) => journal::verify(BufReader::with_capacity(READ_BYTES, file), &heads),
            None => journal::verify(io::empty(), &heads),
        };
        checked.map_err(|error| self.cannot_read(&error))?.map_err(Trouble::Broken)
    }

    fn cannot_read(&self, error: &io::Error) -> Fault {
        Fault::io(format!("read `{}`", self.journal_path().display()), error)
    }

    fn set_aside(&self, count: u64, torn: &Torn) -> Result<Aside, Fault> {
        let digest = digest::plain(&torn.bytes);
        let file = format!("torn-{count}-{}", digest.short());
        let path = self.folder.join(&file);
        // There already: we died between keeping it and cutting it off.
        if files::open_ours(&path)?.is_none() || disk::read(&path, torn.bytes.len() as u64)? != torn.bytes {
            disk::create_new(&path, &torn.bytes, disk::PRIVATE_FILE)?;
        }
        Ok(Aside { file, bytes: torn.bytes.len() as u64, digest })
    }

    fn write(
        &mut self,
        lease: &Lease,
        work: impl FnOnce(&mut Kept, &Path) -> Result<Vec<Entry>, Fault>,
    ) -> Result<Vec<Entry>, Fault> {
        let ours = self.kept.as_ref().is_some_and(|kept| kept.is_of(lease));
        let held = lease.kept::<Held>().filter(|_| ours).ok_or_else(|| not_open("write the journal"))?;
        // Whatever goes wrong from here on ends the run: the journal is put back only when all went well.
        let mut kept = self.kept.take().ok_or_else(|| not_open("write the journal"))?;
        held.check()?;
        kept.fence()?;
        let entries = work(&mut kept, &self.head_path())?;
        self.kept = Some(kept);
        Ok(entries)
    }
}

impl Home for Local {
    fn lock(&mut self, who: &str) -> Result<Lease, Fault> {
        disk::make_folder(&self.folder, disk::PRIVATE_FOLDER)?;
        files::check_folder(&self.folder)?;
        Ok(Lease::new(Held::take(&self.lock_path(), who)?))
    }

    fn open(&mut self, lease: &Lease) -> Result<Ready, Trouble> {
        self.kept = None;
        let held = lease.kept::<Held>().filter(|held| held.is_at(&self.lock_path()));
        let held = held.ok_or_else(|| Fault::report_bug("open the journal", "the lease is another home's"))?;
        held.check()?;
        disk::sweep(&self.head_path())?;
        disk::sweep(&self.moved_path())?;
        self.here()?;
        if self.parts()?.1.is_none() {
            // The head comes first: from here on, a journal that is not there is a lost one, or has not begun.
            disk::write_whole(&self.head_path(), &Head::NONE.to_bytes(), disk::PRIVATE_FILE)?;
        }
        let path = self.journal_path();
        let mut appender = disk::Appender::open(&path, disk::PRIVATE_FILE)?;
        let (head, file) = self.parts()?;
        let file = file.ok_or_else(|| not_as_left("its file is gone"))?;
        held.take_too(&file, &path)?;
        let journal = self.read_parts(head, Some(&file))?;
        let mut aside = None;
        if let Some(torn) = journal.torn() {
            aside = Some(self.set_aside(journal.count(), torn)?);
            appender.cut(torn.from)?;
        }
        // What an earlier run only jotted must be durable before anything builds on it.
        appender.sync()?;
        let kept = Kept::new(path, file, appender, journal.tail(), lease)?;
        kept.fence()?;
        self.kept = Some(kept);
        Ok(Ready { journal, aside })
    }

    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        let drawn = kept::draw(self.kept.as_ref(), lease, drafts)?;
        self.write(lease, |kept, _| kept.append(drawn, true))
    }

    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        let drawn = kept::draw(self.kept.as_ref(), lease, drafts)?;
        self.write(lease, |kept, _| kept.append(drawn, false))
    }

    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault> {
        self.write(lease, |kept, path| kept.seal(path).map(|()| Vec::new()))?;
        self.kept.as_ref().map(Kept::head).ok_or_else(|| not_open("seal the head"))
    }

    fn head(&self) -> Result<Option<Head>, Trouble> {
        let path = self.head_path();
        if files::open_ours(&path)?.is_none() {
            return Ok(None);
        }
        Ok(Some(Head::from_bytes(&disk::read(&path, HEAD_BYTES_MAX)?)?))
    }

    fn read(&self) -> Result<Journal, Trouble> {
        self.here()?;
        let (head, journal) = self.parts()?;
        self.read_parts(head, journal.as_ref())
    }

    fn verify(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        self.here()?;
        self.check(witness)
    }

    fn bytes(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.left()?.into_iter().find(|(name, _)| *name == "jsonl").map(|(_, bytes)| bytes))
    }

    fn may_begin_anew(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn begin_anew(&mut self, lease: &Lease, draw: &mut dyn FnMut(&[Aside]) -> Vec<Draft>) -> Result<Head, Trouble> {
        self.anew(lease, draw)
    }

    fn save_plan(&mut self, id: &Digest, bytes: &[u8]) -> Result<(), Fault> {
        match self.plan(id)? {
            Some(kept) if kept == bytes => return Ok(()),
            Some(_) => {
                return Err(Fault::give_up(format!("keep plan `{}`", id.short()), "another plan has its id")
                    .hint(format!("somebody changed `{}`: move it away", self.plan_path(id).display())));
            }
            None => {}
        }
        disk::make_folder(&self.folder, disk::PRIVATE_FOLDER)?;
        disk::make_folder(&self.folder.join("plans"), disk::PRIVATE_FOLDER)?;
        files::check_folder(&self.folder.join("plans"))?;
        disk::create_new(&self.plan_path(id), bytes, disk::PRIVATE_FILE)
    }

    fn plan(&self, id: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        files::check_folder(&self.folder)?;
        files::check_folder(&self.folder.join("plans"))?;
        let path = self.plan_path(id);
        match files::open_ours(&path)? {
            None => Ok(None),
            Some(_) => disk::read(&path, PLAN_BYTES_MAX).map(Some),
        }
    }

    fn plans(&self) -> Result<Vec<Digest>, Fault> {
        files::check_folder(&self.folder)?;
        let names = files::names(&self.folder.join("plans"))?;
        let ids: BTreeSet<Digest> =
            names.iter().filter_map(|name| Digest::parse(name.strip_suffix(".json")?).ok()).collect();
        Ok(ids.into_iter().collect())
    }
}
