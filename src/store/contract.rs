//! What every store that we move ourselves must hold, tried on memory, on SQLite and on PostgreSQL: the same words, the same refusals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod service;

pub(in crate::store) use self::service::serves;

use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use crate::envelope::SealedOut;
use crate::envelope::key::LocalKey;
use crate::executor::rewrap::Job;
use crate::executor::rewrap::Ring;
use crate::executor::rewrap::Watch;
use crate::executor::rewrap::run;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::policy::meant::store::Sealed;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Store;
use crate::port::store::Value;
use crate::port::store::Versions;
use crate::port::store::Want;
use crate::secret::Secret;
use crate::store::memory::Datum;
use crate::store::memory::Fails;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;

/// A store with the table `keys (id, v, wrapped, note)`, and a hand in it beside the port.
trait Fixture {
    fn store(&self) -> &dyn Store;
    fn put(&self, id: i64, v: Datum, wrapped: Datum, note: &str);
    fn row(&self, id: i64) -> Option<Vec<Datum>>;
    fn remove(&self, id: i64);
}

impl Fixture for Memory {
    fn store(&self) -> &dyn Store {
        self
    }

    fn put(&self, id: i64, v: Datum, wrapped: Datum, note: &str) {
        Memory::put(self, "keys", vec![Datum::Int(id), v, wrapped, Datum::Text(note.to_owned())]);
    }

    fn row(&self, id: i64) -> Option<Vec<Datum>> {
        Memory::row(self, "keys", &Datum::Int(id))
    }

    fn remove(&self, id: i64) {
        Memory::remove(self, "keys", &Datum::Int(id));
    }
}

struct File {
    store: Sqlite,
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl File {
    fn new(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let connection = Connection::open(&path).unwrap();
        let table = "CREATE TABLE keys (id INTEGER PRIMARY KEY, v, wrapped, note TEXT)";
        connection.execute_batch(&format!("PRAGMA journal_mode = {mode}; {table}")).unwrap();
        Self { store: Sqlite::new(path), connection, _folder: folder }
    }
}

fn sql(datum: Datum) -> Sql {
    match datum {
        Datum::Null => Sql::Null,
        Datum::Int(number) => Sql::Integer(number),
        Datum::Text(text) => Sql::Text(text),
        Datum::Blob(bytes) => Sql::Blob(bytes),
    }
}

impl Fixture for File {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn put(&self, id: i64, v: Datum, wrapped: Datum, note: &str) {
        let row = (id, sql(v), sql(wrapped), note);
        self.connection.execute("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    }

    fn row(&self, id: i64) -> Option<Vec<Datum>> {
        let datum = |value: Sql| match value {
            Sql::Integer(number) => Datum::Int(number),
            Sql::Text(text) => Datum::Text(text),
            Sql::Blob(bytes) => Datum::Blob(bytes),
            Sql::Null | Sql::Real(_) => Datum::Null,
        };
        let cells = |row: &rusqlite::Row<'_>| (0..4).map(|at| row.get(at).map(datum)).collect();
        self.connection.query_row("SELECT * FROM keys WHERE id = ?1", [id], cells).ok()
    }

    fn remove(&self, id: i64) {
        self.connection.execute("DELETE FROM keys WHERE id = ?1", [id]).unwrap();
    }
}

/// A database of its own in the server that `tests/services.sh` starts.
#[cfg(feature = "postgres")]
struct Server {
    store: crate::store::postgres::Postgres,
    client: std::sync::Mutex<postgres::Client>,
}

#[cfg(feature = "postgres")]
impl Server {
    #[expect(clippy::disallowed_methods, clippy::expect_used, reason = "a test asks where its server is")]
    fn new() -> Self {
        use crate::policy::meant::Address;
        use std::sync::atomic::AtomicU32;
        use std::sync::atomic::Ordering;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url =
            std::env::var("KEYROTA_TEST_POSTGRES").expect("run it as `tests/services.sh cargo test --all-features`");
        let name = format!("contract_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let url = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.batch_execute("CREATE TABLE keys (id bigint PRIMARY KEY, v text, wrapped bytea, note text)").unwrap();
        let secrets = std::sync::Arc::new(Unasked);
        let login = crate::store::postgres::Login { url: Address::Plain(url), tls: None, secrets };
        Self { store: crate::store::postgres::Postgres::new("app", login), client: client.into() }
    }
}

#[cfg(feature = "postgres")]
struct Unasked;

#[cfg(feature = "postgres")]
impl crate::port::probe::Secrets for Unasked {
    fn reveal(&self, source: &crate::secret::Source) -> Result<Secret, Fault> {
        Err(Fault::give_up(format!("read {source}"), "no test asks for it"))
    }
}

#[cfg(feature = "postgres")]
impl Fixture for Server {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn put(&self, id: i64, v: Datum, wrapped: Datum, note: &str) {
        let v = match v {
            Datum::Text(text) => Some(text),
            _ => None,
        };
        let wrapped = match wrapped {
            Datum::Blob(bytes) => Some(bytes),
            _ => None,
        };
        let put = "INSERT INTO keys VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET v = $2, wrapped = $3, note = $4";
        let mut client = self.client.lock().unwrap();
        client.execute(put, &[&id, &v, &wrapped, &note]).unwrap();
        client.batch_execute("ANALYZE keys").unwrap();
    }

    fn row(&self, id: i64) -> Option<Vec<Datum>> {
        let row = self
            .client
            .lock()
            .unwrap()
            .query_opt("SELECT v, wrapped, note FROM keys WHERE id = $1", &[&id])
            .unwrap()?;
        let text = |at: usize| row.get::<_, Option<String>>(at).map_or(Datum::Null, Datum::Text);
        let wrapped = row.get::<_, Option<Vec<u8>>>(1).map_or(Datum::Null, Datum::Blob);
        Some(vec![Datum::Int(id), text(0), wrapped, text(2)])
    }

    fn remove(&self, id: i64) {
        self.client.lock().unwrap().execute("DELETE FROM keys WHERE id = $1", &[&id]).unwrap();
    }
}

fn fixtures() -> Vec<Box<dyn Fixture>> {
    let memory = Memory::new("contract");
    memory.create("keys", &["id", "v", "wrapped", "note"]);
    vec![
        Box::new(memory),
        Box::new(File::new("WAL")),
        Box::new(File::new("DELETE")),
        #[cfg(feature = "postgres")]
        Box::new(Server::new()),
    ]
}

fn version(n: u8) -> VersionId {
    format!("v{n}").parse().unwrap()
}

fn block(with: &str) -> Block {
    let usual = r#""table":"keys","columns":["wrapped"],"where":{},"aad":"keys:{{ row.id }}","version":{"column":"v"},
        "is":"{{ id }}","seal":{"cipher":"aes-256-gcm","layout":["nonce","ciphertext","tag"]}"#;
    let mut words: serde_json::Value = serde_json::from_str(&format!("{{{usual}}}")).unwrap();
    let with: serde_json::Value = serde_json::from_str(with).unwrap();
    words.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    let sealed: Sealed = serde_json::from_value(words).unwrap();
    let versions = Versions::new().with(version(1), []).with(version(2), []);
    Block::all(&[sealed], None, &versions).unwrap().remove(0)
}

fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}

fn blob(byte: u8) -> Datum {
    Datum::Blob(vec![byte; 3])
}

fn ids(store: &dyn Store, block: &Block, want: Want<'_>, rows: usize) -> Vec<Value<'static>> {
    let mut reader = store.reader(block, want).unwrap();
    let mut page = reader.page().at_most(rows);
    let mut ids = Vec::new();
    loop {
        reader.next(&mut page).unwrap();
        assert!(page.rows() <= rows);
        if page.is_empty() {
            return ids;
        }
        ids.extend((0..page.rows()).map(|row| match page.cell(row, 0) {
            Value::Int(id) => Value::Int(id),
            other => panic!("{other:?}"),
        }));
    }
}

#[test]
fn reading_brings_each_row_once_in_order_and_counting_agrees() {
    for fixture in fixtures() {
        let store = fixture.store();
        for id in (1..=40_i64).rev() {
            let v = match id % 4 {
                0 => text("v2"),
                1 => Datum::Null,
                _ => text("v1"),
            };
            fixture.put(id, v, if id % 5 == 0 { Datum::Null } else { blob(1) }, "x");
        }
        fixture.put(41, text("other"), blob(1), "x");
        let block = block("{}");
        let all = ids(store, &block, Want::All, 7);
        let sealed: Vec<Value<'_>> = (1..=41).filter(|id| id % 5 != 0).map(Value::Int).collect();
        assert_eq!(all, sealed);
        let left = ids(store, &block, Want::NotUnder(&version(2)), 3);
        let due: Vec<Value<'_>> = (1..=41).filter(|id| id % 5 != 0 && id % 4 != 0).map(Value::Int).collect();
        assert_eq!(left, due);
        let census = store.census(&block).unwrap();
        assert_eq!((census.of(&version(1)), census.of(&version(2)), census.strange, census.exact), (16, 8, 9, true));
        assert_eq!(store.estimate(&block).unwrap(), Some(41));
        // What names no version by design is not strange: only opening tells what sealed it.
        let census = store.census(&Block { version: VersionAt::ByTrial, ..block }).unwrap();
        assert_eq!((census.by_trial, census.strange, census.total(), census.exact), (33, 0, 33, false));
    }
}

fn changed(page: &Page) -> Changes {
    let mut changes = Changes::new(1);
    for row in 0..page.rows() {
        changes.begin(row);
        changes.put(0, b"new");
    }
    changes
}

#[test]
fn writing_compares_before_it_sets() {
    for fixture in fixtures() {
        for id in 1..=5 {
            fixture.put(id, text("v1"), blob(1), "mine");
        }
        let (store, block) = (fixture.store(), block(r#"{"where":{"note":"mine"}}"#));
        let mut reader = store.reader(&block, Want::All).unwrap();
        let mut page = reader.page();
        reader.next(&mut page).unwrap();
        // Behind our back: a new value, a new version, another row's note, and a row that goes.
        fixture.put(2, text("v1"), blob(2), "mine");
        fixture.put(3, text("v2"), blob(1), "mine");
        fixture.remove(4);
        let mut writer = store.writer(&block, &version(2)).unwrap();
        let written = writer.write(&page, &changed(&page)).unwrap();
        assert_eq!((written.moved, written.lost), (2, 3));
        let new = Datum::Blob(b"new".to_vec());
        assert_eq!(fixture.row(1).unwrap(), [Datum::Int(1), text("v2"), new.clone(), text("mine")]);
        assert_eq!(fixture.row(2).unwrap(), [Datum::Int(2), text("v1"), blob(2), text("mine")]);
        assert_eq!(fixture.row(3).unwrap(), [Datum::Int(3), text("v2"), blob(1), text("mine")]);
        assert_eq!((fixture.row(4), fixture.row(5).unwrap().get(2)), (None, Some(&new)));
        // The same again is lost, every row of it, and changes nothing.
        let written = writer.write(&page, &changed(&page)).unwrap();
        assert_eq!((written.moved, written.lost), (0, 5));
        assert_eq!(fixture.row(1).unwrap().get(2), Some(&new));
    }
}

#[test]
fn a_whole_set_changes_or_does_not() {
    for fixture in fixtures() {
        for id in 1..=5 {
            fixture.put(id, text("v1"), blob(1), "mine");
        }
        let (store, blocks) = (fixture.store(), [block("{}")]);
        for well in [false, true] {
            let done = store.whole(&blocks, &version(2), &mut |whole| {
                let mut page = whole.page(0).unwrap();
                whole.next(0, &mut page)?;
                assert_eq!(whole.write(0, &page, &changed(&page))?.moved, 5);
                whole.next(0, &mut page)?;
                assert!(page.is_empty() && whole.page(1).is_none());
                if well { Ok(()) } else { Err(Fault::give_up("go on", "no")) }
            });
            assert_eq!(done.is_ok(), well);
            let expected = if well { text("v2") } else { text("v1") };
            assert!((1..=5).all(|id| fixture.row(id).unwrap().get(1) == Some(&expected)));
        }
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    for fixture in fixtures() {
        let store = fixture.store();
        store.fit(&block("{}")).unwrap();
        for (with, word) in [
            (r#"{"table":"keyz"}"#, "no such table"),
            (r#"{"columns":["wraped"]}"#, "`wraped`"),
            (r#"{"version":{"column":"kek"}}"#, "`kek`"),
            (r#"{"where":{"status":1}}"#, "`status`"),
            (r#"{"aad":"{{ row.tenant }}"}"#, "`tenant`"),
            (r#"{"version":{"field":"v"}}"#, "fields"),
        ] {
            let block = block(with);
            let fault = store.fit(&block).unwrap_err();
            assert!(fault.source.contains(word), "{fault}");
            assert!(store.reader(&block, Want::All).is_err() && store.census(&block).is_err());
        }
        assert!(store.proofs("keyz").is_err());
        fixture.put(1, text("v1"), blob(255), "x");
        let proofs = serde_json::to_string(&store.proofs("keys").unwrap()).unwrap();
        assert_eq!(proofs, r#"[{"id":1,"note":"x","v":"v1","wrapped":"ffffff"}]"#);
    }
    let worlds: Vec<String> = fixtures().iter().map(|fixture| fixture.store().world().unwrap()).collect();
    assert!(worlds.iter().all(|world| worlds.iter().filter(|other| *other == world).count() == 1), "{worlds:?}");
}

struct Nobody;

impl Watch for Nobody {}

fn material(n: u8) -> Secret {
    Secret::from_vec(vec![n; 32])
}

fn sealed(block: &Block, n: u8, id: i64) -> Datum {
    let [column] = block.columns.as_slice() else { panic!("one column") };
    let key = LocalKey::new(column.seal.cipher(), &material(n)).unwrap();
    let aad = format!("keys:{id}");
    match column.seal.seal(&key, &[id as u8; 32], aad.as_bytes(), None, None).unwrap() {
        SealedOut::Bytes(bytes) => Datum::Blob(bytes),
        SealedOut::Fields(_) => panic!("bytes"),
    }
}

/// Every call of the port fails once, before or after its work: whatever was done then, a second run ends as an undisturbed one.
#[test]
fn a_rewrap_ends_the_same_whichever_call_fails() {
    for (fails, atomic) in [(Fails::Before, false), (Fails::After, false), (Fails::Before, true), (Fails::After, true)]
    {
        let mut failed = 0;
        for nth in 1.. {
            let store = Memory::new("drill");
            store.create("keys", &["id", "v", "wrapped", "note"]);
            let block = block("{}");
            for id in 1..=30 {
                Fixture::put(&store, id, text("v1"), sealed(&block, 1, id), "x");
            }
            let mut job = Job { rows_per_chunk: 7, atomic, ..Job::new(vec![block.clone()], version(2)) };
            job.threads = 1;
            let mut ring = Ring::new();
            for n in [1, 2] {
                ring.add(&version(n), &material(n), &job.blocks).unwrap();
            }
            store.fail(nth, fails);
            let first = run(&store, &job, &ring, &mut Nobody);
            failed += u32::from(first.is_err());
            let moved = (1..=30).filter(|id| Fixture::row(&store, *id).unwrap().get(1) == Some(&text("v2"))).count();
            assert!(!atomic || moved == 0 || moved == 30);
            // No call has the number 0.
            store.fail(0, fails);
            let second = run(&store, &job, &ring, &mut Nobody).unwrap();
            assert_eq!(usize::try_from(second.moved).unwrap(), 30 - moved);
            assert_eq!(second.census.first().unwrap().of(&version(2)), 30);
            let left = second.last.quarantined;
            assert_eq!(left, 0, "call {nth} {fails:?}");
            if first.is_ok() {
                break;
            }
        }
        assert!(failed > 3, "{failed} calls failed");
    }
}
