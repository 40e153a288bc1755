//! What we will not do, said before the first write, with the name of the thing and the way out.

use keyrota::executor::rewrap;
use keyrota::fault::Fault;
use keyrota::port::store::Store;
use keyrota::store::sqlite::Sqlite;
use serde_json::json;

use crate::world;
use crate::world::World;

fn refused(world: &World, with: serde_json::Value) -> Fault {
    let before = std::fs::read(world.path()).unwrap();
    let job = world::job(&[world::sealed(with)], 2);
    let fault = world::run(&world.path(), &job).0.unwrap_err();
    assert_eq!(std::fs::read(world.path()).unwrap(), before);
    assert!(fault.hint.is_some(), "{fault}");
    fault
}

#[test]
fn what_is_missing_is_named() {
    let world = World::usual("DELETE", 3);
    for (with, why) in [
        (json!({ "table": "data_kets" }), "there is no such table"),
        (json!({ "columns": ["wraped"] }), "it has no column `wraped`"),
        (json!({ "version": { "column": "kek" } }), "it has no column `kek`"),
        (json!({ "aad": "{{ row.tenant }}" }), "it has no column `tenant`"),
        (json!({ "where": { "status": "active" } }), "it has no column `status`"),
        (json!({ "columns": ["id"] }), "`id` is part of the key"),
        (json!({ "table": "a\0b" }), "NUL"),
        (json!({ "version": { "field": "v" } }), "fields"),
    ] {
        let fault = refused(&world, with);
        assert!(fault.source.contains(why), "{fault}");
    }
}

#[test]
fn a_file_is_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let job = world::job(&[world::sealed(json!({}))], 2);
    for (name, why) in
        [("absent.db", "there is no such file"), (".", "not a regular file"), ("text.db", "not a database")]
    {
        std::fs::write(
            folder.path().join("text.db"),
            "just text, long enough to be looked at as a head of a file, and more of it",
        )
        .unwrap();
        let store = Sqlite::new(folder.path().join(name));
        let fault = rewrap::run(&store, &job, &world::ring(&job, &[1, 2]), &mut world::Seen::default()).unwrap_err();
        assert!(fault.source.contains(why), "{fault}");
        assert!(store.world().is_err());
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["text.db"]);
}

#[test]
fn what_would_change_more_than_we_name_is_refused() {
    let world = World::usual("DELETE", 3);
    let alter = |script: &str| world.connect().execute_batch(script).unwrap();
    alter(
        "CREATE TRIGGER stamps AFTER UPDATE ON data_keys BEGIN UPDATE data_keys SET note = 'now' WHERE id = new.id; END",
    );
    let fault = refused(&world, json!({}));
    assert!(fault.source.contains("(stamps)"), "{fault}");
    alter("DROP TRIGGER stamps; CREATE TRIGGER noted AFTER UPDATE OF note ON data_keys BEGIN SELECT 1; END;
           CREATE TRIGGER added AFTER INSERT ON data_keys BEGIN SELECT 1; END; CREATE VIEW seen AS SELECT * FROM data_keys");
    let fault = refused(&world, json!({ "table": "seen" }));
    assert!(fault.source.contains("`seen` is a view"), "{fault}");
    let job = world::job(&[world::sealed(json!({}))], 2);
    assert_eq!(world::run(&world.path(), &job).0.unwrap().moved, 3);

    let world = World::new(
        "DELETE",
        "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, v TEXT, wrapped BLOB UNIQUE, made AS (wrapped));
         CREATE TABLE child (of BLOB REFERENCES data_keys (wrapped) ON UPDATE CASCADE)",
    );
    let fault = refused(&world, json!({}));
    assert!(fault.source.contains("foreign key"), "{fault}");
    let fault = refused(&world, json!({ "columns": ["made"] }));
    assert!(fault.source.contains("generated"), "{fault}");
}

#[test]
fn a_table_that_refuses_the_new_value_loses_none_of_the_old() {
    let world = World::new(
        "WAL",
        "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, v TEXT CHECK (v = 'v1'), wrapped BLOB, payload, note)",
    );
    world::add_usual(&world.connect(), 1, 10, 1);
    let job = world::job(&[world::sealed(json!({}))], 2);
    let fault = world::run(&world.path(), &job).0.unwrap_err();
    assert!(fault.source.contains("CHECK constraint failed"), "{fault}");
    assert_eq!(world.usual_under(), [("v1".to_owned(), 10)].into());
}

#[test]
fn a_check_asks_and_never_writes() {
    let world = World::usual("WAL", 5);
    let store = Sqlite::new(world.path());
    let ask = |query: &str| store.ask(query).map_err(|fault| fault.source);
    assert_eq!(ask("SELECT count(*) FROM data_keys").unwrap().as_deref(), Some("5"));
    assert_eq!(ask("SELECT x'0aff'").unwrap().as_deref(), Some("0aff"));
    assert_eq!(ask("SELECT note FROM data_keys WHERE id = 1").unwrap(), None);
    assert_eq!(ask("SELECT 1 WHERE 0").unwrap(), None);
    for query in ["DELETE FROM data_keys", "SELEC", "PRAGMA journal_mode = DELETE"] {
        assert!(ask(query).is_err(), "{query}");
    }
    assert_eq!(world.usual_under().len(), 1);
}

#[test]
fn proofs_come_as_they_stand() {
    let world = World::new(
        "WAL",
        "CREATE TABLE beats (member TEXT, knows TEXT, id BLOB, n INT); INSERT INTO beats VALUES ('web-1', '[\"v1\"]', x'00ff', 7)",
    );
    let rows = Sqlite::new(world.path()).proofs("beats").unwrap();
    let row = serde_json::to_string(&rows).unwrap();
    assert_eq!(row, r#"[{"id":"00ff","knows":"[\"v1\"]","member":"web-1","n":7}]"#);
    assert!(Sqlite::new(world.path()).proofs("beats; DROP TABLE beats").is_err());
}

#[test]
fn a_world_outlives_a_restore_and_is_not_its_copy() {
    let world = World::usual("DELETE", 3);
    let named = Sqlite::new(world.path()).world().unwrap();
    let backup = world.folder.path().join("backup.db");
    std::fs::copy(world.path(), &backup).unwrap();
    assert_ne!(Sqlite::new(&backup).world().unwrap(), named);
    world.connect().execute_batch("DELETE FROM data_keys; VACUUM").unwrap();
    std::fs::rename(&backup, world.path()).unwrap();
    assert_eq!(Sqlite::new(world.path()).world().unwrap(), named);
    std::os::unix::fs::symlink(world.path(), &backup).unwrap();
    assert_eq!(Sqlite::new(&backup).world().unwrap(), named);
    world.connect().execute_batch("PRAGMA application_id = 7").unwrap();
    assert_ne!(Sqlite::new(world.path()).world().unwrap(), named);
}
