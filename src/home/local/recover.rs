//! A journal that is broken or lost makes way for a new one: what is left of it is kept whole beside it, first; then the new
//! one takes its place, and its head comes last. Whoever dies in between is told by the next look that it is still broken, and
//! may begin again.

use crate::digest;
use crate::disk;
use crate::fault::Fault;
use crate::home::local::Local;
use crate::home::local::files;
use crate::home::local::lock::Held;
use crate::journal;
use crate::journal::Draft;
use crate::journal::Event;
use crate::journal::Head;
use crate::journal::Tail;
use crate::port::home::Aside;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use std::path::Path;

/// The largest journal that is kept aside.
const JOURNAL_BYTES_MAX: u64 = 1 << 32;
/// The largest head that is kept aside, whatever somebody made of it.
const HEAD_BYTES_MAX: u64 = 1 << 20;

impl Local {
    pub(super) fn left(&self) -> Result<Vec<(&'static str, Vec<u8>)>, Fault> {
        files::check_folder(&self.folder)?;
        let mut left = Vec::new();
        for (name, path, most) in
            [("jsonl", self.journal_path(), JOURNAL_BYTES_MAX), ("head", self.head_path(), HEAD_BYTES_MAX)]
        {
            if files::open_ours(&path)?.is_some() {
                left.push((name, disk::read(&path, most)?));
            }
        }
        Ok(left)
    }

    pub(super) fn anew(
        &mut self,
        lease: &Lease,
        draw: &mut dyn FnMut(&[Aside]) -> Vec<Draft>,
    ) -> Result<Head, Trouble> {
        self.kept = None;
        let held = lease.kept::<Held>().filter(|held| held.is_at(&self.lock_path()));
        let held = held.ok_or_else(|| Fault::report_bug("begin a new journal", "the lease is another home's"))?;
        held.check()?;
        // What was moved away is not lost.
        self.here()?;
        let left = self.left()?;
        if let Some(head) = begun(&left) {
            // An earlier attempt came as far as the new journal, and not to its head.
            disk::write_whole(&self.head_path(), &head.to_bytes(), disk::PRIVATE_FILE)?;
            return Ok(head);
        }
        let mut asides = Vec::new();
        for (name, bytes) in &left {
            asides.push(self.keep_aside(name, bytes)?);
        }
        let drawn = Tail::NONE.draw(draw(&asides))?;
        let head = drawn.tail.head();
        disk::write_whole(&self.journal_path(), &drawn.bytes, disk::PRIVATE_FILE)?;
        disk::write_whole(&self.head_path(), &head.to_bytes(), disk::PRIVATE_FILE)?;
        Ok(head)
    }

    /// A copy under a name of its own, durable and read back, before anything takes the place of what it is a copy of.
    fn keep_aside(&self, name: &str, bytes: &[u8]) -> Result<Aside, Fault> {
        let digest = digest::plain(bytes);
        let file = format!("broken-{}.{name}", digest.short());
        let path = self.folder.join(&file);
        let there = |path: &Path| Ok::<_, Fault>(disk::read(path, bytes.len() as u64 + 1)? == bytes);
        if files::open_ours(&path)?.is_none() {
            disk::create_new(&path, bytes, disk::PRIVATE_FILE)?;
        }
        if !there(&path)? {
            let why = "another file stands in its place";
            return Err(Fault::give_up(format!("keep the broken journal as `{}`", path.display()), why)
                .hint("move that file away, and begin again"));
        }
        Ok(Aside { file, bytes: bytes.len() as u64, digest })
    }
}

/// The head of a journal that was begun in place of another one, where that one's own head still stands.
fn begun(left: &[(&'static str, Vec<u8>)]) -> Option<Head> {
    let of = |wanted: &str| left.iter().find(|(name, _)| *name == wanted).map(|(_, bytes)| bytes);
    let journal = journal::read(of("jsonl")?.clone(), None).ok()?;
    let events: Vec<Event> = journal.entries().take(4).filter_map(|entry| Some(entry.ok()?.event)).collect();
    let took_over = events.iter().any(|event| matches!(event, Event::Recovered { .. }));
    let head = of("head").map(|bytes| digest::plain(bytes));
    let kept = |event: &Event| matches!(event, Event::SetAside { digest, .. } if Some(*digest) == head);
    // Without a head there was none to keep.
    let same = head.is_none() || events.iter().any(kept);
    (took_over && same).then(|| journal.head())
}
