//! The real binary, killed hundreds of times while an application writes and members read: in every phase of a rotation, at
//! moments drawn from a seed. Three worlds side by side, because most of a rotation is waiting.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use keyrota::port::home::Home;
use keyrota::simulated::Dice;

use crate::binary;
use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;

/// How many living processes are killed, in all worlds together.
const KILLS: usize = 500;
const WORLDS: u64 = 3;
/// So many rows that a rewrap takes more than one page, and is met in the middle of each.
const ROWS: i64 = 12_000;
/// What the policy promises of a write: it lands within this time, or never. The policy's `in_flight` is a second.
const LANDS_WITHIN: Duration = Duration::from_millis(300);
/// What the policy promises of a member: it has looked at the keys within this time.
const LEARNS_WITHIN: Duration = Duration::from_secs(1);
/// All rows are opened after so many kills, and at the end of each rotation; a few after every kill.
const WHOLE_CHECK_EVERY: usize = 40;

/// What all worlds share.
struct Hunt {
    seed: u64,
    left: AtomicUsize,
    /// Kills by what they hit.
    hits: Mutex<BTreeMap<String, usize>>,
    rotations: AtomicUsize,
    opened: AtomicU64,
}

/// One world and those who live in it.
struct World {
    project: Project,
    next: AtomicI64,
    stop: AtomicBool,
}

/// The application: inserts and changes rows under whichever version is current, until it is told to stop.
fn write(world: &World) {
    let connection = world.project.connect();
    while !world.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (version, key) = world.project.current();
        let id = world.next.load(Ordering::Relaxed);
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        project::insert(&connection, id, &version, &key).unwrap();
        // A new data key for an old row, as applications make them; its plaintext is its number's own.
        let old = id * 7919 % id + 1;
        let sealed = project::seal(&key, old);
        connection
            .execute("UPDATE data_keys SET wrapped = ?1, kek_version = ?2 WHERE id = ?3", (sealed, &version, old))
            .unwrap();
        if began.elapsed() > LANDS_WITHIN {
            connection.execute_batch("ROLLBACK").unwrap();
        } else {
            connection.execute_batch("COMMIT").unwrap();
            world.next.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(25));
    }
}

/// A member: it looks at the keys now and then, as late as the policy allows, and opens rows with what it knows.
fn read(world: &World, mut dice: Dice, hunt: &Hunt) {
    let connection = world.project.connect();
    let mut knows = world.project.opening();
    let mut looked = Instant::now();
    let mut late = Duration::ZERO;
    while !world.stop.load(Ordering::Relaxed) {
        if looked.elapsed() >= late {
            looked = Instant::now();
            knows = world.project.opening();
            late = Duration::from_millis(dice.below(950));
        }
        let from = dice.below(world.next.load(Ordering::Relaxed) as u64) as i64;
        let rows = project::sealed(&connection, from, 5);
        // Nobody promised anything to a member that this machine held up for too long.
        if looked.elapsed() < LEARNS_WITHIN {
            for (id, version, wrapped) in rows {
                let key = knows.get(&version);
                let key = key.unwrap_or_else(|| panic!("seed {}: a member met row {id} of {version}", hunt.seed));
                assert!(project::opens(key, id, &wrapped), "seed {}: row {id} of {version}", hunt.seed);
                hunt.opened.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What one process wrote into the journal.
struct Said {
    from: u64,
}

impl Said {
    fn at(project: &Path) -> Self {
        Self { from: length(project) }
    }

    fn lines(&self, project: &Path) -> Vec<serde_json::Value> {
        let journal = fs::read(project.join(".keyrota/journal.jsonl")).unwrap_or_default();
        // Torn bytes of the process before it are cut off when this one begins.
        let whole = journal[..self.from.min(journal.len() as u64) as usize].iter().rposition(|byte| *byte == b'\n');
        let mine = &journal[whole.map_or(0, |at| at + 1)..];
        mine.split_inclusive(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// In the middle of what it is: an act, or none.
    fn phase(&self, project: &Path) -> String {
        let (mut acts, mut opened) = (Vec::new(), false);
        for line in self.lines(project) {
            let step = line["what"]["step"].as_str().unwrap_or_default();
            let act = step.rsplit('-').next().unwrap().to_owned();
            opened = true;
            match line["what"]["event"].as_str().unwrap() {
                "intent" => acts.push(act),
                "done" | "failed" => acts.retain(|known| *known != act),
                _ => {}
            }
        }
        match acts.pop() {
            Some(act) => act,
            None if opened => "between acts".to_owned(),
            None => "before its first line".to_owned(),
        }
    }
}

fn length(project: &Path) -> u64 {
    fs::metadata(project.join(".keyrota/journal.jsonl")).map_or(0, |file| file.len())
}

/// Waits for the moment to strike: some time after the start; or after a line of the journal; or in the middle of the act
/// that was hit least.
fn lie_in_wait(project: &Path, said: &Said, child: &mut Child, dice: &mut Dice, rarest: &str) {
    let began = Instant::now();
    let lives = |child: &mut Child| child.try_wait().unwrap().is_none();
    match dice.below(4) {
        0 => thread::sleep(Duration::from_micros(dice.below(150_000))),
        1 | 2 => {
            let (mut seen, mut left) = (length(project), 1 + dice.below(6));
            while left > 0 && began.elapsed() < Duration::from_millis(200) && lives(child) {
                thread::sleep(Duration::from_micros(200));
                let now = length(project);
                left -= u64::from(now != seen);
                seen = now;
            }
            thread::sleep(Duration::from_micros(dice.below(8_000)));
        }
        _ => {
            let mut seen = length(project);
            while began.elapsed() < Duration::from_millis(1_200) && lives(child) {
                let now = length(project);
                if now != seen && said.phase(project) == rarest {
                    return thread::sleep(Duration::from_micros(dice.below(1_500)));
                }
                seen = now;
                thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// The acts that the kills must meet, and each how often.
const MET: [(&str, usize); 7] = [
    ("before its first line", 20),
    ("between acts", 20),
    ("add", 3),
    ("switch", 3),
    ("rewrap", 40),
    ("verify", 3),
    ("retire", 3),
];

/// The act that is furthest from what is demanded of it.
fn rarest(hits: &BTreeMap<String, usize>) -> String {
    let share = |(act, at_least): &(&str, usize)| hits.get(*act).copied().unwrap_or(0) * 1_000 / at_least;
    MET[2..].iter().min_by_key(|met| share(met)).unwrap().0.to_owned()
}

/// Everything is as it must be, of a world in which no keyrota runs now.
fn judge(world: &World, hunt: &Hunt) {
    let rows = world.project.rows();
    assert!(rows.values().sum::<u64>() >= ROWS as u64, "seed {}: {rows:?}", hunt.seed);
    world.project.untouched();
    site::home(&world.project).verify(None).unwrap_or_else(|why| panic!("seed {}: {why}", hunt.seed));
}

/// Kills in this world until enough are dead; says what they told.
fn hunt(world: &World, file: &str, mut dice: Dice, hunt: &Hunt) -> Vec<u8> {
    let at = &world.project.at;
    let (mut kills, mut drawn, mut told) = (0, false, Vec::new());
    while hunt.left.load(Ordering::Relaxed) > 0 {
        if !drawn {
            binary::plan(at, file);
            drawn = true;
        }
        let said = Said::at(at);
        let mut child = binary::keyrota(at, &["apply", file, "--wait"]).spawn().unwrap();
        let rarest = rarest(&hunt.hits.lock().unwrap());
        lie_in_wait(at, &said, &mut child, &mut dice, &rarest);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.code().is_some() {
            let words = binary::said(&output);
            assert!(output.status.success() || words.contains("was carried out on"), "seed {}: {words}", hunt.seed);
            drawn = false;
            hunt.rotations.fetch_add(1, Ordering::Relaxed);
            judge(world, hunt);
        } else {
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(9));
            kills += 1;
            let _ = hunt.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            *hunt.hits.lock().unwrap().entry(said.phase(at)).or_default() += 1;
            // Whoever may meet a row can open it, at once: some now, all of them now and then.
            world.project.some_rows(dice.below(ROWS as u64) as i64, 40);
            if kills % WHOLE_CHECK_EVERY == 0 {
                judge(world, hunt);
            }
        }
        told.extend(output.stdout);
        told.extend(output.stderr);
    }
    let last = binary::run(at, &["apply", "--wait"]);
    assert!(last.status.success(), "seed {}: {}", hunt.seed, binary::said(&last));
    told
}

/// A world from its first row to its end.
fn live(number: u64, shared: &Hunt) {
    let folder = project::folder();
    let at = folder.path().join("project");
    fs::create_dir(&at).unwrap();
    let world = Arc::new(World {
        project: Project::make(&at, Kind::Plain, ROWS),
        next: AtomicI64::new(ROWS + 1),
        stop: AtomicBool::new(false),
    });
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    let dice = |more| Dice::new(shared.seed ^ (number << 8 | more));
    thread::scope(|scope| {
        let world = &*world;
        scope.spawn(move || write(world));
        scope.spawn(move || read(world, dice(1), shared));
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hunt(world, file, dice(2), shared)));
        world.stop.store(true, Ordering::Relaxed);
        let told = told.unwrap_or_else(|why| {
            shared.left.store(0, Ordering::Relaxed);
            std::panic::resume_unwind(why)
        });
        world.project.search(&[("stdout and stderr", &told), ("plan", &fs::read(file).unwrap())]);
    });
    judge(&world, shared);
    let current = world.project.current().0;
    let rows = world.next.load(Ordering::Relaxed) as u64 - 1;
    assert_eq!(world.project.rows(), BTreeMap::from([(current, rows)]), "seed {}", shared.seed);
    let verified = binary::run(&at, &["journal", "verify"]);
    assert!(verified.status.success(), "seed {}: {}", shared.seed, binary::said(&verified));
}

/// `KILL_SEED=7 cargo test --test faults killed` throws that seed's dice again.
#[test]
fn killed_five_hundred_times_while_an_application_writes_it_loses_nothing() {
    let began = Instant::now();
    let seed = std::env::var("KILL_SEED").map_or(0x00C0_FFEE, |seed| seed.parse().unwrap());
    let shared = Hunt {
        seed,
        left: AtomicUsize::new(KILLS),
        hits: Mutex::default(),
        rotations: AtomicUsize::new(0),
        opened: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        for number in 0..WORLDS {
            let shared = &shared;
            scope.spawn(move || live(number, shared));
        }
    });
    let hits = shared.hits.into_inner().unwrap();
    let (rotations, opened) = (shared.rotations.into_inner(), shared.opened.into_inner());
    println!("seed {seed}: {hits:?} in {rotations} rotations, members opened {opened} rows, {:?}", began.elapsed());
    assert!(hits.values().sum::<usize>() >= KILLS && rotations >= 4 && opened > 1_000, "seed {seed}");
    for (phase, at_least) in MET {
        assert!(hits.get(phase) >= Some(&at_least), "seed {seed}: `{phase}` of {hits:?}");
    }
}
