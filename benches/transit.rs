//! The rewrap of values by a transit engine against the best rate that a load generator gets from the same server and endpoint:
//! `transit/rewrap` with `batch_input`, the same ciphertexts, by turns. `tests/services.sh cargo bench --features openbao
//! --bench transit -- [VALUES] [RUNS]`
//!
//! The generator writes its requests beforehand, and throws the answers away; it tries sizes and connections and takes the best.
//! Ours finds both by itself, reads from SQLite, has values sealed anew, opens samples, compares and sets, notes each chunk in
//! a synced file, and walks a closing round; all in a process of its own.

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
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use figures::median;
use figures::peak_kib;
use keyrota::backend::openbao_transit::OpenbaoTransit;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Ring;
use keyrota::fault::Fault;
use keyrota::model::VersionId;
use keyrota::openbao::Client;
use keyrota::port::backend::Backend;
use keyrota::port::probe::Secrets;
use keyrota::port::store::Block;
use keyrota::port::store::Versions;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use keyrota::store::sqlite::Sqlite;
use notes::Notes;
use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

const VALUES: usize = 200_000;
const RUNS: usize = 7;
const RATE_MIN: f64 = 0.85;
/// What the generator tries.
const SIZES: [usize; 5] = [60, 125, 250, 375, 499];
const LANES: [usize; 5] = [1, 2, 3, 4, 8];
const TRIED: usize = 20_000;
const TOKEN: &str = "tests";

struct Known;

impl Secrets for Known {
    fn reveal(&self, _: &Source) -> Result<Secret, Fault> {
        Ok(Secret::from_vec(TOKEN.as_bytes().to_vec()))
    }
}

fn addr() -> String {
    std::env::var("KEYROTA_TEST_OPENBAO").expect("run it by `tests/services.sh`")
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

/// Asks, and reads the whole answer.
fn ask(agent: &ureq::Agent, path: &str, body: &[u8]) -> Vec<u8> {
    let request = ureq::http::Request::post(format!("{}/v1/{path}", addr())).header("X-Vault-Token", TOKEN);
    let mut answer = agent.run(request.body(body).unwrap()).unwrap();
    answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap()
}

fn put(path: &str, body: &Value) -> Value {
    let answer = ask(&agent(), path, &serde_json::to_vec(body).unwrap());
    serde_json::from_slice(&answer).unwrap_or_default()
}

/// Requests of so many values each.
fn requests(all: &[String], values: usize) -> Vec<Vec<u8>> {
    let one = |values: &[String]| {
        let batch: Vec<Value> = values.iter().map(|text| json!({ "ciphertext": text })).collect();
        serde_json::to_vec(&json!({ "batch_input": batch })).unwrap()
    };
    all.chunks(values).map(one).collect()
}

/// How long it takes to have all of these sealed anew, by so many connections.
fn generate(mount: &str, requests: &[Vec<u8>], lanes: usize) -> Duration {
    let next = AtomicUsize::new(0);
    let path = format!("{mount}/rewrap/k");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                let agent = agent();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert!(ask(&agent, &path, request).len() > request.len());
                }
            });
        }
    });
    began.elapsed()
}

/// The best size and number of connections.
fn tune(mount: &str, all: &[String]) -> (usize, usize) {
    let some = &all[..TRIED.min(all.len())];
    let mut tried = Vec::new();
    for size in SIZES {
        let requests = requests(some, size);
        for lanes in LANES {
            let took = (0..2).map(|_| generate(mount, &requests, lanes)).min().unwrap();
            tried.push((took, size, lanes));
        }
    }
    tried.sort();
    for (took, size, lanes) in &tried[..3] {
        let rate = some.len() as f64 / took.as_secs_f64();
        println!("generator: {rate:.0} values a second by {lanes} connections, {size} in a request");
    }
    (tried[0].1, tried[0].2)
}

/// Values under version 1, in a table; the key has a version 2.
fn fill(mount: &str, path: &Path, values: usize) -> Vec<String> {
    put(&format!("sys/mounts/{mount}"), &json!({ "type": "transit" }));
    put(&format!("{mount}/keys/k"), &json!({}));
    let ids: Vec<usize> = (1..=values).collect();
    let mut all = Vec::new();
    for ids in ids.chunks(400) {
        let batch: Vec<Value> = ids.iter().map(|id| json!({ "plaintext": format!("{id:044}") })).collect();
        let sealed = put(&format!("{mount}/encrypt/k"), &json!({ "batch_input": batch }));
        let sealed = sealed["data"]["batch_results"].as_array().unwrap();
        all.extend(sealed.iter().map(|one| one["ciphertext"].as_str().unwrap().to_owned()));
    }
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL, payload BLOB)",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO t VALUES (?1, ?2, randomblob(100))").unwrap();
    for (id, text) in (1_i64..).zip(&all) {
        insert.execute((id, text)).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    put(&format!("{mount}/keys/k/rotate"), &json!({}));
    all
}

fn job(mount: &str) -> (Job, Ring) {
    let sealed = json!([{ "table": "t", "columns": ["v"], "where": {}, "seal": "vault-transit", "version": "in-seal",
                          "is": "{{ id }}" }]);
    let ids: Vec<VersionId> = ["1", "2"].iter().map(|id| id.parse().unwrap()).collect();
    let versions = ids.iter().fold(Versions::new(), |all, id| all.with(id.clone(), []));
    let sealed: Vec<_> = serde_json::from_value(sealed).unwrap();
    let job = Job::new(Block::all(&sealed, None, &versions).unwrap(), ids[1].clone());
    let auth = serde_json::from_value(json!({ "token": { "env": "TOKEN" } })).unwrap();
    let client = Client::new("backend `bao`", &addr(), None, None, &auth, Arc::new(Known)).unwrap();
    let service = OpenbaoTransit::new("bao", client, mount).service("k", None).unwrap().unwrap();
    (job, Ring::served(service, ids))
}

/// The whole step, in a process of its own. Says how many rows it moved, and its peak of memory.
fn child(mount: &str, path: &Path) {
    let (job, ring) = job(mount);
    let mut notes = Notes::new(&path.with_extension("journal"), None);
    let outcome = rewrap::run(&Sqlite::new(path), &job, &ring, &mut notes).unwrap();
    assert!(outcome.last.is_clean());
    println!("{} {} {}", outcome.moved, peak_kib(), notes.locked.as_micros());
}

fn ours(mount: &str, base: &Path, work: &Path) -> (Duration, Vec<u64>) {
    for end in ["db", "db-wal", "db-shm", "journal"] {
        let _gone = std::fs::remove_file(work.with_extension(end));
    }
    std::fs::copy(base, work).unwrap();
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap()).args(["child", mount]).arg(work).output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    (took, said.split_whitespace().map(|word| word.parse().unwrap()).collect())
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let first = words.next();
    if first.as_deref() == Some("child") {
        return child(&words.next().unwrap(), Path::new(&words.next().unwrap()));
    }
    let values: usize = first.map_or(VALUES, |word| word.parse().unwrap());
    let runs: usize = words.next().map_or(RUNS, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (base, work) = (folder.path().join("base.db"), folder.path().join("work.db"));
    let mount = format!("bench-{}", std::process::id());
    let all = fill(&mount, &base, values);
    let (size, lanes) = tune(&mount, &all);
    let requests = requests(&all, size);
    let (mut theirs, mut us, mut shares, mut memory) = (vec![], vec![], vec![], 0);
    for run in 1..=runs {
        let best = generate(&mount, &requests, lanes).as_secs_f64();
        let (took, said) = ours(&mount, &base, &work);
        assert_eq!(said[0], values as u64);
        memory = memory.max(said[1]);
        let (best, took) = (values as f64 / best, values as f64 / took.as_secs_f64());
        println!(
            "run {run}: generator {best:.0} a second, keyrota {took:.0}, {:.1} %, {} KiB",
            took / best * 100.0,
            said[1]
        );
        std::io::stdout().flush().unwrap();
        theirs.push(best);
        us.push(took);
        shares.push(took / best);
    }
    let (job, ring) = job(&mount);
    let verified = rewrap::verify(&Sqlite::new(&work), &job, &ring, None, &mut rewrap_watch()).unwrap();
    assert_eq!((verified[0].opened, verified[0].unopened), (values as u64, 0));
    println!(
        "{values} values, median of {runs}: generator {:.0} a second ({size} in a request, {lanes} connections), keyrota {:.0}, \
         {:.1} % (at least {:.0} %); memory {memory} KiB",
        median(theirs),
        median(us),
        median(shares) * 100.0,
        RATE_MIN * 100.0
    );
}

fn rewrap_watch() -> impl rewrap::Watch {
    struct Nobody;
    impl rewrap::Watch for Nobody {}
    Nobody
}
