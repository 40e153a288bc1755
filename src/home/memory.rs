//! A home in memory: for tests, for the demo, and as the plain statement of what a home does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::digest;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::home::another_history;
use crate::home::ends_at;
use crate::home::not_as_left;
use crate::home::not_open;
use crate::journal;
use crate::journal::Broken;
use crate::journal::Checked;
use crate::journal::Draft;
use crate::journal::Entry;
use crate::journal::Head;
use crate::journal::Journal;
use crate::journal::Tail;
use crate::journal::Why;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Aside;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Ready;
use crate::port::home::Trouble;
use crate::port::movable::Movable;

/// A home in memory. A clone is another way into the same home, as another process would have.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    shared: Arc<Mutex<Shared>>,
    kept: Option<Kept>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Vec<u8>,
    synced: usize,
    head: Option<Head>,
    plans: BTreeMap<Digest, Vec<u8>>,
    aside: BTreeMap<String, Vec<u8>>,
    holder: Option<(Arc<()>, String)>,
    elsewhere: Option<Elsewhere>,
}

#[derive(Debug, Clone)]
struct Kept {
    lease: u64,
    tail: Tail,
    len: usize,
}

struct Held {
    shared: Arc<Mutex<Shared>>,
    token: Arc<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut shared = open(&self.shared);
        if shared.holder.as_ref().is_some_and(|(token, _)| Arc::ptr_eq(token, &self.token)) {
            shared.holder = None;
        }
    }
}

impl Shared {
    /// Whether what belongs together is there together.
    fn whole(&self) -> Result<(), Trouble> {
        self.elsewhere.as_ref().map_or(Ok(()), |mark| Err(mark.refusal()))?;
        Ok(self.together()?)
    }

    fn together(&self) -> Result<(), Broken> {
        match (self.head, self.lines.is_empty(), self.plans.len()) {
            (None, false, _) => Err(Broken::of(Why::HeadLost)),
            (None, true, plans) if plans > 0 => Err(Broken::of(Why::OnlyPlans { plans })),
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn check(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        let heads: Vec<Head> = self.head.iter().chain(witness).copied().collect();
        journal::verify(self.lines.as_slice(), &heads)
            .map_err(|error| Fault::io("read the journal", &error))?
            .map_err(Trouble::Broken)
    }
}

fn open(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// A home that holds these bytes and this head, as a crash or a stranger may have left them.
    #[must_use]
    pub fn with(lines: Vec<u8>, head: Option<Head>) -> Self {
        let home = Self::default();
        home.put(lines, head);
        home
    }

    /// Puts other bytes and another head there, behind the back of whoever holds the lease.
    pub fn put(&self, lines: Vec<u8>, head: Option<Head>) {
        let mut shared = open(&self.shared);
        shared.synced = lines.len();
        shared.lines = lines;
        shared.head = head;
    }

    /// The journal's bytes as they stand.
    #[must_use]
    pub fn lines(&self) -> Vec<u8> {
        open(&self.shared).lines.clone()
    }

    /// What was torn and kept aside, by its file's name.
    #[must_use]
    pub fn aside(&self) -> BTreeMap<String, Vec<u8>> {
        open(&self.shared).aside.clone()
    }

    /// The power fails: what was not synced is gone, and so is the holder.
    pub fn power_cut(&self) {
        let mut shared = open(&self.shared);
        let synced = shared.synced;
        shared.lines.truncate(synced);
        shared.holder = None;
    }

    fn write(&mut self, lease: &Lease, drafts: Vec<Draft>, sync: bool) -> Result<Vec<Entry>, Fault> {
        let kept = self.kept.clone().filter(|kept| kept.lease == lease.number());
        let mut kept = kept.ok_or_else(|| not_open("write the journal"))?;
        let drawn = kept.tail.draw(drafts)?;
        // From here on, whatever goes wrong ends the run.
        self.kept = None;
        let mut shared = open(&self.shared);
        fence(&shared, lease, &kept)?;
        shared.lines.extend_from_slice(&drawn.bytes);
        kept.len = shared.lines.len();
        if sync {
            shared.synced = kept.len;
        }
        kept.tail = drawn.tail;
        self.kept = Some(kept);
        Ok(drawn.entries)
    }
}

fn fence(shared: &Shared, lease: &Lease, kept: &Kept) -> Result<(), Fault> {
    let held = lease.kept::<Held>().zip(shared.holder.as_ref());
    if !held.is_some_and(|(held, (token, _))| Arc::ptr_eq(token, &held.token)) {
        return Err(not_as_left("its lock was taken away"));
    }
    let end = format!("{}\"}}\n", kept.tail.head().digest);
    if shared.lines.len() != kept.len || kept.len > 0 && !shared.lines.ends_with(end.as_bytes()) {
        return Err(not_as_left("somebody else wrote"));
    }
    Ok(())
}

impl Home for Memory {
    fn lock(&mut self, who: &str) -> Result<Lease, Fault> {
        let mut shared = open(&self.shared);
        if let Some((_, holder)) = &shared.holder {
            return Err(Fault::retry("take the journal", format!("`{}` has it", holder.escape_debug())));
        }
        let token = Arc::new(());
        shared.holder = Some((Arc::clone(&token), who.to_owned()));
        Ok(Lease::new(Held { shared: Arc::clone(&self.shared), token }))
    }

    fn open(&mut self, lease: &Lease) -> Result<Ready, Trouble> {
        self.kept = None;
        let journal = self.read()?;
        let mut shared = open(&self.shared);
        let held = lease.kept::<Held>().zip(shared.holder.as_ref());
        if !held.is_some_and(|(held, (token, _))| Arc::ptr_eq(token, &held.token)) {
            return Err(not_as_left("its lock was taken away").into());
        }
        let aside = journal.torn().map(|torn| {
            let digest = digest::plain(&torn.bytes);
            let file = format!("torn-{}-{}", journal.count(), digest.short());
            shared.aside.insert(file.clone(), torn.bytes.clone());
            Aside { file, bytes: torn.bytes.len() as u64, digest }
        });
        let len = journal.lines().len();
        shared.lines.truncate(len);
        shared.synced = len;
        shared.head.get_or_insert(Head::NONE);
        drop(shared);
        self.kept = Some(Kept { lease: lease.number(), tail: journal.tail(), len });
        Ok(Ready { journal, aside })
    }

    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.write(lease, drafts, true)
    }

    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.write(lease, drafts, false)
    }

    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault> {
        // A head must never be ahead of what a power cut leaves.
        self.write(lease, Vec::new(), true)?;
        let head = self.kept.as_ref().map(|kept| kept.tail.head()).ok_or_else(|| not_open("seal the head"))?;
        open(&self.shared).head = Some(head);
        Ok(head)
    }

    fn head(&self) -> Result<Option<Head>, Trouble> {
        Ok(open(&self.shared).head)
    }

    fn read(&self) -> Result<Journal, Trouble> {
        let shared = open(&self.shared);
        shared.whole()?;
        Ok(journal::read(shared.lines.clone(), shared.head.as_ref())?)
    }

    fn verify(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        let shared = open(&self.shared);
        shared.whole()?;
        shared.check(witness)
    }

    fn save_plan(&mut self, id: &Digest, bytes: &[u8]) -> Result<(), Fault> {
        let mut shared = open(&self.shared);
        let kept = shared.plans.entry(*id).or_insert_with(|| bytes.to_vec());
        if kept == bytes {
            return Ok(());
        }
        Err(Fault::give_up(format!("keep plan `{}`", id.short()), "another plan has its id"))
    }

    fn plan(&self, id: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        Ok(open(&self.shared).plans.get(id).cloned())
    }

    fn plans(&self) -> Result<Vec<Digest>, Fault> {
        Ok(open(&self.shared).plans.keys().copied().collect())
    }
}

impl Movable for Memory {
    fn place(&self) -> Result<String, Fault> {
        Ok(format!("memory at {:p}", Arc::as_ptr(&self.shared)))
    }

    fn elsewhere(&self) -> Result<Option<Elsewhere>, Fault> {
        Ok(open(&self.shared).elsewhere.clone())
    }

    fn mark(&mut self, _: &Lease, mark: Option<&Elsewhere>) -> Result<(), Fault> {
        self.kept = None;
        open(&self.shared).elsewhere = mark.cloned();
        Ok(())
    }

    fn take_in(&mut self, _: &Lease, journal: &Journal) -> Result<(), Trouble> {
        let mut shared = open(&self.shared);
        if !journal.lines().starts_with(&shared.lines) {
            return Err(another_history().into());
        }
        shared.lines = journal.lines().to_vec();
        shared.synced = shared.lines.len();
        shared.head = Some(journal.head());
        Ok(())
    }

    fn ends_at(&self, head: &Head) -> Result<(), Trouble> {
        ends_at(&open(&self.shared).check(Some(head))?, head)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Memory;
    use crate::home::contract;
    use crate::home::contract::World;
    use crate::home::contract::note;
    use crate::journal::Head;
    use crate::port::home::Home;

    impl World for Memory {
        fn home(&self) -> Box<dyn Home> {
            Box::new(Self { kept: None, ..self.clone() })
        }

        fn lines(&self) -> Vec<u8> {
            Self::lines(self)
        }

        fn put(&self, lines: Option<&[u8]>, head: Option<Head>) {
            Self::put(self, lines.unwrap_or_default().to_vec(), head);
        }

        fn aside(&self, file: &str) -> Vec<u8> {
            Self::aside(self).remove(file).unwrap()
        }
    }

    #[test]
    fn holds_the_contract() {
        contract::holds(&|| Box::new(Memory::default()));
    }

    #[test]
    fn a_journal_moves_there_and_back_and_is_the_same() {
        contract::moves(&mut Memory::default(), &mut Memory::default());
    }

    #[test]
    fn a_power_cut_takes_jots_and_nothing_else() {
        let mut home = Memory::default();
        let lease = contract::begin(&mut home);
        home.jot(&lease, vec![note("a")]).unwrap();
        home.append(&lease, vec![note("b")]).unwrap();
        home.jot(&lease, vec![note("c")]).unwrap();
        home.clone().power_cut();
        assert_eq!(home.read().unwrap().count(), 3);
        assert!(home.append(&lease, vec![note("d")]).is_err());
    }

    #[test]
    fn a_head_is_never_ahead_of_what_a_power_cut_leaves() {
        let mut home = Memory::default();
        let lease = contract::begin(&mut home);
        home.jot(&lease, vec![note("a")]).unwrap();
        home.seal_head(&lease).unwrap();
        home.power_cut();
        assert_eq!(home.read().unwrap().count(), 2);
    }
}
