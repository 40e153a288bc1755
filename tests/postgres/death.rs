//! A rewrap that dies before and after each of its commits, and whenever it is killed: it goes on from the data. The child is this
//! binary again.

use std::collections::BTreeMap;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use keyrota::disk::crash;
use keyrota::executor::rewrap::Job;
use serde_json::json;

use crate::server::Database;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::sealed;

const DATABASE: &str = "POSTGRES_TEST_DATABASE";
const TARGET: &str = "POSTGRES_TEST_TARGET";
const DIE_AT: &str = "POSTGRES_TEST_DIE_AT";
const ATOMIC: &str = "POSTGRES_TEST_ATOMIC";
const CHUNK: usize = 100;

fn usual(target: u8, atomic: bool) -> Job {
    Job { atomic, rows_per_chunk: CHUNK, ..job(&[sealed(json!({}))], target) }
}

/// What the child does; nothing where nobody is its parent.
#[test]
fn child() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let stop = std::env::var(DIE_AT).ok().map(|at| (at.parse().unwrap(), crash::Stop::Abort));
    crash::arm(Some(crash::Plan { record: None, stop })).unwrap();
    let target = std::env::var(TARGET).unwrap().parse().unwrap();
    Database::at(&url).run(&usual(target, std::env::var(ATOMIC).is_ok())).0.unwrap();
}

fn command(database: &Database, target: u8) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "death::child", "--test-threads=1"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env(DATABASE, database.url()).env(TARGET, target.to_string());
    command
}

const TABLE: &str =
    "CREATE TABLE data_keys (id int8 PRIMARY KEY, v text NOT NULL, wrapped bytea NOT NULL, note int DEFAULT 0)";

fn fill(database: &Database, rows: i64) {
    let mut client = database.connect();
    client.batch_execute("BEGIN; DELETE FROM data_keys").unwrap();
    for id in 1..=rows {
        let value = seal(material(1), &plain(id), &format!("data_keys:{id}"));
        client.execute("INSERT INTO data_keys VALUES ($1, 'v1', $2)", &[&id, &value]).unwrap();
    }
    client.batch_execute("COMMIT").unwrap();
}

/// Waits until the server has noticed that its client is dead: what was sent before is still done.
fn settle(database: &Database) {
    let left =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keyrota' AND datname = current_database()";
    let mut looker = database.connect();
    while looker.query_one(left, &[]).unwrap().get::<_, i64>(0) > 0 {
        thread::sleep(Duration::from_millis(2));
    }
}

/// How many rows are under each version, and the highest of them; panics where one does not open to what was sealed.
fn under(database: &Database) -> BTreeMap<String, (usize, i64)> {
    let mut under = BTreeMap::new();
    for row in database.connect().query("SELECT id, v, wrapped FROM data_keys ORDER BY id", &[]).unwrap() {
        let (id, v, wrapped): (i64, String, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        let n: u8 = v[1..].parse().unwrap();
        assert_eq!(open(material(n), &wrapped, &format!("data_keys:{id}")), Some(plain(id)), "row {id} under {v}");
        let seen = under.entry(v).or_insert((0, 0));
        *seen = (seen.0 + 1, id);
    }
    under
}

#[test]
fn it_may_die_before_and_after_every_commit() {
    const ROWS: usize = 350;
    for atomic in [false, true] {
        let database = Database::new(TABLE);
        let mut deaths = 0;
        for at in 0_usize.. {
            fill(&database, ROWS as i64);
            let mut child = command(&database, 2);
            child.env(DIE_AT, at.to_string());
            if atomic {
                child.env(ATOMIC, "yes");
            }
            let done = child.status().unwrap().success();
            settle(&database);
            let moved = under(&database).get("v2").map_or(0, |seen| seen.0);
            if done {
                assert_eq!(moved, ROWS);
                break;
            }
            deaths += 1;
            // Several connections write at once: the one that dies takes the others with it, wherever they are.
            let whole = moved.is_multiple_of(CHUNK) || moved % CHUNK == ROWS % CHUNK;
            assert!(whole, "point {at}: {moved} rows: a transaction is there or it is not");
            let expected =
                if atomic { moved == at % 2 * ROWS } else { moved >= at.div_ceil(2).min(1) * (ROWS % CHUNK) || at < 2 };
            assert!(expected, "atomic {atomic}, point {at}: {moved}");
            assert_eq!(database.run(&usual(2, atomic)).0.unwrap().moved as usize, ROWS - moved);
            assert_eq!(under(&database).get("v2"), Some(&(ROWS, ROWS as i64)));
        }
        assert!(deaths == 2 || !atomic && deaths >= 8, "atomic {atomic}: {deaths} deaths");
    }
}

#[test]
fn killed_at_any_moment_it_goes_on_from_the_data() {
    const ROWS: i64 = 5_000;
    let database = Database::new(TABLE);
    fill(&database, ROWS);
    let (mut target, mut halfway) = (2_u8, 0);
    for kill in 0..16_u64 {
        let mut child = command(&database, target).spawn().unwrap();
        let name = format!("v{target}");
        // It has begun, and is somewhere in the middle.
        let begun = format!("SELECT count(*) > {} FROM data_keys WHERE v = '{name}'", kill * 230 % 4_000);
        let mut looker = database.connect();
        while !looker.query_one(&begun, &[]).unwrap().get::<_, bool>(0) {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it moved anything");
            thread::sleep(Duration::from_micros(300));
        }
        child.kill().unwrap();
        let done = child.wait().unwrap().success();
        settle(&database);
        let under = under(&database);
        assert_eq!(under.values().map(|seen| seen.0).sum::<usize>(), ROWS as usize);
        halfway += usize::from(under.len() == 2);
        if done || under.len() == 1 {
            // Done before the axe fell: the other way round again.
            target = 3 - target;
        }
    }
    assert!(halfway >= 5, "{halfway} kills in the middle");
    assert!(command(&database, target).status().unwrap().success());
    assert_eq!(under(&database), [(format!("v{target}"), (ROWS as usize, ROWS))].into());
}
