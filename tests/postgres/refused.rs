//! What stands in the way is named, with the way out, before a byte is changed.

use keyrota::port::store::Store;
use serde_json::json;

use crate::server::Database;
use crate::server::fresh;
use crate::world::job;
use crate::world::sealed;

const TABLE: &str = "CREATE TABLE data_keys (id int8 PRIMARY KEY, v text, wrapped bytea, note text);";

/// Statements after the usual table; words of the fault and of its hint.
const CASES: [(&str, &str, &str); 10] = [
    ("ALTER TABLE data_keys DROP CONSTRAINT data_keys_pkey", "no primary key", "give it one"),
    (
        "ALTER TABLE data_keys RENAME TO other; CREATE VIEW data_keys AS SELECT * FROM other",
        "is a view",
        "name the table",
    ),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = 1; RETURN NEW; END';
         CREATE TRIGGER touch BEFORE UPDATE ON data_keys FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger touch",
        "UPDATE OF",
    ),
    ("CREATE RULE quiet AS ON UPDATE TO data_keys DO INSTEAD NOTHING", "rule quiet", "disable"),
    (
        "ALTER TABLE data_keys ADD UNIQUE (v); CREATE TABLE users (v text REFERENCES data_keys (v) ON UPDATE CASCADE)",
        "foreign key users_v_fkey",
        "disable",
    ),
    (
        "ALTER TABLE data_keys ADD size int GENERATED ALWAYS AS (length(wrapped)) STORED",
        "generated column size",
        "disable",
    ),
    ("ALTER TABLE data_keys DROP wrapped", "no column `wrapped`", "its columns are id, v, note"),
    (
        "ALTER TABLE data_keys DROP wrapped; ALTER TABLE data_keys ADD wrapped bytea GENERATED ALWAYS AS (v::bytea) STORED",
        "is generated",
        "it comes from",
    ),
    ("CREATE TABLE more () INHERITS (data_keys)", "other tables inherit from `data_keys`", "each for itself"),
    ("DROP TABLE data_keys", "no such table", "schema.table"),
];

#[test]
fn a_table_that_cannot_be_rewrapped_alone_is_refused_by_name() {
    for (script, why, way_out) in CASES {
        let database = Database::new(&format!("{TABLE}{script}"));
        let fault = database.store().fit(&job(&[sealed(json!({}))], 2).blocks[0]).unwrap_err();
        assert!(fault.source.contains(why), "{script}: {fault}");
        assert!(fault.hint.as_deref().unwrap_or_default().contains(way_out), "{script}: {fault:?}");
    }
}

#[test]
fn a_trigger_on_other_columns_is_no_hindrance() {
    let database = Database::new(&format!(
        "{TABLE}CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER touch BEFORE UPDATE OF note ON data_keys FOR EACH ROW EXECUTE FUNCTION f()"
    ));
    database.store().fit(&job(&[sealed(json!({}))], 2).blocks[0]).unwrap();
}

#[test]
fn what_a_role_may_not_do_or_see_is_named_before_anything_is_done() {
    let role = fresh("reader");
    let database = Database::new(&format!(
        "{TABLE}CREATE ROLE {role} LOGIN PASSWORD 'tests'; GRANT SELECT ON data_keys TO {role}"
    ));
    let block = job(&[sealed(json!({}))], 2).blocks.remove(0);
    let fit = || database.store_as(&role).fit(&block).unwrap_err();
    let fault = fit();
    assert!(fault.source.contains("may not read it and set `wrapped`"), "{fault}");
    assert!(fault.hint.unwrap().contains("GRANT SELECT, UPDATE"));
    let mut client = database.connect();
    client.batch_execute(&format!("GRANT UPDATE (wrapped, v) ON data_keys TO {role}")).unwrap();
    database.store_as(&role).fit(&block).unwrap();
    client
        .batch_execute("ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON data_keys USING (id > 5)")
        .unwrap();
    let fault = fit();
    assert!(fault.source.contains("row-level security may hide rows"), "{fault}");
    assert!(fault.hint.unwrap().contains("BYPASSRLS"));
}

#[test]
fn a_login_that_fails_says_why_and_never_the_password() {
    let database = Database::new(TABLE);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let right = database.url();
    let at = right.split_once('@').unwrap().1;
    for (url, why) in [
        (right.replace(":tests@", ":canary-pass@"), "password authentication failed"),
        (format!("{right}_not"), "does not exist"),
        (format!("postgresql://keyrota:canary-pass@127.0.0.1:{port}/x"), "refused"),
        (format!("postgresql://keyrota:canary-pass@{at}?sslmode=require"), "TLS"),
        (format!("postgresql://keyrota:canary-pass@{at}?sslmode=perhaps"), "cannot be read"),
        ("postgresql://keyrota:canary-pass@127.0.0.1:port/x".to_owned(), "cannot be read"),
    ] {
        let fault = database.store_at(&url).world().unwrap_err();
        assert!(fault.source.contains(why), "{why}: {fault:?}");
        assert!(fault.hint.is_some(), "{fault:?}");
        assert!(!format!("{fault:?}").contains("canary-pass"), "{fault:?}");
    }
}

#[test]
fn a_check_asks_and_never_writes() {
    let database = Database::new(&format!("{TABLE}INSERT INTO data_keys VALUES (7, 'v1', NULL, 'x')"));
    let store = database.store();
    assert_eq!(store.ask("SELECT note, id FROM data_keys;").unwrap().as_deref(), Some("x"));
    assert_eq!(store.ask("SELECT id FROM data_keys -- all").unwrap().as_deref(), Some("7"));
    assert_eq!(store.ask("SELECT id FROM data_keys WHERE id = 8").unwrap(), None);
    assert_eq!(store.ask("SELECT v FROM (SELECT NULL::text AS v) q").unwrap(), None);
    for query in [
        "DELETE FROM data_keys",
        "SELECT 1) AS q LIMIT 1; COMMIT; DELETE FROM data_keys; SELECT (1",
        "WITH gone AS (DELETE FROM data_keys RETURNING id) SELECT id FROM gone",
    ] {
        assert!(store.ask(query).is_err(), "{query}");
    }
    assert_eq!(store.ask("SELECT count(*) AS n FROM data_keys").unwrap().as_deref(), Some("1"));
}
