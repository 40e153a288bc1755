//! Every port behind one counter of calls, so that the Nth call of a run fails, whichever port it is on.

use keyrota::fault::Fault;
use keyrota::inventory::Able;
use keyrota::inventory::Census;
use keyrota::inventory::Mover;
use keyrota::journal::Checked;
use keyrota::journal::Draft;
use keyrota::journal::Entry;
use keyrota::journal::Head;
use keyrota::journal::Journal;
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
use keyrota::port::home;
use keyrota::port::home::Home;
use keyrota::port::home::Lease;
use keyrota::port::home::Ready;
use keyrota::port::probe::Answer;
use keyrota::port::probe::Probe;
use keyrota::port::service::Service;
use keyrota::port::store::Block;
use keyrota::port::store::Changes;
use keyrota::port::store::Page;
use keyrota::port::store::Reader;
use keyrota::port::store::Record;
use keyrota::port::store::Store;
use keyrota::port::store::Want;
use keyrota::port::store::Whole;
use keyrota::port::store::Work;
use keyrota::port::store::Writer;
use keyrota::port::store::Written;
use keyrota::port::trouble::Trouble;
use keyrota::secret::Secret;
use std::sync::Arc;

/// A port whose calls are counted.
pub(crate) struct Counted<T>(pub(crate) T, pub(crate) Trouble);

type Places = Box<dyn Backend>;
type People = Box<dyn Fleet>;
type Questions = Box<dyn Probe>;
type Values = Box<dyn Store>;

impl Backend for Counted<Places> {
    fn world(&self) -> Result<String, Fault> {
        self.1.call("backend.world", || self.0.world())
    }

    fn able(&self) -> Able {
        self.0.able()
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        self.1.call("backend.look", || self.0.look(at))
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        self.1.call("backend.prepare", || self.0.prepare(at, algorithm))
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        self.1.call("backend.change", || self.0.change(at, change, prepared, now))
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.1.call("backend.material", || self.0.material(at, version))
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.1.call("backend.encoded", || self.0.encoded(at, version))
    }

    fn service(&self, at: &str, share: Option<u8>) -> Result<Option<Arc<dyn Service>>, Fault> {
        self.0.service(at, share)
    }

    fn adopt(&self, at: &str, version: &VersionId, now: Hour) -> Result<(), Failed> {
        self.1.call("backend.adopt", || self.0.adopt(at, version, now))
    }
}

impl Fleet for Counted<People> {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        self.1.call("fleet.members", || self.0.members())
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        self.1.call("fleet.deliver", || self.0.deliver(member, version, material))
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.1.call("fleet.withdraw", || self.0.withdraw(member, version))
    }

    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault> {
        self.1.call("fleet.restart", || self.0.restart(member, version))
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.1.call("fleet.point", || self.0.point(member, version))
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        self.1.call("fleet.pointed", || self.0.pointed(member))
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        self.1.call("fleet.proofs", || self.0.proofs())
    }

    fn gone(&self, member: &Member) -> Result<bool, Fault> {
        self.1.call("fleet.gone", || self.0.gone(member))
    }
}

impl Probe for Counted<Questions> {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        self.1.call("probe.ask", || self.0.ask(check, facts))
    }

    fn uses(&self, counter: &keyrota::policy::meant::Command, facts: &Facts) -> Result<u64, Fault> {
        self.1.call("probe.uses", || self.0.uses(counter, facts))
    }
}

impl Store for Counted<Values> {
    fn world(&self) -> Result<String, Fault> {
        self.1.call("store.world", || self.0.world())
    }

    fn mover(&self) -> Mover {
        self.0.mover()
    }

    fn fit(&self, block: &Block) -> Result<(), Fault> {
        self.1.call("store.fit", || self.0.fit(block))
    }

    fn estimate(&self, block: &Block) -> Result<Option<u64>, Fault> {
        self.1.call("store.estimate", || self.0.estimate(block))
    }

    fn census(&self, block: &Block) -> Result<Census, Fault> {
        self.1.call("store.census", || self.0.census(block))
    }

    fn reader(&self, block: &Block, want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        let reader = self.1.call("store.reader", || self.0.reader(block, want))?;
        Ok(Box::new(Counted(reader, self.1.clone())))
    }

    fn writer(&self, block: &Block, target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        let writer = self.1.call("store.writer", || self.0.writer(block, target))?;
        Ok(Box::new(Counted(writer, self.1.clone())))
    }

    fn whole(&self, blocks: &[Block], target: &VersionId, work: Work<'_>) -> Result<(), Fault> {
        let counter = self.1.clone();
        let mut counted = |whole: &mut dyn Whole| work(&mut Counted(whole, counter.clone()));
        self.1.call("store.whole", || self.0.whole(blocks, target, &mut counted))
    }

    fn proofs(&self, table: &str) -> Result<Vec<Record>, Fault> {
        self.1.call("store.proofs", || self.0.proofs(table))
    }

    fn ask(&self, query: &str) -> Result<Option<String>, Fault> {
        self.1.call("store.ask", || self.0.ask(query))
    }
}

impl Reader for Counted<Box<dyn Reader>> {
    fn page(&self) -> Page {
        self.0.page()
    }

    fn next(&mut self, page: &mut Page) -> Result<(), Fault> {
        let Self(reader, trouble) = self;
        trouble.call("reader.next", || reader.next(page))
    }
}

impl Writer for Counted<Box<dyn Writer>> {
    fn write(&mut self, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let Self(writer, trouble) = self;
        trouble.call("writer.write", || writer.write(page, changes))
    }
}

impl Whole for Counted<&mut dyn Whole> {
    fn page(&self, block: usize) -> Option<Page> {
        self.0.page(block)
    }

    fn next(&mut self, block: usize, page: &mut Page) -> Result<(), Fault> {
        let Self(whole, trouble) = self;
        trouble.call("whole.next", || whole.next(block, page))
    }

    fn write(&mut self, block: usize, page: &Page, changes: &Changes) -> Result<Written, Fault> {
        let Self(whole, trouble) = self;
        trouble.call("whole.write", || whole.write(block, page, changes))
    }
}

impl<H: Home> Home for Counted<H> {
    fn lock(&mut self, who: &str) -> Result<Lease, Fault> {
        let Self(home, trouble) = self;
        trouble.call("home.lock", || home.lock(who))
    }

    fn open(&mut self, lease: &Lease) -> Result<Ready, home::Trouble> {
        let Self(home, trouble) = self;
        trouble.call("home.open", || home.open(lease))
    }

    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        let Self(home, trouble) = self;
        trouble.call("home.append", || home.append(lease, drafts))
    }

    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        let Self(home, trouble) = self;
        trouble.call("home.jot", || home.jot(lease, drafts))
    }

    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault> {
        let Self(home, trouble) = self;
        trouble.call("home.seal_head", || home.seal_head(lease))
    }

    fn head(&self) -> Result<Option<Head>, home::Trouble> {
        self.0.head()
    }

    fn read(&self) -> Result<Journal, home::Trouble> {
        self.0.read()
    }

    fn verify(&self, witness: Option<&Head>) -> Result<Checked, home::Trouble> {
        self.0.verify(witness)
    }

    fn save_plan(&mut self, id: &keyrota::digest::Digest, bytes: &[u8]) -> Result<(), Fault> {
        self.0.save_plan(id, bytes)
    }

    fn plan(&self, id: &keyrota::digest::Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.0.plan(id)
    }

    fn plans(&self) -> Result<Vec<keyrota::digest::Digest>, Fault> {
        self.0.plans()
    }
}
