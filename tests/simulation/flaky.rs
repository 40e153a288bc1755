//! Ports that fail as the dice say: at once, or after they did their work; and an executor that dies in the middle of a call.

use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::fault::Fault;
use keyrota::inventory::Able;
use keyrota::inventory::Census;
use keyrota::inventory::Mover;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::model::Member;
use keyrota::model::VersionId;
use keyrota::policy::meant::Check;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Look;
use keyrota::port::backend::Prepared;
use keyrota::port::facts::Facts;
use keyrota::port::fleet::Delivered;
use keyrota::port::fleet::Fleet;
use keyrota::port::fleet::Row;
use keyrota::port::probe::Answer;
use keyrota::port::probe::Probe;
use keyrota::port::store::Block;
use keyrota::port::store::Changes;
use keyrota::port::store::Page;
use keyrota::port::store::Reader;
use keyrota::port::store::Record;
use keyrota::port::store::Store;
use keyrota::port::store::Want;
use keyrota::port::store::Work;
use keyrota::port::store::Writer;
use keyrota::port::store::Written;
use keyrota::secret::Secret;
use keyrota::simulated::Dice;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

/// What unwinds when the executor is killed.
pub(crate) struct Killed;

/// When things go wrong. All ports of a site share one.
#[derive(Clone)]
pub(crate) struct Luck(Arc<Mutex<Inner>>);

struct Inner {
    dice: Dice,
    armed: bool,
    /// One call in so many kills, or fails.
    kills: u64,
    fails: u64,
    killed: u64,
    failed: u64,
}

impl Luck {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let (kills, fails) = (25 + dice.below(60), 15 + dice.below(60));
        Self(Arc::new(Mutex::new(Inner { dice, armed: false, kills, fails, killed: 0, failed: 0 })))
    }

    /// Things go wrong, or not.
    pub(crate) fn arm(&self, armed: bool) {
        self.0.lock().unwrap().armed = armed;
    }

    /// How often it killed, and how often it made a call fail.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let inner = self.0.lock().unwrap();
        (inner.killed, inner.failed)
    }

    /// May kill.
    pub(crate) fn live(&self) {
        let dies = {
            let mut inner = self.0.lock().unwrap();
            let kills = inner.kills;
            let dies = inner.armed && inner.dice.one_in(kills);
            inner.killed += u64::from(dies);
            dies
        };
        if dies {
            // No panic is told: it is what a killed process would look like from the inside.
            std::panic::resume_unwind(Box::new(Killed));
        }
    }

    /// Makes a call, which may die or fail before it, or after it was done.
    fn call<T, E: From<Fault>>(&self, doing: &str, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.live();
        let (fails, after) = {
            let mut inner = self.0.lock().unwrap();
            let fails = inner.fails;
            let fails = inner.armed && inner.dice.one_in(fails);
            inner.failed += u64::from(fails);
            (fails, fails && inner.dice.one_in(2))
        };
        if fails && !after {
            return Err(Fault::retry(doing, "made to fail: not done").into());
        }
        let done = act();
        self.live();
        if after { Err(Fault::retry(doing, "made to fail: done, and no answer came").into()) } else { done }
    }
}

impl Screen for Luck {
    fn tell(&mut self, _told: &Told<'_>) {
        self.live();
    }
}

/// A place, a fleet or a check that fails.
pub(crate) struct Flaky<T> {
    pub(crate) inner: T,
    pub(crate) luck: Luck,
}

impl<T: Backend> Backend for Flaky<T> {
    fn world(&self) -> Result<String, Fault> {
        self.inner.world()
    }

    fn able(&self) -> Able {
        self.inner.able()
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        self.luck.call("look", || self.inner.look(at))
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        self.luck.call("prepare", || self.inner.prepare(at, algorithm))
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        self.luck.call("change", || self.inner.change(at, change, prepared, now))
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.luck.call("read a key", || self.inner.material(at, version))
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.luck.call("read a key to hand over", || self.inner.encoded(at, version))
    }

    fn adopt(&self, at: &str, version: &VersionId, now: Hour) -> Result<(), Failed> {
        self.inner.adopt(at, version, now)
    }
}

impl<T: Store> Store for Flaky<T> {
    fn world(&self) -> Result<String, Fault> {
        self.inner.world()
    }

    fn mover(&self) -> Mover {
        self.inner.mover()
    }

    fn fit(&self, block: &Block) -> Result<(), Fault> {
        self.luck.call("fit", || self.inner.fit(block))
    }

    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault> {
        self.inner.estimate(block)
    }

    fn census(&self, block: &Block) -> Result<Census, Fault> {
        self.luck.call("count", || self.inner.census(block))
    }

    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        let mut reader = self.luck.call("read", || self.inner.reader(block, want))?;
        // All of it at once: what is read must not depend on how fast the threads of the engine are today.
        let (empty, mut pages) = (reader.page(), VecDeque::new());
        loop {
            let mut page = reader.page();
            reader.next(&mut page)?;
            if page.is_empty() {
                return Ok(Box::new(Stock { reader, empty, pages }));
            }
            pages.push_back(page);
        }
    }

    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        let writer = self.luck.call("begin to write", || self.inner.writer(block, target))?;
        Ok(Box::new(Flaky { inner: writer, luck: self.luck.clone() }))
    }

    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
        self.luck.call("write all", || self.inner.whole(blocks, target, work))
    }

    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault> {
        self.luck.call("read proofs", || self.inner.proofs(table))
    }

    fn ask(&self, query: &str) -> Result<Option<String>, Fault> {
        self.luck.call("ask", || self.inner.ask(query))
    }
}

/// Pages that were read before anybody asked.
struct Stock {
    reader: Box<dyn Reader>,
    empty: Page,
    pages: VecDeque<Page>,
}

impl Reader for Stock {
    fn page(&self) -> Page {
        self.reader.page()
    }

    fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
        match self.pages.pop_front() {
            Some(next) => *page = next,
            None => std::mem::swap(page, &mut self.empty),
        }
        Ok(())
    }
}

impl Writer for Flaky<Box<dyn Writer>> {
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let Flaky { inner, luck } = self;
        luck.call("write", || inner.write(page, changes))
    }
}

impl<T: Fleet> Fleet for Flaky<T> {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        self.luck.call("list members", || self.inner.members())
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        self.luck.call("deliver", || self.inner.deliver(member, version, material))
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.luck.call("withdraw", || self.inner.withdraw(member, version))
    }

    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault> {
        self.luck.call("restart", || self.inner.restart(member, version))
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.luck.call("point", || self.inner.point(member, version))
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        self.luck.call("read a pointer", || self.inner.pointed(member))
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        self.luck.call("read what members say", || self.inner.proofs())
    }

    fn gone(&self, member: &Member) -> Result<bool, Fault> {
        self.luck.call("ask for a member", || self.inner.gone(member))
    }
}

impl<T: Probe> Probe for Flaky<T> {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        self.luck.call("check", || self.inner.ask(check, facts))
    }

    fn uses(&self, counter: &keyrota::policy::meant::Command, facts: &Facts) -> Result<u64, Fault> {
        self.luck.call("count", || self.inner.uses(counter, facts))
    }
}
