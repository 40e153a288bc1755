//! Transit keys of the real server: the laws of backends, what is found and what is refused, and values moved by it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyrota::backend::contract;
use keyrota::backend::openbao_transit::OpenbaoTransit;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Watch;
use keyrota::fault::Fault;
use keyrota::inventory::key::Drift;
use keyrota::model::Change;
use keyrota::model::State;
use keyrota::model::VersionId;
use keyrota::policy::meant::key::Algorithm;
use keyrota::policy::meant::store::Sealed;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::service::Asked;
use keyrota::port::service::No;
use keyrota::port::service::Plain;
use keyrota::port::store::Block;
use keyrota::port::store::Versions;
use keyrota::secret::Secret;
use keyrota::store::sqlite::Sqlite;
use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use crate::server::Server;

fn engine() -> Server {
    let server = Server::fresh();
    server.put("sys/mounts/transit", json!({ "type": "transit" }));
    server
}

pub(crate) fn backend(server: &Server) -> OpenbaoTransit {
    OpenbaoTransit::new("bao", server.client_with(&server.token), "transit")
}

fn id(n: u64) -> VersionId {
    n.to_string().parse().unwrap()
}

fn states(backend: &OpenbaoTransit, at: &str) -> Vec<(String, State)> {
    let key = backend.look(at).unwrap().key;
    key.versions.iter().map(|version| (version.id.to_string(), version.state)).collect()
}

fn change(backend: &OpenbaoTransit, at: &str, change: &Change) -> Result<(), Failed> {
    backend.change(at, change, None, keyrota::model::Hour::UNIX_EPOCH)
}

#[test]
fn the_laws_of_backends_hold() {
    let server = engine();
    contract::holds(&backend(&server), "laws").unwrap();
}

#[test]
fn what_was_done_by_hand_is_found_and_what_cannot_be_moved_is_refused() {
    let server = engine();
    let bao = backend(&server);
    assert!(bao.look("kek").unwrap().key.versions.is_empty());
    server.put("transit/keys/kek", json!({}));
    bao.fit("kek", crate::scene::ACTS).unwrap();
    server.put("transit/keys/kek/rotate", json!({}));
    assert_eq!(states(&bao, "kek"), [("1".to_owned(), State::DecryptOnly), ("2".to_owned(), State::Current)]);
    bao.adopt("kek", &id(2), keyrota::model::Hour::UNIX_EPOCH).unwrap();
    assert!(bao.adopt("kek", &id(9), keyrota::model::Hour::UNIX_EPOCH).is_err());
    server.put("transit/keys/kek/config", json!({ "auto_rotate_period": "24h" }));
    let drift = bao.look("kek").unwrap().drift;
    assert!(matches!(drift.as_slice(), [Drift::RotatesItself { every }] if every == "24h"), "{drift:?}");
    server.put("transit/keys/derived", json!({ "derived": true }));
    assert!(bao.fit("derived", crate::scene::ACTS).unwrap_err().to_string().contains("derived key"));
    server.put("transit/keys/signs", json!({ "type": "ed25519" }));
    assert!(bao.fit("signs", crate::scene::ACTS).unwrap_err().to_string().contains("seals nothing"));
    // A version that somebody else made meanwhile is not taken for ours.
    let prepared = bao.prepare("kek", Algorithm::Aes256).unwrap();
    server.put("transit/keys/kek/rotate", json!({}));
    server.put("transit/keys/kek/rotate", json!({}));
    bao.change("kek", &prepared.add(true), Some(&prepared), keyrota::model::Hour::UNIX_EPOCH).unwrap();
    assert_eq!(states(&bao, "kek").last().unwrap(), &("4".to_owned(), State::Current), "none was made");
    // Nothing is ever sealed under a key that is not there: the server would make it.
    let service = bao.service("nobody", None).unwrap().unwrap();
    let plain = Secret::from_vec(b"plain".to_vec());
    assert!(service.seal(&[Plain { bytes: &plain, aad: b"" }], &id(1)).is_err());
    assert_eq!(server.ask("GET", "transit/keys/nobody", None).0, 404);
    // Rights are asked for before anything is done.
    server.policy("looks", "path \"transit/keys/kek\" { capabilities = [\"read\"] }");
    let token = server.token(&["looks"], json!({}));
    let poor =
        OpenbaoTransit::new("bao", server.client_with(&token), "transit").fit("kek", crate::scene::ACTS).unwrap_err();
    assert!(poor.to_string().contains("\"update\" on `transit/keys/kek/rotate`"), "{poor}");
}

#[test]
fn a_floor_is_never_passed_over_and_trim_waits_for_it() {
    let server = engine();
    let bao = backend(&server);
    server.put("transit/keys/kek", json!({}));
    server.put("transit/keys/kek/rotate", json!({}));
    server.put("transit/keys/kek/rotate", json!({}));
    let retire = |n| change(&bao, "kek", &Change::Retire { version: id(n) });
    assert!(retire(2).unwrap_err().to_string().contains("older version `1`"));
    assert!(change(&bao, "kek", &Change::Destroy { version: id(1) }).is_err(), "it still opens");
    retire(1).unwrap();
    // Both minima must be there; the one for sealing was never set by whoever made these versions.
    assert_eq!(server.get("transit/keys/kek")["data"]["min_encryption_version"], 0);
    change(&bao, "kek", &Change::Destroy { version: id(1) }).unwrap();
    change(&bao, "kek", &Change::Destroy { version: id(1) }).unwrap();
    assert_eq!(states(&bao, "kek"), [("2".to_owned(), State::DecryptOnly), ("3".to_owned(), State::Current)]);
}

/// A SQLite table of values under version 1 of a key, every third bound to its row, and the job that moves them to version 2.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
    jobs: Vec<Job>,
}

fn plain(id: usize) -> String {
    format!("CANARY/transit/{id:08}")
}

fn aad(id: usize) -> String {
    format!("t:{id}")
}

impl World {
    pub(crate) fn new(rows: usize) -> Self {
        let server = engine();
        server.put("transit/keys/kek", json!({}));
        let world = Self { folder: tempfile::tempdir().unwrap(), server, jobs: Vec::new() };
        let connection = world.connect();
        connection.execute_batch("CREATE TABLE free (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE bound (id INTEGER PRIMARY KEY, v TEXT); BEGIN").unwrap();
        let ids: Vec<usize> = (1..=rows).collect();
        for ids in ids.chunks(200) {
            let one = |id: &usize| match id % 3 {
                0 => json!({ "plaintext": STANDARD.encode(plain(*id)), "associated_data": STANDARD.encode(aad(*id)) }),
                _ => json!({ "plaintext": STANDARD.encode(plain(*id)) }),
            };
            let batch: Vec<Value> = ids.iter().map(one).collect();
            let sealed = world.server.put("transit/encrypt/kek", json!({ "batch_input": batch }));
            for (id, sealed) in ids.iter().zip(sealed["data"]["batch_results"].as_array().unwrap()) {
                let table = if id % 3 == 0 { "bound" } else { "free" };
                let text = sealed["ciphertext"].as_str().unwrap();
                connection.execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), (*id as i64, text)).unwrap();
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        let versions = Versions::new().with(id(1), []).with(id(2), []);
        let sealed = |table: &str, aad: Value| -> Sealed {
            let words = json!({ "table": table, "columns": ["v"], "where": {}, "aad": aad, "seal": "vault-transit",
                "version": "in-seal", "is": "{{ id }}" });
            serde_json::from_value(words).unwrap()
        };
        let job = |sealed: Sealed| Job::new(Block::all(&[sealed], None, &versions).unwrap(), id(2));
        let jobs = vec![job(sealed("free", Value::Null)), job(sealed("bound", json!("t:{{ row.id }}")))];
        world.server.put("transit/keys/kek/rotate", json!({}));
        Self { jobs, ..world }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.folder.path().join("app.db")).unwrap()
    }

    pub(crate) fn run(&self) -> Result<u64, Fault> {
        self.run_by(&self.server, None)
    }

    /// Moves everything, by a server in front of the real one; says how many rows that were. No race is lost: nobody else writes.
    pub(crate) fn run_by(&self, server: &Server, share: Option<u8>) -> Result<u64, Fault> {
        struct Nobody;
        impl Watch for Nobody {}
        let bao = backend(server);
        let service = bao.service("kek", share)?.unwrap();
        let mut moved = 0;
        for job in &self.jobs {
            let ring = Ring::served(Arc::clone(&service), [id(1), id(2)]);
            let outcome = rewrap::run(&Sqlite::new(self.folder.path().join("app.db")), job, &ring, &mut Nobody)?;
            assert_eq!((outcome.last.quarantined, outcome.last.lost), (0, 0));
            moved += outcome.moved;
        }
        Ok(moved)
    }

    /// Every value opens, asked as the operator, to what was sealed; and how many are under the new version.
    pub(crate) fn opened(&self) -> usize {
        let mut new = 0;
        for table in ["free", "bound"] {
            let connection = self.connect();
            let mut rows = connection.prepare(&format!("SELECT id, v FROM {table}")).unwrap();
            let rows =
                rows.query_map([], |row| Ok((row.get::<_, i64>(0)? as usize, row.get::<_, String>(1)?))).unwrap();
            let rows: Vec<(usize, String)> = rows.map(Result::unwrap).collect();
            new += rows.iter().filter(|(_, text)| text.starts_with("vault:v2:")).count();
            for rows in rows.chunks(200) {
                let one = |(id, text): &(usize, String)| match table {
                    "bound" => json!({ "ciphertext": text, "associated_data": STANDARD.encode(aad(*id)) }),
                    _ => json!({ "ciphertext": text }),
                };
                let batch: Vec<Value> = rows.iter().map(one).collect();
                let opened = self.server.put("transit/decrypt/kek", json!({ "batch_input": batch }));
                for ((id, _), opened) in rows.iter().zip(opened["data"]["batch_results"].as_array().unwrap()) {
                    assert_eq!(opened["plaintext"], STANDARD.encode(plain(*id)), "row {id}");
                }
            }
        }
        new
    }
}

#[test]
fn values_move_in_batches_that_are_found_and_open_by_the_server() {
    let world = World::new(6_000);
    assert_eq!(world.run().unwrap(), 6_000);
    assert_eq!(world.opened(), 6_000);
    assert_eq!(world.run().unwrap(), 0);
}

#[test]
fn an_answer_about_one_value_is_about_that_one_alone() {
    let world = World::new(6);
    let service = backend(&world.server).service("kek", None).unwrap().unwrap();
    let text: String = world.connect().query_row("SELECT v FROM free WHERE id = 1", [], |row| row.get(0)).unwrap();
    let good = STANDARD.decode(text.strip_prefix("vault:v1:").unwrap()).unwrap();
    let (v1, v9) = (id(1), id(9));
    let mut bad = good.clone();
    bad[20] ^= 1;
    let asked = |version, bytes| Asked { version, bytes, aad: b"" };
    let all = [asked(&v1, good.as_slice()), asked(&v1, bad.as_slice()), asked(&v9, good.as_slice()), asked(&v1, b"x")];
    for open in [true, false] {
        let answers: Vec<Option<No>> = if open {
            service.open(&all).unwrap().into_iter().map(Result::err).collect()
        } else {
            service.rewrap(&all, &id(2)).unwrap().into_iter().map(Result::err).collect()
        };
        assert_eq!(answers[..3], [None, Some(No::DoesNotOpen), Some(No::NoKey)], "{answers:?}");
        assert!(matches!(answers[3], Some(No::Misfit(_) | No::DoesNotOpen | No::Said(_))), "{answers:?}");
    }
    world.server.put("transit/keys/kek/config", json!({ "min_decryption_version": 2 }));
    assert_eq!(service.rewrap(&all[..1], &id(2)).unwrap(), [Err(No::NoKey)]);
}
