//! The program itself takes a key whose values are in PostgreSQL through its whole rotation.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use crate::server::Database;
use crate::world::open;

const TABLE: &str = "CREATE TABLE data_keys (id int8 PRIMARY KEY, customer text, kek_version text, wrapped text)";

fn keyrota(at: &Path, database: &Database, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrota"));
    command.current_dir(at).env("APP_DB", database.url()).args(words).output().unwrap()
}

fn done(at: &Path, database: &Database, words: &[&str]) -> String {
    let output = keyrota(at, database, words);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{words:?}: {said}");
    said
}

/// The rows, each with its plaintext; panics where one does not open under the version that it names.
fn rows(at: &Path, database: &Database) -> Vec<(String, Vec<u8>)> {
    let key = |version: &str| -> [u8; 32] {
        let hex = fs::read_to_string(at.join(format!("keys/{version}.key"))).unwrap();
        hex::decode(hex.trim()).unwrap().try_into().unwrap()
    };
    let rows = database.connect().query("SELECT id, kek_version, wrapped FROM data_keys ORDER BY id", &[]).unwrap();
    let row = |row: &postgres::Row| {
        let (id, version, wrapped): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
        let opened = open(key(&version), &hex::decode(wrapped).unwrap(), &format!("data_keys:{id}"));
        (version, opened.unwrap_or_else(|| panic!("row {id}")))
    };
    rows.iter().map(row).collect()
}

#[test]
fn a_key_rotates_from_plan_to_report() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let database = Database::new(TABLE);
    done(at, &database, &["init", "--example"]);
    let policy = at.join("policies/example.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let place = "type = \"postgres\"\nurl = { env = \"APP_DB\" }";
    fs::write(&policy, text.replace("type = \"sqlite\"\npath = \"app.db\"", place)).unwrap();
    let (sqlite, mut server) = (rusqlite::Connection::open(at.join("app.db")).unwrap(), database.connect());
    let mut all = sqlite.prepare("SELECT id, customer, kek_version, wrapped FROM data_keys").unwrap();
    let mut all = all.query([]).unwrap();
    while let Some(row) = all.next().unwrap() {
        let (id, cells): (i64, [String; 3]) = (row.get_unwrap(0), [1, 2, 3].map(|at| row.get_unwrap(at)));
        let insert = "INSERT INTO data_keys VALUES ($1, $2, $3, $4)";
        server.execute(insert, &[&id, &cells[0], &cells[1], &cells[2]]).unwrap();
    }
    let before = rows(at, &database);
    done(at, &database, &["validate"]);
    done(at, &database, &["plan", "-o", "plan.json"]);
    // Another database is another world, whatever its tables hold.
    let other = Database::new(TABLE);
    assert_eq!(keyrota(at, &other, &["apply", "plan.json"]).status.code(), Some(5));
    done(at, &database, &["apply", "plan.json", "--wait"]);
    let after = rows(at, &database);
    assert!(after.iter().all(|(version, _)| version == "v2"));
    assert!(before.iter().map(|(_, plain)| plain).eq(after.iter().map(|(_, plain)| plain)));
    assert!(done(at, &database, &["verify"]).contains("Every value opens: 1000 values"));
    assert!(done(at, &database, &["report"]).contains("after 1,000 under `v2`"));
    for file in ["plan.json", ".keyrota/journal.jsonl"] {
        assert!(!fs::read_to_string(at.join(file)).unwrap().contains(database.url()), "{file} holds the address");
    }
    // A server that is gone is told, with the way out, and nothing is taken for well.
    let gone = Command::new(env!("CARGO_BIN_EXE_keyrota"))
        .current_dir(at)
        .env("APP_DB", "postgresql://keyrota:canary-pass@127.0.0.1:1/x")
        .arg("verify")
        .output()
        .unwrap();
    let said = String::from_utf8([gone.stdout, gone.stderr].concat()).unwrap();
    assert!(gone.status.code() == Some(1) && said.contains("is the server up") && !said.contains("canary"), "{said}");
}
