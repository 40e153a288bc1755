//! Others write, hold locks and cut our connection while the rewrap runs: it ends with every value readable and none lost.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::server::Database;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::sealed;

const TABLE: &str =
    "CREATE TABLE data_keys (id int8 PRIMARY KEY, v text NOT NULL, wrapped bytea NOT NULL, note int DEFAULT 0)";
const ROWS: i64 = 6_000;

fn world() -> Database {
    let database = Database::new(TABLE);
    let mut client = database.connect();
    client.batch_execute("BEGIN").unwrap();
    for id in 1..=ROWS {
        let value = seal(material(1), &plain(id), &format!("data_keys:{id}"));
        client.execute("INSERT INTO data_keys VALUES ($1, 'v1', $2)", &[&id, &value]).unwrap();
    }
    client.batch_execute("COMMIT").unwrap();
    database
}

/// How many rows are not under version 2; panics where one does not open to what was sealed.
fn left(database: &Database) -> usize {
    let rows = database.connect().query("SELECT id, v, wrapped FROM data_keys", &[]).unwrap();
    let under = |row: &postgres::Row| {
        let (id, v, wrapped): (i64, String, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        let n: u8 = v[1..].parse().unwrap();
        assert_eq!(open(material(n), &wrapped, &format!("data_keys:{id}")), Some(plain(id)), "row {id} under {v}");
        n
    };
    rows.iter().filter(|row| under(row) != 2).count()
}

#[test]
fn an_application_that_keeps_writing_loses_nothing() {
    let database = world();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2_i64 {
            let (database, stop) = (&database, &stop);
            scope.spawn(move || {
                let mut client = database.connect();
                let mut id = ROWS * (writer + 2);
                // New rows under the new version, old ones sealed anew under it, another column of a row that is being moved.
                while !stop.load(Ordering::Relaxed) {
                    id += 1;
                    let old = id * 7919 % ROWS + 1;
                    let (new, fresh) =
                        [id, old].map(|id| seal(material(2), &plain(id), &format!("data_keys:{id}"))).into();
                    client.execute("INSERT INTO data_keys VALUES ($1, 'v2', $2)", &[&id, &new]).unwrap();
                    let set = "UPDATE data_keys SET wrapped = $2, v = 'v2' WHERE id = $1";
                    client.execute(set, &[&old, &fresh]).unwrap();
                    client.execute("UPDATE data_keys SET note = note + 1 WHERE id = $1", &[&(old / 2 + 1)]).unwrap();
                }
            });
        }
        let (outcome, seen) = database.run(&job(&[sealed(json!({}))], 2));
        stop.store(true, Ordering::Relaxed);
        assert!(outcome.unwrap().last.is_clean());
        assert_eq!(seen.left, []);
    });
    assert_eq!(left(&database), 0);
}

#[test]
fn a_connection_that_is_cut_again_and_again_is_made_anew() {
    let database = world();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (shared, stopped) = (&database, &stop);
        let cutter = scope.spawn(move || {
            let mut client = shared.connect();
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE application_name = 'keyrota' AND datname = current_database()";
            let mut cuts = 0;
            while !stopped.load(Ordering::Relaxed) && cuts < 12 {
                cuts += client.query_one(cut, &[]).unwrap().get::<_, i64>(0);
                std::thread::sleep(Duration::from_millis(30));
            }
            cuts
        });
        let job = job(&[sealed(json!({}))], 2);
        // Whatever an attempt ends with, the next goes on where the data says.
        let mut attempts = 0;
        while left(shared) > 0 {
            attempts += 1;
            assert!(attempts < 50);
            let _ended = shared.run(&job);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(cutter.join().unwrap() > 0, "no connection was cut");
    });
    assert_eq!(left(&database), 0);
}

#[test]
fn a_row_that_another_transaction_holds_is_waited_for() {
    let database = world();
    let mut holder = database.connect();
    holder.batch_execute("BEGIN; SELECT id FROM data_keys WHERE id = 3000 FOR UPDATE").unwrap();
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| database.run(&job(&[sealed(json!({}))], 2)).0);
        std::thread::sleep(Duration::from_millis(700));
        holder.batch_execute("COMMIT").unwrap();
        assert!(ran.join().unwrap().unwrap().last.is_clean());
    });
    assert_eq!(left(&database), 0);
}

#[test]
fn a_whole_set_waits_for_a_lock_and_then_names_it() {
    let database = world();
    let mut holder = database.connect();
    holder.batch_execute("BEGIN; UPDATE data_keys SET note = 1 WHERE id = 1").unwrap();
    let mut job = job(&[sealed(json!({}))], 2);
    job.atomic = true;
    let fault = database.run(&job).0.unwrap_err();
    assert!(fault.source.contains("lock timeout"), "{fault}");
    assert!(fault.hint.unwrap().contains("pg_stat_activity"));
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(left(&database), usize::try_from(ROWS).unwrap());
    database.run(&job).0.unwrap();
    assert_eq!(left(&database), 0);
}

#[test]
fn deadlocks_and_serialization_failures_are_tried_again() {
    let database = world();
    let name = database.url().rsplit_once('/').unwrap().1;
    let set = format!(
        "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'; ALTER DATABASE {name} SET deadlock_timeout = '5ms'"
    );
    database.connect().batch_execute(&set).unwrap();
    let stop = AtomicBool::new(false);
    let codes = std::thread::scope(|scope| {
        let (shared, stopped) = (&database, &stop);
        let rival = scope.spawn(move || {
            let mut client = shared.connect();
            let mut codes = Vec::new();
            for at in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return codes;
                }
                // From the far end to the near one: against the order of everybody who goes by the key.
                let near = at * 37 % (ROWS - 60) + 1;
                let both = [near + 50, near].map(|id| format!("UPDATE data_keys SET note = note + 1 WHERE id = {id};"));
                if let Err(error) = client.batch_execute(&format!("BEGIN; {} COMMIT", both.join(" "))) {
                    codes.push(error.code().unwrap().code().to_owned());
                    client.batch_execute("ROLLBACK").unwrap();
                }
            }
            codes
        });
        let job = job(&[sealed(json!({}))], 2);
        // The server may choose us five times in a row; the next attempt goes on where the data says.
        let mut attempts = 0;
        while left(shared) > 0 {
            attempts += 1;
            assert!(attempts < 30);
            if let Err(fault) = shared.run(&job).0 {
                assert!(fault.hint.unwrap().contains("run this again"));
            }
        }
        stop.store(true, Ordering::Relaxed);
        rival.join().unwrap()
    });
    assert!(codes.iter().all(|code| code == "40001" || code == "40P01"), "{codes:?}");
    let noted: i64 = database.connect().query_one("SELECT sum(note) FROM data_keys", &[]).unwrap().get(0);
    assert!(noted > 0 && noted % 2 == 0, "{noted}: half of a rival's transaction");
}
