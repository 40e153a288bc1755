//! The rewrap of a table in SQLite against one plain `UPDATE` of the same column by `sqlite3`: the same file, the same disk, by
//! turns, each as a process of its own. `cargo bench --bench rewrap -- [ROWS] [RUNS]`
//!
//! Ours reads, opens, seals, opens again, compares and sets, notes each chunk in a synced file, and walks a closing round.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop at the first surprise, and makes its world itself"
)]

#[path = "common/figures.rs"]
mod figures;
#[path = "common/notes.rs"]
mod notes;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use figures::median;
use figures::peak_kib;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Watch;
use keyrota::model::VersionId;
use keyrota::port::store::Block;
use keyrota::port::store::Versions;
use keyrota::secret::Secret;
use keyrota::store::sqlite::Sqlite;
use notes::Notes;
use rusqlite::Connection;
use serde_json::json;

const ROWS: u32 = 1_000_000;
const RUNS: usize = 7;
const RATIO_MAX: f64 = 1.5;
const MEMORY_MAX_KIB: u64 = 64 * 1024;

fn material(n: u8) -> Secret {
    Secret::from_vec(vec![n; 32])
}

fn job() -> (Job, Ring) {
    let sealed = json!([{
        "table": "data_keys", "columns": ["wrapped"], "where": {},
        "seal": { "cipher": "aes-256-gcm", "layout": ["nonce", "ciphertext", "tag"] },
        "aad": "data_keys:{{ row.id }}", "version": { "column": "kek_version" }, "is": "{{ id }}",
    }]);
    let ids: Vec<VersionId> = ["v1", "v2"].iter().map(|id| id.parse().unwrap()).collect();
    let versions = ids.iter().fold(Versions::new(), |all, id| all.with(id.clone(), []));
    let sealed: Vec<_> = serde_json::from_value(sealed).unwrap();
    let job = Job::new(Block::all(&sealed, None, &versions).unwrap(), ids[1].clone());
    let mut ring = Ring::new();
    for (n, id) in (1..).zip(&ids) {
        ring.add(id, &material(n), &job.blocks).unwrap();
    }
    (job, ring)
}

fn child(path: &Path) {
    let (job, ring) = job();
    let journal = path.with_extension("journal");
    let mut notes = Notes::new(&journal, None);
    let outcome = rewrap::run(&Sqlite::new(path), &job, &ring, &mut notes).unwrap();
    assert!(outcome.last.is_clean());
    println!("{} {} {}", outcome.moved, peak_kib(), notes.locked.as_micros());
}

fn fill(path: &Path, rows: u32) {
    let mut connection = Connection::open(path).unwrap();
    let table = "PRAGMA journal_mode = WAL;
                 CREATE TABLE data_keys (id INTEGER PRIMARY KEY, kek_version TEXT NOT NULL, wrapped BLOB NOT NULL, payload BLOB NOT NULL)";
    connection.execute_batch(table).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&[1; 32]).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO data_keys VALUES (?1, 'v1', ?2, randomblob(100))").unwrap();
    for id in 1..=rows {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&id.to_le_bytes());
        let aad = format!("data_keys:{id}");
        let plain = [id as u8; 32];
        let sealed = cipher.encrypt((&nonce).into(), Payload { msg: &plain, aad: aad.as_bytes() }).unwrap();
        insert.execute((id, [&nonce[..], &sealed].concat())).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
}

/// A fresh copy, with what was written before it on the disk, so that no run pays for another.
fn copy(from: &Path, to: &Path) {
    for end in ["db", "db-wal", "db-shm", "journal"] {
        let _gone = std::fs::remove_file(to.with_extension(end));
    }
    std::fs::copy(from, to).unwrap();
    assert!(Command::new("sync").status().unwrap().success());
}

fn timed(command: &mut Command) -> (Duration, String) {
    let began = Instant::now();
    let output = command.output().expect("the program must be there");
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (took, String::from_utf8_lossy(&output.stdout).into_owned())
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let first = words.next();
    if first.as_deref() == Some("child") {
        return child(Path::new(&words.next().unwrap()));
    }
    let rows: u32 = first.map_or(ROWS, |word| word.parse().unwrap());
    let runs: usize = words.next().map_or(RUNS, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.db");
    fill(&base, rows);
    let work = folder.path().join("work.db");
    let (mut plain, mut ours, mut ratios, mut memory, mut locked) = (vec![], vec![], vec![], 0, 0);
    for run in 1..=runs {
        copy(&base, &work);
        let update = "PRAGMA synchronous = FULL; UPDATE data_keys SET wrapped = randomblob(60)";
        let (baseline, _) = timed(Command::new("sqlite3").arg(&work).arg(update));
        copy(&base, &work);
        let (took, said) = timed(Command::new(std::env::current_exe().unwrap()).arg("child").arg(&work));
        let said: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(said[0], u64::from(rows));
        memory = memory.max(said[1]);
        locked = locked.max(said[2]);
        let ratio = took.as_secs_f64() / baseline.as_secs_f64();
        println!(
            "run {run}: sqlite3 {baseline:.3?}, keyrota {took:.3?}, ratio {ratio:.3}, {} KiB, locked {} us",
            said[1], said[2]
        );
        std::io::stdout().flush().unwrap();
        plain.push(baseline.as_secs_f64());
        ours.push(took.as_secs_f64());
        ratios.push(ratio);
    }
    let (job, ring) = job();
    struct Nobody;
    impl Watch for Nobody {}
    let verified = rewrap::verify(&Sqlite::new(&work), &job, &ring, None, &mut Nobody).unwrap();
    assert_eq!((verified[0].opened, verified[0].unopened), (u64::from(rows), 0));
    let ratio = median(ratios);
    println!(
        "{rows} rows, median of {runs}: sqlite3 {:.3} s, keyrota {:.3} s, ratio {ratio:.3} (at most {RATIO_MAX}); \
         memory {memory} KiB (at most {MEMORY_MAX_KIB}); longest lock {locked} us",
        median(plain),
        median(ours)
    );
}
