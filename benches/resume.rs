//! How soon the program moves rows again after `kill -9` in the middle of a rewrap: from the start of the new process to its
//! first chunk in the journal, beside what one chunk takes at full speed. `cargo bench --bench resume -- [ROWS] [RUNS]`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop at the first surprise, and makes its world itself"
)]

use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use rusqlite::Connection;
use serde_json::Value;

const ROWS: u32 = 1_000_000;
const RUNS: usize = 7;
const RESUME_MAX: Duration = Duration::from_millis(200);
/// How many chunks are in the journal when the program is killed.
const KILLED_AFTER: usize = 20;
/// How many more are watched to learn what a chunk takes.
const WATCHED: usize = 20;

fn keyrota(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The example project with waits of a second and many more rows.
fn make(folder: &Path, rows: u32) {
    assert!(keyrota(folder).args(["init", "--example"]).status().unwrap().success());
    let policy = folder.join("policies/example.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let text = text.replace(r#"every = "3s""#, r#"every = "1s""#).replace(r#"grace = "5s""#, r#"grace = "1s""#);
    fs::write(policy, text).unwrap();
    let key = hex::decode(fs::read(folder.join("keys/v1.key")).unwrap()).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let mut connection = Connection::open(folder.join("app.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    let transaction = connection.transaction().unwrap();
    let first: u32 = transaction.query_row("SELECT max(id) + 1 FROM data_keys", [], |row| row.get(0)).unwrap();
    let mut insert = transaction.prepare("INSERT INTO data_keys VALUES (?1, 'many', 'v1', ?2)").unwrap();
    for id in first..=rows {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&id.to_le_bytes());
        let aad = format!("data_keys:{id}");
        let sealed = cipher.encrypt((&nonce).into(), Payload { msg: &[7; 32], aad: aad.as_bytes() }).unwrap();
        insert.execute((id, hex::encode([&nonce[..], &sealed].concat()))).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
}

/// How many rows the chunks in the journal moved, one by one; a torn line is not one.
fn chunks(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join(".keyrota/journal.jsonl")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains(r#""event":"chunk""#));
    whole.map(|line| serde_json::from_str::<Value>(line).unwrap()["what"]["moved"].as_u64().unwrap()).collect()
}

/// Waits until the journal holds so many chunks.
fn until(folder: &Path, count: usize, child: &mut Child) -> Instant {
    loop {
        if chunks(folder).len() >= count {
            return Instant::now();
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before {count} chunks: take more rows");
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Run {
    resumed: Duration,
    chunk: Duration,
    unseen: u64,
}

fn run(rows: u32) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    make(at, rows);
    assert!(keyrota(at).args(["plan", "-o", "plan.json"]).status().unwrap().success());
    let mut first = keyrota(at).args(["apply", "plan.json", "--wait"]).spawn().unwrap();
    until(at, KILLED_AFTER, &mut first);
    first.kill().unwrap();
    first.wait().unwrap();
    let before = chunks(at);
    let connection = Connection::open(at.join("app.db")).unwrap();
    let moved = "SELECT count(*) FROM data_keys WHERE kek_version <> 'v1'";
    let in_data: u32 = connection.query_row(moved, [], |row| row.get(0)).unwrap();

    let began = Instant::now();
    let mut again = keyrota(at).args(["apply", "--wait"]).spawn().unwrap();
    let first_chunk = until(at, before.len() + 1, &mut again);
    let watched = until(at, before.len() + 1 + WATCHED, &mut again);
    assert!(again.wait().expect("it ends").success());
    // What was committed and not yet noted when it died: never done again, and never more than a chunk.
    let unseen = u64::from(in_data) - before.iter().sum::<u64>();
    assert_eq!(chunks(at).iter().sum::<u64>() + unseen, u64::from(rows), "no row is moved twice");
    assert!(unseen <= before.iter().copied().max().unwrap(), "more than a chunk was in flight");
    Run { resumed: first_chunk - began, chunk: (watched - first_chunk) / WATCHED as u32, unseen }
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: u32 = words.next().map_or(ROWS, |word| word.parse().unwrap());
    let runs: usize = words.next().map_or(RUNS, |word| word.parse().unwrap());
    let mut all: Vec<Run> = Vec::new();
    for n in 1..=runs {
        let run = run(rows);
        println!(
            "run {n}: {:.1?} to the first chunk, {:.2?} a chunk, {} rows were not in the journal",
            run.resumed, run.chunk, run.unseen
        );
        all.push(run);
    }
    all.sort_by_key(|run| run.resumed);
    let middle = &all[all.len() / 2];
    println!(
        "{rows} rows, median of {runs}: resumed in {:.1?} (at most {RESUME_MAX:?}), {:.1} x a chunk at full speed ({:.2?})",
        middle.resumed,
        middle.resumed.as_secs_f64() / middle.chunk.as_secs_f64(),
        middle.chunk
    );
}
