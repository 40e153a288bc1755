//! The ways to a server: through a pooler that lends each transaction another connection, over TLS with certificates of one's own,
//! and to a replica, which is named.

use std::fs;
use std::sync::Arc;

use keyrota::executor::rewrap;
use keyrota::fault::Fault;
use keyrota::policy::meant::Address;
use keyrota::policy::meant::Tls;
use keyrota::port::probe::Secrets;
use keyrota::port::store::Store;
use keyrota::secret::Secret;
use keyrota::secret::Source;
use keyrota::store::postgres::Login;
use keyrota::store::postgres::Postgres;
use serde_json::json;

use crate::server::Database;
use crate::world::Seen;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::ring;
use crate::world::seal;
use crate::world::sealed;

const TABLE: &str = "CREATE TABLE data_keys (id int8 PRIMARY KEY, v text, wrapped bytea)";
const ROWS: i64 = 3_000;

fn given(name: &str) -> String {
    std::env::var(name).expect("run it as `tests/services.sh cargo test --all-features`")
}

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

/// Panics where a value is not under version 2, or does not open to what was sealed.
fn all_moved(database: &Database) {
    let rows = database.connect().query("SELECT id, wrapped FROM data_keys WHERE v = 'v2'", &[]).unwrap();
    assert_eq!(rows.len(), ROWS as usize);
    for row in &rows {
        let (id, wrapped): (i64, Vec<u8>) = (row.get(0), row.get(1));
        assert_eq!(open(material(2), &wrapped, &format!("data_keys:{id}")), Some(plain(id)));
    }
}

#[test]
fn a_pooler_that_lends_each_transaction_another_connection_is_no_hindrance() {
    let database_of = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    for atomic in [false, true] {
        let database = world();
        let pooler = given("KEYROTA_TEST_POOLER");
        let url = format!("{}/{}", pooler.rsplit_once('/').unwrap().0, database_of(database.url()));
        let mut job = job(&[sealed(json!({}))], 2);
        (job.atomic, job.rows_per_chunk) = (atomic, 150);
        let store = database.store_at(&url);
        // Others use the same few connections meanwhile, and find them as they left them.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
                for _ in 0..200 {
                    let said = client.simple_query("SHOW enable_hashjoin").unwrap();
                    let postgres::SimpleQueryMessage::Row(row) = &said[1] else { panic!("{said:?}") };
                    assert_eq!(row.get(0), Some("on"));
                }
            });
            let outcome = rewrap::run(&store, &job, &ring(&job, &[1, 2]), &mut Seen::default()).unwrap();
            assert_eq!(outcome.moved, ROWS as u64);
            other.join().unwrap();
        });
        all_moved(&database);
        assert_eq!(store.census(&job.blocks[0]).unwrap().of(&job.target), ROWS as u64);
        assert_eq!(store.ask("SELECT count(*) AS n FROM data_keys").unwrap().as_deref(), Some("3000"));
        // It is one world by either way.
        assert_eq!(store.world().unwrap(), database.store().world().unwrap());
    }
}

/// Files of the tests' own authority.
struct Files;

impl Secrets for Files {
    fn reveal(&self, source: &Source) -> Result<Secret, Fault> {
        match source {
            Source::File(path) => Ok(Secret::from_vec(fs::read(path).unwrap())),
            other => Err(Fault::give_up(format!("read {other}"), "no test asks for it")),
        }
    }
}

fn file(name: &str) -> Source {
    Source::File(format!("{}/{name}", given("KEYROTA_TEST_CERTIFICATES")))
}

fn over_tls(url: &str, ca: Option<&str>, shows: bool) -> Postgres {
    let tls = Tls { ca: ca.map(file), cert: shows.then(|| file("sealed.pem")), key: shows.then(|| file("sealed.key")) };
    Postgres::new("app", Login { url: Address::Plain(url.to_owned()), tls: Some(tls), secrets: Arc::new(Files) })
}

#[test]
fn certificates_of_ones_own_are_shown_and_asked_for() {
    let database = world();
    let make = "DO $$ BEGIN CREATE ROLE sealed LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    database.connect().batch_execute(make).unwrap();
    let sealed_url = database.url().replace("keyrota:tests@", "sealed@");
    let job = job(&[sealed(json!({}))], 2);
    let store = over_tls(&sealed_url, Some("ca.pem"), true);
    let asked = "SELECT ssl::text || ' ' || client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(store.ask(asked).unwrap().as_deref(), Some("true /CN=sealed"));
    assert_eq!(rewrap::run(&store, &job, &ring(&job, &[1, 2]), &mut Seen::default()).unwrap().moved, ROWS as u64);
    all_moved(&database);
    // A password does over TLS, too.
    over_tls(database.url(), Some("ca.pem"), false).world().unwrap();
    for (url, ca, shows, why) in [
        (sealed_url.as_str(), Some("ca.pem"), false, "certificate"),
        (sealed_url.as_str(), Some("other.pem"), true, "certificate"),
        (database.url(), Some("other.pem"), false, "certificate"),
        (database.url(), None, false, "certificate"),
    ] {
        let fault = over_tls(url, ca, shows).world().unwrap_err();
        assert!(format!("{fault:?}").contains(why), "{url} {ca:?} {shows}: {fault:?}");
        assert!(fault.hint.is_some(), "{fault:?}");
    }
    let plain = database.store_at(&sealed_url).world().unwrap_err();
    assert!(plain.source.contains("pg_hba.conf rejects"), "{plain:?}");
}

#[test]
fn a_replica_is_read_and_never_written() {
    let database = Database::new(TABLE);
    let store = database.store_at(&given("KEYROTA_TEST_REPLICA"));
    let job = job(&[sealed(json!({ "table": "on_replica", "aad": null }))], 2);
    let block = &job.blocks[0];
    assert_eq!(store.census(block).unwrap().total(), 0);
    assert_eq!(store.ask("SELECT pg_is_in_recovery()").unwrap().as_deref(), Some("true"));
    for fault in [
        store.fit(block).unwrap_err(),
        store.writer(block, &job.target).err().unwrap(),
        store.whole(&job.blocks, &job.target, &mut |_| Ok(())).unwrap_err(),
    ] {
        assert!(fault.source.contains("is a replica, which only reads"), "{fault:?}");
        assert!(fault.hint.unwrap().contains("name the primary"));
    }
}
