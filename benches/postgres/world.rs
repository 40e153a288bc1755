//! The table, the job and the yardsticks of the PostgreSQL benches.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use keyrota::model::VersionId;
use keyrota::policy::meant::Address;
use keyrota::policy::meant::store::Pace;
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

use crate::figures::peak_kib;
use crate::notes::Notes;

fn base() -> String {
    std::env::var("KEYROTA_TEST_POSTGRES").unwrap_or_else(|_| panic!("run this as `tests/services.sh cargo bench ..`"))
}

pub(crate) fn client() -> Client {
    Client::connect(&base(), NoTls).unwrap()
}

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

struct Unasked;

impl Secrets for Unasked {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        Err(Fault::give_up(format!("read {source}"), "nobody asks for it here"))
    }
}

fn store() -> Postgres {
    Postgres::new("app", Login { url: Address::Plain(base()), tls: None, secrets: Arc::new(Unasked) })
}

/// The whole step, in a process of its own. Says how many rows it moved, its peak of memory in KiB, and its longest lock.
pub(crate) fn child(polite: bool) {
    let (job, ring) = job();
    let (job, pace) = if polite { (job.gently(), Some(Pace::Polite)) } else { (job, None) };
    let folder = tempfile::tempdir().unwrap();
    let mut notes = Notes::new(&folder.path().join("journal"), pace);
    let outcome = rewrap::run(&store(), &job, &ring, &mut notes).unwrap();
    assert!(outcome.last.is_clean());
    println!("{} {} {}", outcome.moved, peak_kib(), notes.locked.as_micros());
}

/// Panics where a value does not open under the new version.
pub(crate) fn verify(rows: u32) {
    struct Nobody;
    impl Watch for Nobody {}
    let (job, ring) = job();
    let verified = rewrap::verify(&store(), &job, &ring, None, &mut Nobody).unwrap();
    assert_eq!((verified[0].opened, verified[0].unopened), (u64::from(rows), 0));
    assert_eq!(
        client().query_one("SELECT count(*) FROM data_keys WHERE kek_version = 'v2'", &[]).unwrap().get::<_, i64>(0),
        i64::from(rows)
    );
}

/// A loaded table, of which fresh copies are made.
pub(crate) struct Table {
    pub(crate) rows: u32,
    full: u32,
}

/// Where the log stands and how large table and index are, in bytes.
pub(crate) struct Mark {
    pub(crate) log: u64,
    pub(crate) size: u64,
}

const COLUMNS: &str =
    "(id bigint PRIMARY KEY, kek_version text NOT NULL, wrapped bytea NOT NULL, payload bytea NOT NULL)";

impl Table {
    pub(crate) fn load(rows: u32, full: u32) -> Self {
        let mut client = client();
        client.batch_execute("DROP TABLE IF EXISTS base, data_keys").unwrap();
        client.batch_execute(&format!("CREATE TABLE base {COLUMNS}")).unwrap();
        let cipher = Aes256Gcm::new_from_slice(&[1; 32]).unwrap();
        let mut copy = client.copy_in("COPY base FROM STDIN").unwrap();
        for id in 1..=rows {
            let mut nonce = [0; 12];
            nonce[..4].copy_from_slice(&id.to_le_bytes());
            let aad = format!("data_keys:{id}");
            let sealed =
                cipher.encrypt((&nonce).into(), Payload { msg: &[id as u8; 32], aad: aad.as_bytes() }).unwrap();
            let payload = hex::encode([&sealed[..], &sealed, &nonce[..4]].concat());
            let line = format!("{id}\tv1\t\\\\x{}{}\t\\\\x{payload}\n", hex::encode(nonce), hex::encode(&sealed));
            std::io::Write::write_all(&mut copy, line.as_bytes()).unwrap();
        }
        copy.finish().unwrap();
        client.batch_execute("VACUUM ANALYZE base").unwrap();
        Self { rows, full }
    }

    /// A fresh copy, with everything before it on the disk, so that no run pays for another.
    pub(crate) fn fresh(&self) -> Mark {
        let mut client = client();
        client.batch_execute("DROP TABLE IF EXISTS data_keys").unwrap();
        client.batch_execute(&format!("CREATE TABLE data_keys {COLUMNS} WITH (fillfactor = {})", self.full)).unwrap();
        client.batch_execute("INSERT INTO data_keys SELECT * FROM base ORDER BY id").unwrap();
        client.batch_execute("VACUUM (FREEZE, ANALYZE) data_keys").unwrap();
        client.batch_execute("CHECKPOINT").unwrap();
        let _synced = Command::new("sync").status();
        self.mark()
    }

    pub(crate) fn mark(&self) -> Mark {
        let query = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8, pg_total_relation_size('data_keys')";
        let row = client().query_one(query, &[]).unwrap();
        let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap();
        Mark { log: number(0), size: number(1) }
    }
}

/// What people write when nobody gives them more: row by row, each its own transaction.
const LOOP: &str = r#"
import os, sys, time, psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
old, new = AESGCM(b"\x01" * 32), AESGCM(b"\x02" * 32)
with psycopg.connect(os.environ["KEYROTA_TEST_POSTGRES"], autocommit=True) as c:
    ids = [row[0] for row in c.execute("SELECT id FROM data_keys WHERE kek_version = 'v1' ORDER BY id LIMIT %s", (int(sys.argv[1]),))]
    began = time.monotonic()
    for id in ids:
        (wrapped,) = c.execute("SELECT wrapped FROM data_keys WHERE id = %s", (id,)).fetchone()
        aad = b"data_keys:%d" % id
        plain = old.decrypt(wrapped[:12], wrapped[12:], aad)
        nonce = os.urandom(12)
        c.execute("UPDATE data_keys SET wrapped = %s, kek_version = 'v2' WHERE id = %s", (nonce + new.encrypt(nonce, plain, aad), id))
    print(time.monotonic() - began)
"#;

/// How long a loop in Python takes for so many rows; nothing where there is no Python for it.
pub(crate) fn python_loop(rows: u32) -> Option<Duration> {
    let python = std::env::var("KEYROTA_TEST_PYTHON").ok()?;
    let began = Instant::now();
    let output = Command::new(python).args(["-c", LOOP, &rows.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let took: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(took <= began.elapsed().as_secs_f64());
    Some(Duration::from_secs_f64(took))
}
