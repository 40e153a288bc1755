//! A project's world, wired in process with the real adapters and a clock of our own; and the ways through it: draw, apply.

use std::cell::Cell;
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use keyrota::approval;
use keyrota::backend::file::KeyFiles;
use keyrota::command::Runner;
use keyrota::decision;
use keyrota::decision::Wish;
use keyrota::executor;
use keyrota::executor::Desk;
use keyrota::executor::Ended;
use keyrota::executor::Executor;
use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::fault::Fault;
use keyrota::fleet::command::Commanded;
use keyrota::home::Local;
use keyrota::journal;
use keyrota::journal::Clock as Hours;
use keyrota::model::Hour;
use keyrota::model::KeyName;
use keyrota::model::Member;
use keyrota::model::Name;
use keyrota::model::VersionId;
use keyrota::plan;
use keyrota::plan::Document;
use keyrota::policy;
use keyrota::policy::meant::Backend as MeantBackend;
use keyrota::port::backend::Backend;
use keyrota::port::clock::Clock;
use keyrota::port::facts::Facts;
use keyrota::port::fleet::Delivered;
use keyrota::port::fleet::Fleet;
use keyrota::port::fleet::Row;
use keyrota::port::home::Home;
use keyrota::port::home::Trouble;
use keyrota::port::probe::Probe;
use keyrota::port::store::Store;
use keyrota::port::world::World;
use keyrota::probe::Asker;
use keyrota::probe::secrets::Revealer;
use keyrota::prove;
use keyrota::secret::Secret;
use keyrota::store::sqlite::Sqlite;
use keyrota::survey;
use keyrota::survey::Depth;

use super::project::KEY;
use super::project::Project;

pub(crate) fn hour(text: &str) -> Hour {
    text.parse().unwrap()
}

/// When every test begins.
pub(crate) fn start() -> Hour {
    hour("2030-01-01T00:00:00Z")
}

/// What is done whenever somebody has slept.
type Slept = Box<dyn Fn(Hour)>;

/// A clock that only our own waiting moves.
pub(crate) struct Virtual {
    now: Cell<Hour>,
    sleeps: Cell<u32>,
    slept: RefCell<Option<Slept>>,
}

impl Virtual {
    pub(crate) fn at(now: Hour) -> Self {
        Self { now: Cell::new(now), sleeps: Cell::default(), slept: RefCell::default() }
    }

    /// Whenever somebody has slept, this is done.
    pub(crate) fn then(&self, act: impl Fn(Hour) + 'static) {
        *self.slept.borrow_mut() = Some(Box::new(act));
    }
}

impl Clock for Virtual {
    fn now(&self) -> Hour {
        self.now.get()
    }

    fn sleep_until(&self, hour: Hour) {
        self.sleeps.set(self.sleeps.get() + 1);
        assert!(self.sleeps.get() < 10_000, "it waits for what never comes");
        self.now.set(self.now.get().max(hour));
        if let Some(act) = &*self.slept.borrow() {
            act(self.now.get());
        }
    }
}

/// The world of a project with one key.
pub(crate) struct Site {
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) store: Box<dyn Store>,
    pub(crate) fleet: Box<dyn Fleet>,
    pub(crate) probe: Box<dyn Probe>,
    pub(crate) pre_images: PathBuf,
}

impl World for Site {
    fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn probe(&self, _: &KeyName) -> Result<&dyn Probe, Fault> {
        Ok(self.probe.as_ref())
    }

    fn backend(&self, _: &KeyName, _: &Name) -> Result<&dyn Backend, Fault> {
        Ok(self.backend.as_ref())
    }

    fn store(&self, _: &KeyName, _: &Name) -> Result<&dyn Store, Fault> {
        Ok(self.store.as_ref())
    }

    fn fleet(&self, _: &KeyName, _: &Name) -> Result<&dyn Fleet, Fault> {
        Ok(self.fleet.as_ref())
    }
}

/// Commands, and proofs from the table that members write.
struct Proved {
    commanded: Commanded,
    store: Sqlite,
}

impl Fleet for Proved {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        self.commanded.members()
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        self.commanded.deliver(member, version, material)
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.commanded.withdraw(member, version)
    }

    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault> {
        self.commanded.restart(member, version)
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.commanded.point(member, version)
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        self.commanded.pointed(member)
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        let rows = self.store.proofs("members")?;
        Ok(rows.into_iter().map(|row| row.into_iter().collect()).collect())
    }

    fn gone(&self, _: &Member) -> Result<bool, Fault> {
        Ok(false)
    }
}

pub(crate) fn read(at: &Path) -> policy::Project {
    let settings = policy::Text::new("keyrota.toml", fs::read(at.join("keyrota.toml")).unwrap());
    let text = policy::Text::new("policies/app.toml", fs::read(at.join("policies/app.toml")).unwrap());
    let texts = policy::Texts { settings: Some(settings), policies: vec![text] };
    let file = |name: &str| Err(Fault::give_up(format!("read `{name}`"), "there is none"));
    let around = policy::Around { env: &|_| None, file: &file, built: &["file", "sqlite", "unseen"] };
    policy::read(&texts, &around).unwrap_or_else(|problems| panic!("{problems:#?}")).project
}

/// The project's world with the real adapters.
pub(crate) fn site(project: &Project, clock: impl Clock + 'static) -> Site {
    let at = &project.at;
    let read = read(at);
    let policy = &read.policies[0];
    let fleet = policy.fleets.values().next().unwrap().clone();
    let runner = Arc::new(Runner::new(at, read.settings.allow.iter().cloned()));
    let Some(MeantBackend::File { codings, id }) = policy.backends.values().next() else { panic!("no key files") };
    let secrets = Arc::new(Revealer::new(|_: &str| None, Arc::clone(&runner)));
    let commanded = Commanded::new(fleet, Arc::clone(&runner), secrets.clone(), &at.join(".keyrota"));
    Site {
        clock: Box::new(clock),
        backend: Box::new(KeyFiles::new(at, codings, id).unwrap()),
        store: Box::new(Sqlite::new(project.database())),
        fleet: Box::new(Proved { commanded, store: Sqlite::new(project.database()) }),
        probe: Box::new(Asker::new(runner, secrets)),
        pre_images: at.join(".keyrota/pre-images"),
    }
}

pub(crate) fn home(project: &Project) -> Local {
    Local::new(project.at.join(".keyrota"))
}

/// Draws and proves a plan.
pub(crate) fn draw(project: &Project, world: &dyn World, home: &dyn Home, wish: &Wish) -> Document {
    let read = read(&project.at);
    let past = journal::past(&home.read().unwrap()).unwrap();
    let inventory = survey::look(&read, world, &past, Depth::Count);
    let decisions = decision::decide(&read, &inventory, wish);
    let told = format!("{decisions:#?}");
    let drawn = plan::draw(&read, &inventory, decisions, wish, None).unwrap();
    assert!(!drawn.units.is_empty(), "nothing to do: {told}");
    Document::of(prove::check(drawn).unwrap_or_else(|violation| panic!("{violation}")))
}

pub(crate) fn rotate() -> Wish {
    Wish::Rotate(KEY.parse().unwrap())
}

pub(crate) fn back() -> Wish {
    Wish::Back(KEY.parse().unwrap())
}

/// Nobody is told.
pub(crate) struct Silent;

impl Screen for Silent {
    fn tell(&mut self, _: &Told<'_>) {}
}

/// How an attempt ended, or what kept it from being one.
#[derive(Debug)]
pub(crate) enum Applied {
    Ended(Ended),
    Denied(approval::Denied),
    Fault(Fault),
    #[expect(dead_code, reason = "a failed test shows it")]
    Broken(journal::Broken),
}

impl From<Trouble> for Applied {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fault(fault) => Self::Fault(fault),
            Trouble::Broken(broken) => Self::Broken(broken),
        }
    }
}

impl Applied {
    pub(crate) fn finished(&self) -> bool {
        matches!(self, Self::Ended(Ended::Finished))
    }
}

/// One attempt with a plan, from the lock to where it ends. It stays at gates.
pub(crate) fn apply(world: &Site, home: &mut dyn Home, document: &Document, screen: &mut dyn Screen) -> Applied {
    apply_with(world, home, document, screen, &AtomicBool::new(false), true)
}

pub(crate) fn apply_with(
    world: &Site,
    home: &mut dyn Home,
    document: &Document,
    screen: &mut dyn Screen,
    stop: &AtomicBool,
    wait: bool,
) -> Applied {
    // Between its fork and its exec a child of another test holds copies of our files, and with them a lock that we let go.
    for _ in 0..200 {
        match once(world, home, document, screen, stop, wait) {
            Applied::Fault(fault) if fault.to_string().contains("(process") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            applied => return applied,
        }
    }
    panic!("somebody holds the journal's lock for ever");
}

fn once(
    world: &Site,
    home: &mut dyn Home,
    document: &Document,
    screen: &mut dyn Screen,
    stop: &AtomicBool,
    wait: bool,
) -> Applied {
    let mut desk = match Desk::take(home, world.clock(), Hours::Virtual, "the tests") {
        Ok(desk) => desk,
        Err(trouble) => return trouble.into(),
    };
    let named: Vec<(KeyName, VersionId)> = document
        .plan()
        .units
        .iter()
        .flat_map(|unit| &unit.keys)
        .filter_map(|key| Some((key.name.clone(), key.old.clone()?)))
        .collect();
    let approved = match approval::grant(document.clone(), desk.ledger(), desk.now(), &named) {
        Ok(approved) => approved,
        Err(denied) => return Applied::Denied(denied),
    };
    let run = executor::run(&mut Executor {
        approved: &approved,
        world,
        desk: &mut desk,
        screen,
        wait,
        pre_images: &world.pre_images,
        stop,
    });
    let _ = stop.load(Ordering::Relaxed);
    match run.and_then(|ended| desk.head().map(|_| ended)) {
        Ok(ended) => Applied::Ended(ended),
        Err(fault) => Applied::Fault(fault),
    }
}

/// Applies again and again until the run is finished; says how often it took.
pub(crate) fn finish(world: &Site, home: &mut dyn Home, document: &Document) -> usize {
    finish_with(world, home, document, &mut Silent)
}

pub(crate) fn finish_with(world: &Site, home: &mut dyn Home, document: &Document, screen: &mut dyn Screen) -> usize {
    let mut last = None;
    for attempt in 1..=4 {
        let applied = apply(world, home, document, screen);
        // It may have died after its last line.
        if applied.finished() || matches!(applied, Applied::Denied(approval::Denied::Finished(_))) {
            return attempt;
        }
        last = Some(applied);
    }
    panic!("it does not finish: {last:?}");
}

pub(crate) fn later(hour: Hour, seconds: i64) -> Hour {
    hour + TimeDelta::seconds(seconds)
}
