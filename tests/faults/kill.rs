//! The real binary, killed again and again while an application writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::binary;
use crate::project;
use crate::project::Kind;
use crate::project::Project;

/// How many deaths, and how long they may take together; where a machine is slower than that, fewer are tried.
const KILLS: usize = 500;
const WITHIN: Duration = Duration::from_secs(80);
/// What the policy promises of a write: it lands within this time, or never. The policy's `in_flight` is a second.
const LANDS_WITHIN: Duration = Duration::from_millis(300);

/// The application: inserts and changes rows under whichever version is current, until it is told to stop.
fn write(project: &Project, next: &AtomicI64, stop: &AtomicBool) {
    let connection = project.connect();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (version, key) = project.current();
        let id = next.load(Ordering::Relaxed);
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
            next.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(25));
    }
}

/// Waits until the journal has grown by so many lines, or the child is done; says how long that took at the end.
fn await_lines(at: &Path, lines: usize, child: &mut Child) -> Duration {
    let count =
        || fs::read(at.join(".keyrota/journal.jsonl")).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
    let (first, mut last, mut since) = (count(), Instant::now(), Duration::ZERO);
    let mut seen = first;
    while seen < first + lines && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
        let now = count();
        if now > seen {
            (seen, since, last) = (now, last.elapsed(), Instant::now());
        }
    }
    since.min(Duration::from_millis(40))
}

#[test]
fn killed_again_and_again_while_an_application_writes_it_loses_nothing() {
    const ROWS: i64 = 1_500;
    let folder = project::folder();
    let at = folder.path().join("project");
    fs::create_dir(&at).unwrap();
    let project = Arc::new(Project::make(&at, Kind::Plain, ROWS));
    let (next, stop) = (Arc::new(AtomicI64::new(ROWS + 1)), Arc::new(AtomicBool::new(false)));
    let writer = thread::spawn({
        let (project, next, stop) = (Arc::clone(&project), Arc::clone(&next), Arc::clone(&stop));
        move || write(&project, &next, &stop)
    });
    let file = folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    let began = Instant::now();
    let (mut kills, mut halfway, mut runs, mut logs) = (0, 0, 0, Vec::new());
    let mut drawn = false;
    while kills < KILLS && began.elapsed() < WITHIN {
        if !drawn {
            binary::plan(&at, file);
            drawn = true;
        }
        let mut child = binary::keyrota(&at, &["apply", file, "--wait"]).spawn().unwrap();
        let random = |most: u64| Duration::from_micros(kills as u64 * 7_919_317 % most);
        match kills % 3 {
            // Somewhere between its first breath and the end of a wait.
            0 => thread::sleep(random(400_000)),
            // Soon after a line that it writes: among them those between which rows move.
            lines => thread::sleep(await_lines(&at, lines * (1 + kills / 3 % 5), &mut child) / 4 + random(9_000)),
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.code().is_some() {
            let said = binary::said(&output);
            assert!(output.status.success() || said.contains("was carried out on"), "{said}");
            (drawn, runs) = (false, runs + 1);
        } else {
            kills += 1;
        }
        logs.extend(output.stdout);
        logs.extend(output.stderr);
        let rows = project.rows();
        assert!(rows.values().sum::<u64>() >= ROWS as u64, "{rows:?}");
        halfway += usize::from(rows.len() > 1);
    }
    let last = binary::run(&at, &["apply", "--wait"]);
    assert!(last.status.success(), "{}", binary::said(&last));
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let current = project.current().0;
    assert_eq!(project.rows(), BTreeMap::from([(current, next.load(Ordering::Relaxed) as u64 - 1)]));
    project.search(&[("stdout and stderr", &logs), ("plan", &fs::read(file).unwrap())]);
    println!(
        "{kills} kills, {halfway} of them with rows under two versions, in {runs} whole runs, {} rows, {:?}",
        next.load(Ordering::Relaxed) - 1,
        began.elapsed()
    );
    assert!(kills >= 30 && runs >= 1, "only {kills} kills in {runs} runs");
}
