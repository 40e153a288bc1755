//! Small true databases, sealed and opened here by another hand than the engine's: AES-GCM straight from its crate.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Flow;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Outcome;
use keyrota::executor::rewrap::Progress;
use keyrota::executor::rewrap::Quarantined;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use keyrota::model::VersionId;
use keyrota::policy::meant::store::Sealed;
use keyrota::port::store::Block;
use keyrota::port::store::Versions;
use keyrota::secret::Secret;
use keyrota::store::sqlite::Sqlite;
use rusqlite::Connection;
use serde_json::json;

use crate::canary::Canary;

pub(crate) fn version(n: u8) -> VersionId {
    format!("v{n}").parse().unwrap()
}

/// The key of version `n`: a canary of 32 bytes.
pub(crate) fn material(n: u8) -> [u8; 32] {
    let mut material = *b"CANARY/key-of-the-rewrap-tests/0";
    material[31] += n;
    material
}

pub(crate) fn versions() -> Versions {
    (1..=3).fold(Versions::new(), |all, n| {
        let sha256 = Secret::from_vec(material(n).to_vec()).fingerprint().hex();
        all.with(version(n), [("n".to_owned(), n.to_string()), ("sha256".to_owned(), sha256)])
    })
}

pub(crate) fn sha16(n: u8) -> String {
    Secret::from_vec(material(n).to_vec()).fingerprint().hex()[..16].to_owned()
}

/// Nonce, ciphertext and tag. Nonces are counted, so that a world is the same each time.
pub(crate) fn seal(key: [u8; 32], plain: &[u8], aad: &str) -> Vec<u8> {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut nonce = [0xAA; 12];
    nonce[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let sealed = cipher.encrypt((&nonce).into(), Payload { msg: plain, aad: aad.as_bytes() }).unwrap();
    [&nonce[..], &sealed].concat()
}

pub(crate) fn open(key: [u8; 32], sealed: &[u8], aad: &str) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<12>()?;
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    cipher.decrypt(nonce.into(), Payload { msg: sealed, aad: aad.as_bytes() }).ok()
}

pub(crate) fn plain(n: i64) -> Vec<u8> {
    format!("data key {n:023}").into_bytes()
}

/// A sealed block as a policy means it: raw AES-GCM in `wrapped`, bound to the row, its version in `v`, unless said otherwise.
pub(crate) fn sealed(with: serde_json::Value) -> Sealed {
    let mut words = json!({
        "table": "data_keys", "columns": ["wrapped"], "where": {},
        "seal": { "cipher": "aes-256-gcm", "layout": ["nonce", "ciphertext", "tag"] },
        "aad": "data_keys:{{ row.id }}", "version": { "column": "v" }, "is": "{{ id }}",
    });
    for (word, value) in with.as_object().unwrap() {
        words[word] = value.clone();
    }
    serde_json::from_value(words).unwrap()
}

pub(crate) fn job(sealed: &[Sealed], target: u8) -> Job {
    Job::new(Block::all(sealed, None, &versions()).unwrap(), version(target))
}

pub(crate) fn ring(job: &Job, of: &[u8]) -> Ring {
    let mut ring = Ring::new();
    for n in of {
        ring.add(&version(*n), &Secret::from_vec(material(*n).to_vec()), &job.blocks).unwrap();
    }
    ring
}

/// Keeps all it is told.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) kept: Vec<(String, Vec<u8>)>,
    pub(crate) left: Vec<Quarantined>,
    pub(crate) chunks: u64,
    pub(crate) stop_after: Option<u64>,
}

impl Watch for Seen {
    fn keep(&mut self, about: &rewrap::About<'_>) -> Result<(), Fault> {
        about.each(|row, _, column, value| {
            self.kept.push((format!("{row}.{column}"), value.bytes().unwrap().to_vec()));
            Ok(())
        })
    }

    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        if !self.left.contains(value) {
            self.left.push(value.clone());
        }
        Ok(())
    }

    fn chunk(&mut self, _: &Progress<'_>) -> Result<Flow, Fault> {
        self.chunks += 1;
        Ok(if self.stop_after == Some(self.chunks) { Flow::Stop } else { Flow::Go })
    }
}

pub(crate) fn run(path: &Path, job: &Job) -> (Result<Outcome, Fault>, Seen) {
    let mut seen = Seen::default();
    (rewrap::run(&Sqlite::new(path), job, &ring(job, &[1, 2, 3]), &mut seen), seen)
}

/// A database file in a folder of its own.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let plain = plain(1)[..20].to_vec();
            let canary = Canary::new((1..=3).map(|n| material(n).to_vec()).chain([plain]));
            canary.absent_below(self.folder.path(), |_| false);
        }
    }
}

impl World {
    pub(crate) fn new(mode: &str, script: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let connection = world.connect();
        connection.execute_batch(&format!("PRAGMA journal_mode = {mode}; {script}")).unwrap();
        world
    }

    /// The usual table with rows under `v1`.
    pub(crate) fn usual(mode: &str, rows: i64) -> Self {
        let world = Self::new(mode, USUAL);
        add_usual(&world.connect(), 1, rows, 1);
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        connection
    }

    /// Every cell of the table but these columns, with its storage class, so that nothing can change unseen.
    pub(crate) fn others(&self, table: &str, but: &[&str]) -> Vec<String> {
        let connection = self.connect();
        let mut columns = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)").unwrap();
        let columns = columns.query_map([table], |row| row.get::<_, String>(0)).unwrap();
        let cells: Vec<String> = columns
            .map(Result::unwrap)
            .filter(|name| !but.contains(&name.as_str()))
            .map(|name| format!("typeof(\"{0}\") || quote(\"{0}\")", name.replace('"', "\"\"")))
            .collect();
        let mut rows = connection
            .prepare(&format!("SELECT {} FROM {} ORDER BY 1", cells.join(" || ',' || "), quote(table)))
            .unwrap();
        let mut rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        rows.sort();
        rows
    }

    /// How many values of the usual table open under each version; panics where one opens under none, or not to what was
    /// sealed.
    pub(crate) fn usual_under(&self) -> BTreeMap<String, usize> {
        let connection = self.connect();
        let mut rows = connection.prepare("SELECT id, v, wrapped FROM data_keys").unwrap();
        let mut rows = rows.query([]).unwrap();
        let mut under = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let (id, v, wrapped): (i64, String, Vec<u8>) =
                (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
            let n: u8 = v[1..].parse().unwrap();
            let opened =
                open(material(n), &wrapped, &format!("data_keys:{id}")).unwrap_or_else(|| panic!("row {id} under {v}"));
            assert_eq!(opened, plain(id), "row {id}");
            *under.entry(v).or_insert(0) += 1;
        }
        under
    }
}

pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) const USUAL: &str = "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, v TEXT NOT NULL, wrapped BLOB NOT NULL, payload BLOB NOT NULL, note TEXT)";

pub(crate) fn add_usual(connection: &Connection, from: i64, to: i64, n: u8) {
    connection.execute_batch("SAVEPOINT rows").unwrap();
    let mut insert = connection.prepare("INSERT INTO data_keys VALUES (?1, ?2, ?3, ?4, ?5)").unwrap();
    for id in from..=to {
        let wrapped = seal(material(n), &plain(id), &format!("data_keys:{id}"));
        insert
            .execute((id, version(n).as_str(), wrapped, vec![(id % 251) as u8; 100], (id % 3 == 0).then_some("x")))
            .unwrap();
    }
    drop(insert);
    connection.execute_batch("RELEASE rows").unwrap();
}
