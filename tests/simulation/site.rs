//! One seed's world: a folder with key files and a database, a fleet, an executor that is started again and again.

use super::flaky::Flaky;
use super::flaky::Killed;
use super::flaky::Luck;
use chrono::TimeZone;
use keyrota::approval;
use keyrota::backend::file::KeyFiles;
use keyrota::decision;
use keyrota::decision::Wish;
use keyrota::executor;
use keyrota::executor::Desk;
use keyrota::executor::Ended;
use keyrota::executor::Executor;
use keyrota::fault::Fault;
use keyrota::fleet;
use keyrota::home::Memory;
use keyrota::journal;
use keyrota::model::Hour;
use keyrota::model::KeyName;
use keyrota::model::Name;
use keyrota::model::Span;
use keyrota::model::State;
use keyrota::plan;
use keyrota::plan::Document;
use keyrota::policy;
use keyrota::policy::Project;
use keyrota::port::backend::Backend;
use keyrota::port::clock::Clock;
use keyrota::port::fleet::Fleet;
use keyrota::port::home::Home;
use keyrota::port::home::Trouble;
use keyrota::port::probe::Probe;
use keyrota::port::store::Store;
use keyrota::port::world::World;
use keyrota::probe;
use keyrota::prove;
use keyrota::simulated::Crowd;
use keyrota::simulated::Dice;
use keyrota::simulated::Habits;
use keyrota::simulated::Time;
use keyrota::simulated::app;
use keyrota::simulated::app::App;
use keyrota::store::sqlite::Sqlite;
use keyrota::survey;
use keyrota::survey::Depth;
use keyrota::template::Template;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const POLICY: &str = include_str!("../../policies/quickstart.toml");
const ROWS: i64 = 24;
const MEMBERS: [&str; 3] = ["web-1", "web-2", "web-3"];
/// So often the executor is started at most; none ever needs as many.
const ATTEMPTS_MAX: u64 = 400;
/// By how much the executor's clock may be wrong: within the margins that the plan adds.
const WRONG: Span = Span::minutes(2);

/// What happened, so that a simulation in which nothing happens is noticed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) kills: u64,
    pub(crate) faults: u64,
    pub(crate) attempts: u64,
    pub(crate) moved: u64,
    /// Rows written under the old version while the plan was carried out.
    pub(crate) late: u64,
    pub(crate) restarts: u64,
    pub(crate) opened: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.faults += other.faults;
        self.attempts += other.attempts;
        self.moved += other.moved;
        self.late += other.late;
        self.restarts += other.restarts;
        self.opened += other.opened;
    }
}

/// How it ended.
pub(crate) struct End {
    pub(crate) seen: Seen,
    pub(crate) trace: Vec<String>,
}

/// One seed's world.
pub(crate) struct Site {
    seed: u64,
    folder: tempfile::TempDir,
    time: Time,
    luck: Luck,
    dice: RefCell<Dice>,
    project: Project,
    backend: Flaky<KeyFiles>,
    store: Flaky<Sqlite>,
    fleet: fleet::memory::Memory,
    probe: probe::memory::Memory,
}

impl Site {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        // What is tried here is not the disk: in memory, where there is such a folder, syncing costs nothing.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let start: Hour = chrono::Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).unwrap();
        let time = Time::from(start, Span::seconds(1 + dice.below(90)));
        let key = app::first_key(&folder.path().join("keys")).unwrap();
        let mut app = App::create(&folder.path().join("app.db")).unwrap();
        let known = app.fill(1..=ROWS, "v1", &key).unwrap();
        let luck = Luck::new(Dice::new(dice.below(u64::MAX)));
        let project = project();
        let codings = [keyrota::envelope::Coding::Hex];
        let files = KeyFiles::new(folder.path(), &codings, &template("v{{ n }}"));
        let files = files.unwrap();
        // The books are begun here, so that members have something to read.
        files.adopt("keys", &"v1".parse().unwrap(), start).unwrap();
        let backend = Flaky { inner: files, luck: luck.clone() };
        let store = Flaky { inner: Sqlite::new(folder.path().join("app.db")), luck: luck.clone() };
        let habits = Habits {
            refreshes: Span::minutes(60),
            in_flight: Span::minutes(1),
            writes: Span::minutes(20 + dice.below(120)),
            reads: Span::minutes(300),
            rows: 6,
            restarts: Span::minutes(30 + dice.below(2000)),
        };
        let sealed = (1..).zip(known).collect();
        let crowd =
            Crowd::new(app, (folder.path().join("keys"), sealed), &MEMBERS, habits, (dice.below(u64::MAX), start));
        time.live(crowd.unwrap());
        time.go_wrong(WRONG, Dice::new(dice.below(u64::MAX)));
        let fleet = fleet::memory::Memory::new(&MEMBERS.map(|name| name.parse().unwrap()), template("{{ id }}"));
        Self {
            seed,
            folder,
            time,
            luck,
            dice: RefCell::new(dice),
            project,
            backend,
            store,
            fleet,
            probe: probe::memory::Memory::default(),
        }
    }

    /// Rotates, and with one seed of 64 (it takes six weeks) destroys the old version when its time has come.
    pub(crate) fn rotate(&self) -> End {
        let mut home = Memory::default();
        let mut attempts = self.carry_out(&mut home, &Wish::WhatIsDue);
        if self.destroys() {
            self.wait_for(Span::days(41));
            attempts += self.carry_out(&mut home, &Wish::Destroy);
        }
        self.end(&home, attempts)
    }

    fn destroys(&self) -> bool {
        self.seed.is_multiple_of(64)
    }

    /// Plans, and starts the executor until the plan is carried out; says how often.
    fn carry_out(&self, home: &mut Memory, wish: &Wish) -> u64 {
        let document = self.plan(home, wish);
        let mut attempts = 0;
        loop {
            attempts += 1;
            assert!(attempts < ATTEMPTS_MAX, "seed {}: it does not come to an end", self.seed);
            self.luck.arm(true);
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| self.attempt(home, &document)));
            self.luck.arm(false);
            match ended {
                Err(killed) if killed.is::<Killed>() => {
                    // A killed process leaves its files; a power cut only what was synced.
                    if self.dice.borrow_mut().one_in(2) {
                        home.power_cut();
                    }
                    self.wait(Span::minutes(180));
                }
                Err(bug) => std::panic::resume_unwind(bug),
                Ok(Err(_fault)) => self.wait(Span::minutes(30)),
                Ok(Ok(Ended::Finished)) => return attempts,
                Ok(Ok(Ended::AtGate { held })) => {
                    let opens = held.iter().filter_map(|held| held.opens).min();
                    self.time.sleep_until(opens.unwrap_or(self.time.hour()));
                    self.wait(Span::minutes(10));
                }
                Ok(Ok(Ended::Failed { .. })) => self.wait(Span::minutes(60)),
                Ok(Ok(other)) => panic!("seed {}: {other:?}", self.seed),
            }
        }
    }

    fn wait(&self, at_most: Span) {
        let span = self.dice.borrow_mut().span(at_most);
        self.wait_for(span);
    }

    fn wait_for(&self, span: Span) {
        self.time.pass(span.after(self.time.hour()));
    }

    fn plan(&self, home: &Memory, wish: &Wish) -> Document {
        let past = journal::past(&home.read().unwrap()).unwrap();
        let inventory = survey::look(&self.project, self, &past, Depth::Count);
        let decisions = decision::decide(&self.project, &inventory, wish);
        let drawn = plan::draw(&self.project, &inventory, decisions, wish, None).unwrap();
        assert!(!drawn.units.is_empty(), "seed {}: nothing is due", self.seed);
        Document::of(prove::check(drawn).unwrap())
    }

    fn attempt(&self, home: &mut Memory, document: &Document) -> Result<Ended, Fault> {
        let document = Document::read(document.bytes().to_vec()).unwrap();
        let desk = Desk::take(home, &self.time, journal::Clock::Virtual, "simulation");
        let mut desk = desk.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Broken(broken) => panic!("seed {}: {broken}", self.seed),
        })?;
        let now = desk.now();
        let named = [("quickstart/app-kek".parse().unwrap(), "v1".parse().unwrap())];
        let approved = approval::grant(document, desk.ledger(), now, &named).unwrap();
        let (mut screen, stop) = (self.luck.clone(), AtomicBool::new(false));
        let pre_images = self.folder.path().join("pre-images");
        let mut executor = Executor {
            approved: &approved,
            world: self,
            desk: &mut desk,
            screen: &mut screen,
            wait: false,
            pre_images: &pre_images,
            stop: &stop,
        };
        executor::run(&mut executor)
    }

    fn end(&self, home: &Memory, attempts: u64) -> End {
        let (kills, faults) = self.luck.counts();
        let journal = home.read().unwrap();
        journal::ledger(&journal).unwrap();
        let lines = String::from_utf8(home.lines()).unwrap();
        let entries: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let tally = self.time.ask(|crowd| crowd.tally().clone()).unwrap();
        let moved = entries.iter().filter(|entry| entry["what"]["event"] == "chunk");
        let moved = moved.filter_map(|entry| entry["what"]["moved"].as_u64()).sum();
        let late = tally.written.get("v1").copied().unwrap_or(0);
        let seen = Seen { kills, faults, attempts, moved, late, restarts: tally.restarted, opened: tally.opened };
        End { seen, trace: entries.iter().map(event).collect() }
    }

    /// What must be true in the end, whatever happened.
    pub(crate) fn judge(&self, end: &End) {
        let seed = self.seed;
        self.time.ask(Crowd::read_all);
        let tally = self.time.ask(|crowd| crowd.tally().clone()).unwrap();
        assert_eq!(tally.failures, Vec::<String>::new(), "seed {seed}");
        let key = self.backend.inner.look("keys").unwrap().key;
        let states: Vec<_> = key.versions.iter().map(|version| (version.id.to_string(), version.state)).collect();
        let old = if self.destroys() { State::Destroyed } else { State::Disabled };
        assert_eq!(states, [("v1".to_owned(), old), ("v2".to_owned(), State::Current)], "seed {seed}");
        let rows = rusqlite::Connection::open(self.folder.path().join("app.db")).unwrap();
        let wrong = "SELECT count(*) FROM data_keys WHERE customer != 'customer-' || id OR kek_version != 'v2'";
        let wrong: i64 = rows.query_row(wrong, [], |row| row.get(0)).unwrap();
        assert_eq!(wrong, 0, "seed {seed}: rows under the old version, or with another byte changed");
        assert!(end.trace.len() > 10, "seed {seed}");
    }
}

/// An entry without what is random or follows from it: digests, fingerprints, the folder's name.
fn event(entry: &serde_json::Value) -> String {
    let mut event = entry.clone();
    hide(&mut event);
    event.to_string()
}

fn hide(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            let random = |word: &str| word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
            if text.split(|c: char| !c.is_ascii_alphanumeric()).any(random) {
                *text = "(random)".into();
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(hide),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(hide),
        _ => {}
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn project() -> Project {
    let members = MEMBERS.map(|name| format!("\"{name}\"")).join(", ");
    let text = POLICY.replace("\"web-1\", \"web-2\"", &members);
    let texts = policy::Texts { settings: None, policies: vec![policy::Text::new("policies/quickstart.toml", text)] };
    let (env, file) = (|_: &str| None, |_: &str| -> Result<String, Fault> { Ok(String::new()) });
    let around = policy::Around { env: &env, file: &file, built: &["file", "sqlite"] };
    policy::read(&texts, &around).unwrap().project
}

impl World for Site {
    fn clock(&self) -> &dyn Clock {
        &self.time
    }

    fn probe(&self, _: &KeyName) -> Result<&dyn Probe, Fault> {
        Ok(&self.probe)
    }

    fn backend(&self, _: &KeyName, _: &Name) -> Result<&dyn Backend, Fault> {
        Ok(&self.backend)
    }

    fn store(&self, _: &KeyName, _: &Name) -> Result<&dyn Store, Fault> {
        Ok(&self.store)
    }

    fn fleet(&self, _: &KeyName, _: &Name) -> Result<&dyn Fleet, Fault> {
        Ok(&self.fleet)
    }
}
