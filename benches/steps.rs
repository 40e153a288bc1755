//! How many steps a second are carried out durably: 64 independent rotations of one plan by the real executor and the real
//! journal on this disk, in a world in memory where every act is done at once. Beside it the floor: the same bytes appended to
//! a bare file, with one `fdatasync` wherever the journal synced.
//!
//! `cargo bench --bench steps`; another number of rotations is an argument.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "it measures, for people to read"
)]

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::Instant;

use keyrota::approval;
use keyrota::backend;
use keyrota::decision;
use keyrota::decision::Wish;
use keyrota::digest::Digest;
use keyrota::executor;
use keyrota::executor::Desk;
use keyrota::executor::Ended;
use keyrota::executor::Executor;
use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::fault::Fault;
use keyrota::fleet;
use keyrota::home::Local;
use keyrota::journal::Checked;
use keyrota::journal::Clock as Hours;
use keyrota::journal::Draft;
use keyrota::journal::Entry;
use keyrota::journal::Head;
use keyrota::journal::Journal;
use keyrota::model::Hour;
use keyrota::model::KeyName;
use keyrota::model::Name;
use keyrota::model::State;
use keyrota::model::Version;
use keyrota::plan;
use keyrota::plan::Document;
use keyrota::policy;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::clock::Clock;
use keyrota::port::fleet::Fleet;
use keyrota::port::home::Home;
use keyrota::port::home::Lease;
use keyrota::port::home::Ready;
use keyrota::port::home::Trouble;
use keyrota::port::probe::Probe;
use keyrota::port::store::Store;
use keyrota::port::world::World;
use keyrota::probe;
use keyrota::prove;
use keyrota::secret::Secret;
use keyrota::store;
use keyrota::survey;
use keyrota::survey::Depth;
use keyrota::template::Template;

const ROTATIONS: usize = 64;
const RUNS: usize = 7;

/// A world that does everything at once; only its hours pass.
struct Quick {
    now: Cell<Hour>,
    backend: backend::memory::Memory,
    store: store::memory::Memory,
    fleet: fleet::memory::Memory,
    probe: probe::memory::Memory,
}

impl Clock for Quick {
    fn now(&self) -> Hour {
        self.now.get()
    }

    fn sleep_until(&self, hour: Hour) {
        self.now.set(self.now.get().max(hour));
    }
}

impl World for Quick {
    fn clock(&self) -> &dyn Clock {
        self
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

/// The journal on the disk, and how much of it was written by each call: bytes, and whether they were synced.
struct Counted {
    home: Local,
    journal: std::path::PathBuf,
    calls: Vec<(u64, bool)>,
}

impl Counted {
    fn note<T>(&mut self, durable: bool, call: impl FnOnce(&mut Local) -> Result<T, Fault>) -> Result<T, Fault> {
        let before = std::fs::metadata(&self.journal).map_or(0, |facts| facts.len());
        let done = call(&mut self.home)?;
        let after = std::fs::metadata(&self.journal).map_or(0, |facts| facts.len());
        self.calls.push((after - before, durable));
        Ok(done)
    }
}

impl Home for Counted {
    fn lock(&mut self, who: &str) -> Result<Lease, Fault> {
        self.home.lock(who)
    }

    fn open(&mut self, lease: &Lease) -> Result<Ready, Trouble> {
        self.home.open(lease)
    }

    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.note(true, |home| home.append(lease, drafts))
    }

    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.note(false, |home| home.jot(lease, drafts))
    }

    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault> {
        self.note(true, |home| home.seal_head(lease))
    }

    fn head(&self) -> Result<Option<Head>, Trouble> {
        self.home.head()
    }

    fn read(&self) -> Result<Journal, Trouble> {
        self.home.read()
    }

    fn verify(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        self.home.verify(witness)
    }

    fn save_plan(&mut self, id: &Digest, bytes: &[u8]) -> Result<(), Fault> {
        self.home.save_plan(id, bytes)
    }

    fn plan(&self, id: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.home.plan(id)
    }

    fn plans(&self) -> Result<Vec<Digest>, Fault> {
        self.home.plans()
    }
}

struct Silent;

impl Screen for Silent {
    fn tell(&mut self, _: &Told<'_>) {}
}

fn text(rotations: usize) -> String {
    let mut text = String::from(
        "[policy]\nname = \"bench\"\nowner = \"bench@example.org\"\n[backend.files]\ntype = \"file\"\nas = \"raw\"\n\
         id = \"v{{ n }}\"\n[fleet.web]\nmembers = [\"web-1\"]\nlearns = { every = \"1h\" }\nwrites = \"current\"\n\
         in_flight = \"1m\"\n",
    );
    for at in 0..rotations {
        write!(
            text,
            "[store.s{at}]\ntype = \"sqlite\"\npath = \"s{at}.db\"\nrestorable_for = \"1d\"\n[[store.s{at}.sealed]]\n\
             table = \"t{at}\"\ncolumn = \"wrapped\"\nversion = {{ column = \"v\" }}\n\
             seal = {{ cipher = \"aes-256-gcm\", as = \"raw\", layout = [\"nonce\", \"ciphertext\", \"tag\"] }}\n\
             [key.k{at}]\nbackend = \"files\"\nat = \"k{at}\"\nalgorithm = \"aes-256\"\nseals = [\"s{at}\"]\n\
             used_by = [\"web\"]\nrotate_every = \"90d\"\nretire = {{ after = \"1h\", destroy_after = \"2d\" }}\n"
        )
        .unwrap();
    }
    text
}

fn read(rotations: usize) -> policy::Project {
    let texts = policy::Texts {
        settings: None,
        policies: vec![policy::Text::new("policies/bench.toml", text(rotations).into_bytes())],
    };
    let file = |name: &str| Err(Fault::give_up(format!("read `{name}`"), "there is none"));
    let around = policy::Around { env: &|_| None, file: &file, built: &["file", "sqlite"] };
    policy::read(&texts, &around).unwrap_or_else(|problems| panic!("{problems:#?}")).project
}

fn world(rotations: usize) -> Quick {
    let start: Hour = "2030-01-01T00:00:00Z".parse().unwrap();
    let world = Quick {
        now: Cell::new(start),
        backend: backend::memory::Memory::like_files(),
        store: store::memory::Memory::new("bench"),
        fleet: fleet::memory::Memory::new(&["web-1".parse().unwrap()], Template::parse("{{ id }}").unwrap()),
        probe: probe::memory::Memory::new(),
    };
    for at in 0..rotations {
        let material = Secret::from_vec(vec![u8::try_from(at).unwrap_or(7); 32]);
        let version = Version {
            fingerprint: Some(material.fingerprint().hex().parse().unwrap()),
            since: Some(start - chrono::TimeDelta::days(100)),
            ..Version::new("v1".parse().unwrap(), State::Current)
        };
        world.backend.put(&format!("k{at}"), version, Algorithm::Aes256, material);
        world.store.create(&format!("t{at}"), &["id", "v", "wrapped"]);
    }
    world
}

/// One plan carried out from its opening to its end: how many steps, how long, and what was written.
fn run(folder: &Path, rotations: usize) -> (usize, Duration, Vec<(u64, bool)>) {
    let (world, project) = (world(rotations), read(rotations));
    let journal = folder.join("journal.jsonl");
    let mut home = Counted { home: Local::new(folder), journal, calls: Vec::new() };
    let inventory = survey::look(&project, &world, &Default::default(), Depth::Count);
    let decisions = decision::decide(&project, &inventory, &Wish::WhatIsDue);
    let drawn = plan::draw(&project, &inventory, decisions, &Wish::WhatIsDue, None).unwrap();
    assert_eq!(drawn.units.len(), rotations, "independent");
    let document = Document::of(prove::check(drawn).unwrap_or_else(|violation| panic!("{violation}")));
    let steps = document.plan().units.iter().map(|unit| unit.steps.len()).sum();
    let stop = AtomicBool::new(false);
    let mut desk = Desk::take(&mut home, &world, Hours::Virtual, "bench").unwrap();
    let approved = approval::grant(document, desk.ledger(), desk.now(), &[]).unwrap();
    let began = Instant::now();
    let mut executor = Executor {
        approved: &approved,
        world: &world,
        desk: &mut desk,
        screen: &mut Silent,
        wait: true,
        pre_images: folder,
        stop: &stop,
    };
    let ended = executor::run(&mut executor).unwrap();
    let took = began.elapsed();
    assert_eq!(ended, Ended::Finished);
    drop(desk);
    (steps, took, home.calls)
}

/// The same bytes at the bare file system.
fn floor(folder: &Path, calls: &[(u64, bool)]) -> Duration {
    let mut file = File::create(folder.join("floor")).unwrap();
    let line = vec![b'x'; 1 << 24];
    let began = Instant::now();
    let mut pending = false;
    for (bytes, durable) in calls {
        if *bytes > 0 {
            file.write_all(&line[..usize::try_from(*bytes).unwrap()]).unwrap();
            pending = true;
        }
        if *durable && pending {
            file.sync_data().unwrap();
            pending = false;
        }
    }
    began.elapsed()
}

fn main() {
    let rotations = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(ROTATIONS);
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = (0, 0, 0);
    for _ in 0..RUNS {
        // On a disk, not in memory as temporary folders may be.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (steps, took, calls) = run(&folder.path().join("home"), rotations);
        let floor = floor(folder.path(), &calls);
        let rate = |time: Duration| u64::try_from(steps).map_or(0.0, |steps| steps as f64 / time.as_secs_f64());
        ours.push(rate(took));
        bare.push(rate(floor));
        ratios.push(took.as_secs_f64() / floor.as_secs_f64());
        last =
            (steps, calls.iter().filter(|(bytes, _)| *bytes > 0).count(), calls.iter().filter(|call| call.1).count());
    }
    let (steps, writes, syncs) = last;
    println!("{rotations} rotations, {steps} steps, {writes} writes, {syncs} times synced or sealed; median of {RUNS}");
    println!("keyrota              {:>9.0} steps/s", median(&mut ours));
    println!("append + fdatasync   {:>9.0} steps/s", median(&mut bare));
    println!("time beside the floor {:>8.2} x", median(&mut ratios));
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
