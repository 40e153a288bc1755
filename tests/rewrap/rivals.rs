//! Others at the same file: an application that goes on writing, and one that sits on the lock.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::TransactionBehavior;
use serde_json::json;

use crate::world;
use crate::world::World;
use crate::world::material;
use crate::world::plain;
use crate::world::seal;

const ROWS: i64 = 20_000;

/// What the application does until it is told to stop: adds rows, seals some anew, changes neighbours, deletes. Rows divisible
/// by 1000 are deleted and come back under whatever is current. Gives the longest that one write took.
fn application(
    mut connection: Connection,
    (current, wrote): (&AtomicU8, &AtomicU8),
    stop: &AtomicBool,
) -> (i64, Duration) {
    let (mut next, mut longest) = (ROWS + 1, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let n = current.load(Ordering::Relaxed);
        let v = world::version(n);
        let began = Instant::now();
        let id = next % ROWS + 1;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let sealed = |id: i64| seal(material(n), &plain(id), &format!("data_keys:{id}"));
        transaction
            .execute("INSERT INTO data_keys VALUES (?1, ?2, ?3, x'77', 'added')", (next, v.as_str(), sealed(next)))
            .unwrap();
        transaction
            .execute("UPDATE data_keys SET v = ?2, wrapped = ?3 WHERE id = ?1", (id, v.as_str(), sealed(id)))
            .unwrap();
        transaction.execute("UPDATE data_keys SET note = 'touched' WHERE id = ?1", [(id * 7) % ROWS + 1]).unwrap();
        if id % 10 == 0 {
            transaction.execute("DELETE FROM data_keys WHERE id = ?1", [(id * 13) % ROWS + 1]).unwrap();
        }
        transaction.commit().unwrap();
        wrote.store(n, Ordering::Relaxed);
        longest = longest.max(began.elapsed());
        next += 1;
        thread::sleep(Duration::from_millis(1));
    }
    (next - ROWS - 1, longest)
}

#[test]
fn an_application_that_goes_on_writing_loses_nothing() {
    for mode in ["WAL", "DELETE"] {
        let world = World::usual(mode, ROWS);
        let payloads = |world: &World| -> Vec<String> {
            let only_old = |row: &String| !row.contains("X'77'");
            // The note is the application's to change; what it did not delete must be as it was.
            world.others("data_keys", &["v", "wrapped", "note"]).into_iter().filter(only_old).collect()
        };
        let before = payloads(&world);
        let (current, wrote, stop) = (AtomicU8::new(1), AtomicU8::new(1), AtomicBool::new(false));
        let mut job = world::job(&[world::sealed(json!({}))], 2);
        job.rows_per_chunk = 500;
        let (added, longest) = thread::scope(|scope| {
            let app = scope.spawn(|| application(world.connect(), (&current, &wrote), &stop));
            // Old writers first, so that values under the old version turn up behind the walk; then the switch.
            let early = world::run(&world.path(), &job).0;
            current.store(2, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(100));
            // What was under way lands, however slow this machine is.
            while wrote.load(Ordering::Relaxed) != 2 {
                thread::sleep(Duration::from_millis(1));
            }
            let late = world::run(&world.path(), &job).0.unwrap();
            assert!(late.last.is_clean());
            if let Ok(early) = early {
                assert!(early.moved > 0);
            }
            stop.store(true, Ordering::Relaxed);
            app.join().unwrap()
        });
        let under = world.usual_under();
        assert_eq!(under.keys().collect::<Vec<_>>(), ["v2"], "{mode}");
        assert!(added > 10, "{mode}: the application got {added} writes in");
        assert!(longest < Duration::from_secs(5), "{mode}: a write of the application took {longest:?}");
        let after = payloads(&world);
        assert!(after.len() > before.len() / 2 && after.iter().all(|row| before.binary_search(row).is_ok()), "{mode}");
    }
}

#[test]
fn a_lock_held_by_another_is_waited_for() {
    for (mode, atomic) in [("WAL", false), ("WAL", true), ("DELETE", false), ("DELETE", true)] {
        let world = World::usual(mode, 100);
        let rival = world.connect();
        rival.execute_batch("BEGIN IMMEDIATE; UPDATE data_keys SET note = 'mine' WHERE id = 1").unwrap();
        let mut job = world::job(&[world::sealed(json!({}))], 2);
        job.atomic = atomic;
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_secs(2));
                rival.execute_batch("COMMIT").unwrap();
            });
            let outcome = world::run(&world.path(), &job).0.unwrap();
            assert_eq!(outcome.moved, 100);
        });
        assert!(began.elapsed() >= Duration::from_secs(2));
        assert_eq!(world.usual_under(), [("v2".to_owned(), 100)].into());
    }
}

#[test]
fn two_rewraps_at_once_are_one() {
    let world = World::usual("WAL", 5_000);
    let mut job = world::job(&[world::sealed(json!({}))], 2);
    job.rows_per_chunk = 200;
    let outcomes: Vec<u64> = thread::scope(|scope| {
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| world::run(&world.path(), &job).0.unwrap().moved)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().sum::<u64>(), 5_000);
    assert_eq!(world.usual_under(), [("v2".to_owned(), 5_000)].into());
}
