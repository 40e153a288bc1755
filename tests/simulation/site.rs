//! One seed's world: a folder with key files and a database, a fleet, an executor that is started again and again.

use super::canary::Canary;
use super::flaky::Flaky;
use super::flaky::Killed;
use super::flaky::Luck;
use super::people::People;
use super::people::Well;
use super::shapes;
use super::shapes::Shape;
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
use keyrota::prove;
use keyrota::secret::Secret;
use keyrota::simulated::Crowd;
use keyrota::simulated::Dice;
use keyrota::simulated::Habits;
use keyrota::simulated::Time;
use keyrota::simulated::app;
use keyrota::simulated::app::App;
use keyrota::simulated::app::Row;
use keyrota::store::sqlite::Sqlite;
use keyrota::survey;
use keyrota::survey::Depth;
use keyrota::template::Template;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const ROWS: i64 = 24;
const MEMBERS: [&str; 3] = ["web-1", "web-2", "web-3"];
/// A row of nobody, which does not open.
const STRANGE: i64 = 900_000;
const KEY: &str = "simulated/kek";
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
    /// Sealed values opened hours after they were read.
    pub(crate) cached: u64,
    /// Starts that did not succeed, in the one span in which that is accepted.
    pub(crate) down: u64,
    /// Old values that a backup brought back, and values that do not open.
    pub(crate) restored: u64,
    pub(crate) strange: u64,
    /// Rows that members wrote under the new version.
    pub(crate) new: u64,
    pub(crate) seeds: u64,
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
        self.cached += other.cached;
        self.down += other.down;
        self.restored += other.restored;
        self.strange += other.strange;
        self.new += other.new;
        self.seeds += other.seeds;
    }
}

/// How it ended.
pub(crate) struct End {
    pub(crate) seen: Seen,
    pub(crate) trace: Vec<String>,
    /// The journal and the plans.
    wrote: Vec<u8>,
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
    stores: Vec<Flaky<Sqlite>>,
    fleet: Flaky<People>,
    probe: Flaky<Well>,
    shape: Shape,
    /// What happened that nobody planned.
    odd: RefCell<Odd>,
    wrote: RefCell<Vec<u8>>,
}

#[derive(Default)]
struct Odd {
    /// The first row as it was sealed first; taken once a backup has brought it back.
    first: Option<Row>,
    restored: u64,
    strange: u64,
}

impl Site {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let shape = shapes::all().swap_remove(seed as usize % shapes::all().len());
        // What is tried here is not the disk: in memory, where there is such a folder, syncing costs nothing.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let start: Hour = chrono::Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).unwrap();
        let time = Time::from(start, Span::seconds(1 + dice.below(90)));
        let key = app::first_key(&folder.path().join("keys")).unwrap();
        let database = |number: usize| folder.path().join(format!("app-{number}.db"));
        let (mut apps, mut sealed) = (Vec::new(), BTreeMap::new());
        for number in 0..shape.stores {
            let ids = number as i64 * ROWS + 1..=(number as i64 + 1) * ROWS;
            let mut app = App::create(&database(number)).unwrap();
            sealed.extend(ids.clone().zip(app.fill(ids, "v1", &key).unwrap()));
            apps.push(app);
        }
        let first = apps[0].rows(1, 1).unwrap().pop();
        let members = "CREATE TABLE members (member TEXT PRIMARY KEY, knows TEXT, beat TEXT)";
        rusqlite::Connection::open(database(0)).unwrap().execute_batch(members).unwrap();
        let luck = Luck::new(Dice::new(dice.below(u64::MAX)));
        let project = project(&shape);
        let codings = [keyrota::envelope::Coding::Hex];
        let files = KeyFiles::new(folder.path(), &codings, &Template::parse("v{{ n }}").unwrap());
        let files = files.unwrap();
        // The books are begun here, so that members have something to read.
        files.adopt("keys", &"v1".parse().unwrap(), start).unwrap();
        let habits = Habits {
            refreshes: Span::minutes(60),
            in_flight: Span::minutes(1),
            writes: Span::minutes(20 + dice.below(120)),
            reads: Span::minutes(300),
            rows: 6,
            restarts: Span::minutes(30 + dice.below(2000)),
        };
        let keys = folder.path().join("keys");
        let written = Secret::from_vec(std::fs::read(keys.join("v1.key")).unwrap());
        let manners = (habits, shape.manners.clone());
        let crowd = Crowd::with_manners(apps, (keys, sealed), &MEMBERS, manners, (dice.below(u64::MAX), start));
        let mut crowd = crowd.unwrap();
        for member in MEMBERS.iter().filter(|_| shape.manners.handed) {
            crowd.hand(member, "v1", &written).unwrap();
            crowd.point(member, "v1").unwrap();
            crowd.restart(member, start).unwrap();
        }
        time.live(crowd);
        time.go_wrong(WRONG, Dice::new(dice.below(u64::MAX)));
        let people = People { time: time.clone(), says: Sqlite::new(database(0)) };
        let store = |number| Flaky { inner: Sqlite::new(database(number)), luck: luck.clone() };
        Self {
            seed,
            stores: (0..shape.stores).map(store).collect(),
            backend: Flaky { inner: files, luck: luck.clone() },
            fleet: Flaky { inner: people, luck: luck.clone() },
            probe: Flaky { inner: Well(time.clone()), luck: luck.clone() },
            folder,
            time,
            luck,
            dice: RefCell::new(dice),
            project,
            shape,
            odd: RefCell::new(Odd { first, ..Odd::default() }),
            wrote: RefCell::default(),
        }
    }

    fn database(&self, number: usize) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join(format!("app-{number}.db"))).unwrap()
    }

    /// What happens between two attempts without anybody's plan: a backup brings a row back, a value of nobody turns up,
    /// and a person settles it.
    fn meddle(&self, home: &mut Memory) {
        let one_in = |many| self.dice.borrow_mut().one_in(many);
        let ledger = journal::ledger(&home.read().unwrap()).unwrap();
        let known = ledger.keys.get(&KEY.parse::<KeyName>().unwrap());
        let mut odd = self.odd.borrow_mut();
        // Once values are said to be gone from under the old version, members may forget it.
        let lines = String::from_utf8(home.lines()).unwrap();
        let forgotten = ["-withdraw", "-retire"].iter().any(|act| lines.contains(&format!("{act}\",\"attempt\"")));
        if self.shape.moves() && !forgotten && odd.first.is_some() && one_in(12) {
            let row = odd.first.take().unwrap();
            let back = "UPDATE data_keys SET kek_version = ?1, wrapped = ?2 WHERE id = ?3";
            self.database(0).execute(back, (row.version, row.wrapped, row.id)).unwrap();
            odd.restored += 1;
        }
        if self.shape.strange && odd.strange == 0 && !forgotten && one_in(24) {
            let row = (STRANGE, format!("customer-{STRANGE}"), "v1", "00".repeat(60));
            self.database(0).execute("INSERT INTO data_keys VALUES (?1, ?2, ?3, ?4)", row).unwrap();
            self.time.ask(|crowd| crowd.leave_alone(STRANGE));
            odd.strange += 1;
        }
        let waiting: Vec<_> = known.into_iter().flat_map(|known| known.quarantine.keys().cloned()).collect();
        if !waiting.is_empty() && one_in(3) {
            let mut desk = Desk::take(home, &self.time, journal::Clock::Virtual, "simulation").unwrap();
            for at in waiting {
                let (key, how, by) = (KEY.parse().unwrap(), journal::Settled::Accepted, "simulation".into());
                desk.say(vec![journal::Event::QuarantineSettled { key, at, how, by }]).unwrap();
            }
        }
    }

    /// Rotates, and with one seed of 64 (it takes six weeks) destroys the old version when its time has come.
    pub(crate) fn rotate(&self) -> End {
        let mut home = Memory::default();
        if self.goes_back() {
            let mut attempts = self.carry_out_or_give_up(&mut home, &Wish::WhatIsDue);
            attempts += self.carry_out(&mut home, &Wish::Back(KEY.parse().unwrap()));
            return self.end(&home, attempts);
        }
        let mut attempts = self.carry_out(&mut home, &Wish::WhatIsDue);
        if self.destroys() {
            self.wait_for(Span::days(41));
            attempts += self.carry_out(&mut home, &Wish::Destroy);
        }
        if !self.shape.moves() {
            // Only now do members begin to write under the new version, by themselves.
            self.wait_for(Span::days(3));
        }
        self.end(&home, attempts)
    }

    pub(crate) fn shape(&self) -> &'static str {
        self.shape.name
    }

    fn destroys(&self) -> bool {
        self.seed.is_multiple_of(64) && self.shape.moves()
    }

    /// One seed of eight goes back: from somewhere after the switch, or from after the old version's retirement.
    fn goes_back(&self) -> bool {
        self.seed % 8 == 5 && self.shape.moves()
    }

    /// Plans, and starts the executor until the plan is carried out; says how often.
    fn carry_out(&self, home: &mut Memory, wish: &Wish) -> u64 {
        let document = self.plan(home, wish);
        self.go_on(home, &document, || false)
    }

    /// The same, but somebody may give it up once the new version is current.
    fn carry_out_or_give_up(&self, home: &mut Memory, wish: &Wish) -> u64 {
        let document = self.plan(home, wish);
        let current = || {
            let key = self.backend.inner.look("keys").unwrap().key;
            key.current().is_some_and(|version| version.id.as_str() == "v2")
        };
        let attempts = self.go_on(home, &document, || current() && self.dice.borrow_mut().one_in(3));
        let mut desk = Desk::take(home, &self.time, journal::Clock::Virtual, "simulation").unwrap();
        let open = desk.standing(document.id()).is_some_and(|standing| standing.is_open());
        if open {
            executor::cancel(document.plan(), document.id(), self, &mut desk, "somebody wants to go back").unwrap();
        }
        attempts
    }

    /// Starts the executor until the plan is carried out, or somebody gives it up.
    fn go_on(&self, home: &mut Memory, document: &Document, gives_up: impl Fn() -> bool) -> u64 {
        let (mut attempts, mut last) = (0, None);
        loop {
            attempts += 1;
            assert!(attempts < ATTEMPTS_MAX, "seed {}: it does not come to an end: {last:?}", self.seed);
            if gives_up() {
                return attempts;
            }
            self.meddle(home);
            self.luck.arm(true);
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| self.attempt(home, document)));
            self.luck.arm(false);
            last = ended.as_ref().ok().cloned();
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
        let document = Document::of(prove::check(drawn).unwrap());
        self.wrote.borrow_mut().extend(document.bytes());
        document
    }

    fn attempt(&self, home: &mut Memory, document: &Document) -> Result<Ended, Fault> {
        let document = Document::read(document.bytes().to_vec()).unwrap();
        let desk = Desk::take(home, &self.time, journal::Clock::Virtual, "simulation");
        let mut desk = desk.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Broken(broken) => panic!("seed {}: {broken}", self.seed),
        })?;
        let now = desk.now();
        let named = [(KEY.parse().unwrap(), "v1".parse().unwrap())];
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
        self.wrote.borrow_mut().extend(lines.as_bytes());
        let entries: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let tally = self.time.ask(|crowd| crowd.tally().clone()).unwrap();
        let moved = entries.iter().filter(|entry| entry["what"]["event"] == "chunk");
        let moved = moved.filter_map(|entry| entry["what"]["moved"].as_u64()).sum();
        let late = tally.written.get("v1").copied().unwrap_or(0);
        let odd = self.odd.borrow();
        let seen = Seen {
            kills,
            faults,
            attempts,
            moved,
            late,
            restarts: tally.restarted,
            opened: tally.opened,
            cached: tally.cached,
            down: tally.down,
            restored: odd.restored,
            strange: odd.strange,
            new: tally.written.get("v2").copied().unwrap_or(0),
            seeds: 1,
        };
        End { seen, trace: entries.iter().map(event).collect(), wrote: self.wrote.take() }
    }

    /// What must be true in the end, whatever happened.
    pub(crate) fn judge(&self, end: &End) {
        let seed = self.seed;
        self.time.ask(Crowd::read_all);
        let tally = self.time.ask(|crowd| crowd.tally().clone()).unwrap();
        assert_eq!(tally.failures, Vec::<String>::new(), "seed {seed}");
        let key = self.backend.inner.look("keys").unwrap().key;
        let states: Vec<_> = key.versions.iter().map(|version| (version.id.to_string(), version.state)).collect();
        let (old, new, target) = match (self.goes_back(), self.destroys()) {
            (true, _) => (State::Current, State::DecryptOnly, "v1"),
            (false, true) => (State::Destroyed, State::Current, "v2"),
            (false, false) => (self.shape.old, State::Current, "v2"),
        };
        assert_eq!(states, [("v1".to_owned(), old), ("v2".to_owned(), new)], "seed {seed}");
        for number in 0..self.shape.stores {
            let rows = self.database(number);
            let count = |condition: &str| -> i64 {
                let text = format!("SELECT count(*) FROM data_keys WHERE {condition}");
                rows.query_row(&text, [], |row| row.get(0)).unwrap()
            };
            assert_eq!(count("customer != 'customer-' || id"), 0, "seed {seed}: another byte changed");
            let left = count(&format!("kek_version != '{target}' AND id != {STRANGE}"));
            assert!(left == 0 || !self.shape.moves(), "seed {seed}: {left} rows under another version");
            let strange = count(&format!("id = {STRANGE} AND kek_version = 'v1' AND wrapped = '{}'", "00".repeat(60)));
            assert_eq!(
                strange as u64,
                if number == 0 { end.seen.strange } else { 0 },
                "seed {seed}: what is left alone"
            );
        }
        if seed.is_multiple_of(10) {
            let canary = Canary::of_folder(&self.folder.path().join("keys"));
            canary.absent_below(self.folder.path(), |name| name.starts_with("keys/"));
            canary.absent("the journal and the plans", &end.wrote);
        }
        // Who goes back may do so before anybody wrote under the new version.
        let wrote = end.seen.new > 0 || !self.shape.moves() || self.goes_back();
        assert!(end.trace.len() > 5 && wrote, "seed {seed}");
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

fn project(shape: &Shape) -> Project {
    let settings = "[commands]\nallow = [\"site/put\", \"site/drop\", \"site/restart\", \"site/up\"]\n";
    let texts = policy::Texts {
        settings: Some(policy::Text::new("keyrota.toml", settings)),
        policies: vec![policy::Text::new("policies/simulated.toml", shape.policy())],
    };
    let (env, file) = (|_: &str| None, |_: &str| -> Result<String, Fault> { Ok(String::new()) });
    let around = policy::Around { env: &env, file: &file, built: &["file", "sqlite", "unseen"] };
    policy::read(&texts, &around).unwrap_or_else(|problems| panic!("{}: {problems:#?}", shape.name)).project
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

    fn store(&self, _: &KeyName, name: &Name) -> Result<&dyn Store, Fault> {
        Ok(&self.stores[usize::from(name.as_str() == "side")])
    }

    fn fleet(&self, _: &KeyName, _: &Name) -> Result<&dyn Fleet, Fault> {
        Ok(&self.fleet)
    }
}
