//! A small set in one transaction, in PostgreSQL: the whole rewrap step against one plain `UPDATE` of the same two columns, by
//! turns, each on a fresh copy of the table. `tests/services.sh cargo bench --features postgres --bench whole -- [ROWS] [RUNS]`
//!
//! Ours locks, reads, opens, seals, opens again, compares and sets and commits; then it counts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop at the first surprise, and makes its world itself"
)]

#[allow(dead_code, reason = "other benches use the rest")]
#[path = "common/figures.rs"]
mod figures;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use figures::median;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use keyrota::model::VersionId;
use keyrota::policy::meant::Address;
use keyrota::port::probe::Secrets;
use keyrota::port::store::Block;
use keyrota::port::store::Versions;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use keyrota::store::postgres::Login;
use keyrota::store::postgres::Postgres;
use postgres::Client;
use postgres::NoTls;
use serde_json::json;

const ROWS: u32 = 100_000;
const RUNS: usize = 7;
const RATIO_MAX: f64 = 1.5;

struct Nobody;

impl Watch for Nobody {}

impl Secrets for Nobody {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        Err(Fault::give_up(format!("read {source}"), "no benchmark asks for it"))
    }
}

fn job() -> (Job, Ring) {
    let sealed = json!([{
        "table": "data_keys", "columns": ["wrapped_key"], "where": {},
        "seal": { "cipher": "aes-256-gcm", "as": ["hex"], "layout": ["nonce", "ciphertext", "tag"] },
        "aad": "dek:{{ row.key_id }}", "version": { "column": "kek" }, "is": "{{ id }}",
    }]);
    let ids: Vec<VersionId> = ["v1", "v2"].iter().map(|id| id.parse().unwrap()).collect();
    let versions = ids.iter().fold(Versions::new(), |all, id| all.with(id.clone(), []));
    let sealed: Vec<_> = serde_json::from_value(sealed).unwrap();
    let blocks = Block::all(&sealed, None, &versions).unwrap();
    let job = Job { atomic: true, ..Job::new(blocks, ids[1].clone()) };
    let mut ring = Ring::new();
    for (n, id) in (1_u8..).zip(&ids) {
        ring.add(id, &Secret::from_vec(vec![n; 32]), &job.blocks).unwrap();
    }
    (job, ring)
}

fn fill(client: &mut Client, rows: u32) {
    let table = "CREATE TABLE base (id uuid NOT NULL DEFAULT gen_random_uuid(), key_id text NOT NULL, wrapped_key text NOT NULL,
                   kek text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())";
    client.batch_execute(table).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&[1; 32]).unwrap();
    let mut copy = client.copy_in("COPY base (key_id, wrapped_key, kek, status) FROM STDIN").unwrap();
    for id in 1..=rows {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&id.to_le_bytes());
        let key_id = format!("{id:08x}");
        let aad = format!("dek:{key_id}");
        let sealed = cipher.encrypt((&nonce).into(), Payload { msg: &[id as u8; 32], aad: aad.as_bytes() }).unwrap();
        let wrapped = hex::encode([&nonce[..], &sealed].concat());
        writeln!(copy, "{key_id}\t{wrapped}\tv1\tactive").unwrap();
    }
    copy.finish().unwrap();
}

/// A fresh table, with what was written before it on the disk, so that no run pays for another.
fn fresh(client: &mut Client) {
    client
        .batch_execute(
            "DROP TABLE IF EXISTS data_keys; CREATE TABLE data_keys (LIKE base, PRIMARY KEY (id), UNIQUE (key_id));
             INSERT INTO data_keys SELECT * FROM base",
        )
        .unwrap();
    client.batch_execute("VACUUM (ANALYZE) data_keys").unwrap();
    client.batch_execute("CHECKPOINT").unwrap();
}

fn timed(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: u32 = words.next().map_or(ROWS, |word| word.parse().unwrap());
    let runs: usize = words.next().map_or(RUNS, |word| word.parse().unwrap());
    let server = std::env::var("KEYROTA_TEST_POSTGRES").expect("run it by `tests/services.sh`");
    let name = format!("whole_{}", std::process::id());
    Client::connect(&server, NoTls).unwrap().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let mut client = Client::connect(&url, NoTls).unwrap();
    fill(&mut client, rows);
    let store = Postgres::new("app", Login { url: Address::Plain(url.clone()), tls: None, secrets: Arc::new(Nobody) });
    let (job, ring) = job();
    let (mut plain, mut ours, mut ratios) = (vec![], vec![], vec![]);
    for run in 1..=runs {
        fresh(&mut client);
        let update = "UPDATE data_keys SET wrapped_key = reverse(wrapped_key), kek = 'v2'";
        let baseline = timed(|| assert_eq!(client.execute(update, &[]).unwrap(), u64::from(rows)));
        fresh(&mut client);
        let took = timed(|| {
            let outcome = rewrap::run(&store, &job, &ring, &mut Nobody).unwrap();
            assert!(outcome.moved == u64::from(rows) && outcome.last.quarantined == 0);
        });
        let ratio = took.as_secs_f64() / baseline.as_secs_f64();
        println!("run {run}: UPDATE {baseline:.3?}, keyrota {took:.3?}, ratio {ratio:.3}");
        std::io::stdout().flush().unwrap();
        plain.push(baseline.as_secs_f64());
        ours.push(took.as_secs_f64());
        ratios.push(ratio);
    }
    let verified = rewrap::verify(&store, &job, &ring, None, &mut Nobody).unwrap();
    assert_eq!((verified[0].opened, verified[0].unopened), (u64::from(rows), 0));
    let ratio = median(ratios);
    println!(
        "{rows} rows in one transaction, median of {runs}: UPDATE {:.3} s, keyrota {:.3} s, ratio {ratio:.3} (at most {RATIO_MAX})",
        median(plain),
        median(ours)
    );
}
