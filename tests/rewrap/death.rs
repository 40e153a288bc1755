//! A rewrap that dies, at any moment and at every commit, and one that is short of memory. The child is this binary again.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use keyrota::disk::crash;
use keyrota::executor::rewrap::Flow;
use keyrota::executor::rewrap::Progress;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use serde_json::json;

use crate::world;
use crate::world::World;

const DATABASE: &str = "REWRAP_TEST_DATABASE";
const TARGET: &str = "REWRAP_TEST_TARGET";
const DIE_AT: &str = "REWRAP_TEST_DIE_AT";
const CHUNK: &str = "REWRAP_TEST_CHUNK";
const ATOMIC: &str = "REWRAP_TEST_ATOMIC";

/// Says a line a chunk. Nothing is kept, so that what memory is used is the engine's.
struct Aloud;

impl Watch for Aloud {
    fn chunk(&mut self, _: &Progress<'_>) -> Result<Flow, Fault> {
        println!("chunk");
        Ok(Flow::Go)
    }
}

/// What the child does; nothing where nobody is its parent.
#[test]
fn child() {
    let Ok(path) = std::env::var(DATABASE) else { return };
    let stop = std::env::var(DIE_AT).ok().map(|at| (at.parse().unwrap(), crash::Stop::Abort));
    crash::arm(Some(crash::Plan { record: None, stop })).unwrap();
    let mut job = world::job(&[world::sealed(json!({}))], std::env::var(TARGET).unwrap().parse().unwrap());
    if let Ok(chunk) = std::env::var(CHUNK) {
        job.rows_per_chunk = chunk.parse().unwrap();
    }
    job.atomic = std::env::var(ATOMIC).is_ok();
    let ring = world::ring(&job, &[1, 2]);
    let store = keyrota::store::sqlite::Sqlite::new(path);
    keyrota::executor::rewrap::run(&store, &job, &ring, &mut Aloud).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {}", peak.trim().trim_end_matches(" kB"));
}

fn command(path: &Path, target: u8) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "death::child", "--nocapture", "--test-threads=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.env(DATABASE, path).env(TARGET, target.to_string());
    command
}

fn finished(mut child: Child) -> bool {
    child.wait().unwrap().success()
}

#[test]
fn killed_at_any_moment_it_goes_on_from_the_data() {
    for mode in ["WAL", "DELETE"] {
        let world = World::usual(mode, 5_000);
        let others = world.others("data_keys", &["v", "wrapped"]);
        let (mut target, mut halfway) = (2_u8, 0);
        for kill in 0..20_usize {
            let mut command = command(&world.path(), target);
            let mut child = command.env(CHUNK, "100").spawn().unwrap();
            // The child says a line a chunk; it dies somewhere in one of those that follow.
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let _passed = lines.by_ref().filter(|line| line.ends_with("chunk")).take(kill * 7 % 30).count();
            thread::sleep(Duration::from_micros(kill as u64 * 331 % 3000));
            child.kill().unwrap();
            if finished(child) {
                // Done before the axe fell: the other way round again.
                target = 3 - target;
            }
            let under = world.usual_under();
            assert_eq!(under.values().sum::<usize>(), 5_000);
            halfway += usize::from(under.len() == 2);
        }
        assert!(halfway >= 5, "{mode}: {halfway} kills in the middle");
        assert!(finished(command(&world.path(), target).spawn().unwrap()));
        assert_eq!(world.usual_under(), [(format!("v{target}"), 5_000)].into());
        assert_eq!(world.others("data_keys", &["v", "wrapped"]), others);
    }
}

#[test]
fn it_may_die_before_and_after_every_commit() {
    for (mode, atomic) in [("WAL", false), ("DELETE", false), ("WAL", true), ("DELETE", true)] {
        let world = World::usual(mode, 450);
        let mut deaths = 0;
        for at in 0_usize.. {
            // Each child dies one commit later than the one before, on what that one left; at the end none is left to die at.
            world.connect().execute_batch("DELETE FROM data_keys").unwrap();
            world::add_usual(&world.connect(), 1, 450, 1);
            let mut child = command(&world.path(), 2);
            child.env(DIE_AT, at.to_string()).env(CHUNK, "100");
            if atomic {
                child.env(ATOMIC, "yes");
            }
            let done = finished(child.spawn().unwrap());
            let under = world.usual_under();
            let moved = under.get("v2").copied().unwrap_or(0);
            if done {
                assert_eq!(moved, 450);
                break;
            }
            // A transaction ends when its time is up, so on a busy machine a chunk takes several of them.
            let commits = at.div_ceil(2);
            let expected = if atomic { (at % 2) * 450..=(at % 2) * 450 } else { commits.min(450)..=commits * 100 };
            assert!(expected.contains(&moved), "{mode}, atomic {atomic}, point {at}: {moved}");
            let last = "SELECT coalesce(max(id), 0) FROM data_keys WHERE v = 'v2'";
            let last: u32 = world.connect().query_row(last, [], |row| row.get(0)).unwrap();
            assert_eq!(last as usize, moved, "{mode}, atomic {atomic}, point {at}: whole transactions, in key order");
            deaths += 1;
            let job = world::job(&[world::sealed(json!({}))], 2);
            assert_eq!(world::run(&world.path(), &job).0.unwrap().moved as usize, 450 - moved);
        }
        assert!(deaths == 2 || !atomic && deaths >= 10, "{mode}: {deaths}");
    }
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let peak = |rows: i64| -> u64 {
        let world = World::usual("WAL", rows);
        let done = command(&world.path(), 2).spawn().unwrap().wait_with_output().unwrap();
        assert!(done.status.success());
        let said = String::from_utf8(done.stdout).unwrap();
        let peak =
            said.lines().find_map(|line| line.trim_start_matches("test death::child ... ").strip_prefix("peak "));
        peak.expect(&said).trim().parse().unwrap()
    };
    let kib = peak(200_000);
    assert!(kib < 64 * 1024, "{kib} KiB");
}
