//! Tables of every shape come out with the same keys in them, and with nothing else changed.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

use crate::world;
use crate::world::World;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::sha16;

const ROWS: i64 = 300;

/// A table and how its application seals.
struct Shape {
    name: &'static str,
    table: &'static str,
    script: &'static str,
    /// Inserts row `i` with values sealed under version 1.
    insert: fn(&Connection, i64),
    sealed: serde_json::Value,
    /// The columns that may change.
    ours: &'static [&'static str],
    /// Per row: its values as raw bytes, with the associated data of each.
    values: &'static str,
    decode: fn(&Value) -> Vec<u8>,
    aad: fn(&str) -> String,
    named: &'static str,
}

fn raw(value: &Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes.clone(),
        other => panic!("not a blob: {other:?}"),
    }
}

fn hexed(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => hex::decode(text.trim()).unwrap(),
        other => panic!("not text: {other:?}"),
    }
}

#[expect(clippy::too_many_lines, reason = "a list, one shape after the other")]
fn shapes() -> Vec<Shape> {
    let hex_seal = json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] });
    vec![
        Shape {
            name: "a whole number for a key",
            table: "data_keys",
            script: world::USUAL,
            insert: |c, i| world::add_usual(c, i, i, 1),
            sealed: json!({}),
            ours: &["wrapped", "v"],
            values: "SELECT id, wrapped, v FROM data_keys",
            decode: raw,
            aad: |id| format!("data_keys:{id}"),
            named: "v2",
        },
        Shape {
            name: "text for a key, hex values",
            table: "data_keys",
            script: "CREATE TABLE data_keys (id TEXT PRIMARY KEY, v TEXT, wrapped TEXT, n INT)",
            insert: |c, i| {
                let id = format!("key-{}", (i * 7919) % 1000);
                let value = hex::encode(seal(material(1), &plain(i), &format!("data_keys:{id}")));
                c.execute("INSERT INTO data_keys VALUES (?1, ?2, ?3, ?4)", (id, sha16(1), value, i)).unwrap();
            },
            sealed: json!({ "seal": hex_seal, "is": "{{ sha256[:16] }}" }),
            ours: &["wrapped", "v"],
            values: "SELECT id, wrapped, v FROM data_keys",
            decode: hexed,
            aad: |id| format!("data_keys:{id}"),
            named: "0",
        },
        Shape {
            name: "two columns for a key, the version a number",
            table: "t",
            script: "CREATE TABLE t (tenant TEXT, n INTEGER, kek_version INTEGER, sealed BLOB, rest REAL, PRIMARY KEY (tenant, n))",
            insert: |c, i| {
                let tenant = format!("t{}", i % 7);
                let value = seal(material(1), &plain(i), &format!("{tenant}/{i}"));
                c.execute("INSERT INTO t VALUES (?1, ?2, 1, ?3, 0.5)", (tenant, i, value)).unwrap();
            },
            sealed: json!({ "table": "t", "columns": ["sealed"], "aad": "{{ row.tenant }}/{{ row.n }}",
                            "version": { "column": "kek_version" }, "is": "{{ n }}" }),
            ours: &["sealed", "kek_version"],
            values: "SELECT tenant || '/' || n, sealed, kek_version FROM t",
            decode: raw,
            aad: str::to_owned,
            named: "2",
        },
        Shape {
            name: "no row number, one text for a key",
            table: "t",
            script: "CREATE TABLE t (id TEXT PRIMARY KEY COLLATE NOCASE, v, wrapped, note) WITHOUT ROWID",
            insert: |c, i| {
                let id = format!("Id-{i}");
                let value = seal(material(1), &plain(i), "");
                c.execute("INSERT INTO t VALUES (?1, ?2, ?3, NULL)", (id, 1, value)).unwrap();
            },
            sealed: json!({ "table": "t", "aad": null, "is": "{{ n }}" }),
            ours: &["wrapped", "v"],
            values: "SELECT id, wrapped, v FROM t",
            decode: raw,
            aad: |_| String::new(),
            named: "2",
        },
        Shape {
            name: "no row number, three columns for a key, one downwards",
            table: "t",
            script: "CREATE TABLE t (a BLOB, b INT, c TEXT, v TEXT, wrapped BLOB, PRIMARY KEY (a, b DESC, c)) WITHOUT ROWID",
            insert: |c, i| {
                let a = vec![(i % 3) as u8, 0xff, 0];
                let value = seal(material(1), &plain(i), &format!("{}:{}", hex::encode(&a), i % 10));
                c.execute("INSERT INTO t VALUES (?1, ?2, ?3, 'v1', ?4)", (a, i % 10, i.to_string(), value)).unwrap();
            },
            sealed: json!({ "table": "t", "aad": "{{ row.a }}:{{ row.b }}" }),
            ours: &["wrapped", "v"],
            values: "SELECT lower(hex(a)) || ':' || b, wrapped, v FROM t",
            decode: raw,
            aad: str::to_owned,
            named: "v2",
        },
        Shape {
            name: "a blob for a key, NULL in it, and a name like SQL",
            table: "a \"table\"; --",
            script: "CREATE TABLE \"a \"\"table\"\"; --\" (\"i\"\"d\" BLOB PRIMARY KEY, v TEXT, \"wrap'ped\" TEXT, g AS (v || 'x'))",
            insert: |c, i| {
                let id = (i > 2).then(|| i.to_be_bytes().to_vec());
                let value = hex::encode(seal(material(1), &plain(i), "fixed"));
                c.execute("INSERT INTO \"a \"\"table\"\"; --\" VALUES (?1, 'v1', ?2)", (id, value)).unwrap();
            },
            sealed: json!({ "table": "a \"table\"; --", "columns": ["wrap'ped"], "aad": "fixed", "seal": hex_seal }),
            ours: &["wrap'ped", "v", "g"],
            values: "SELECT rowid, \"wrap'ped\", v FROM \"a \"\"table\"\"; --\"",
            decode: hexed,
            aad: |_| "fixed".to_owned(),
            named: "v2",
        },
        Shape {
            name: "no key at all, a column that hides the row number, the version bound into the value",
            table: "t",
            script: "CREATE TABLE t (rowid TEXT, oid INT, v TEXT, wrapped BLOB)",
            insert: |c, i| {
                let value = seal(material(1), &plain(i), &format!("v1:{i}"));
                c.execute("INSERT INTO t VALUES ('same', ?1, 'v1', ?2)", (i, value)).unwrap();
            },
            sealed: json!({ "table": "t", "aad": "{{ row.v }}:{{ row.oid }}" }),
            ours: &["wrapped", "v"],
            values: "SELECT v || ':' || oid, wrapped, v FROM t",
            decode: raw,
            aad: str::to_owned,
            named: "v2",
        },
    ]
}

/// What each row holds, opened by our own hand.
fn plaintexts(connection: &Connection, shape: &Shape, n: u8) -> BTreeMap<Vec<u8>, usize> {
    let mut rows = connection.prepare(shape.values).unwrap();
    let mut rows = rows.query([]).unwrap();
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let key: Value = row.get(0).unwrap();
        let key = match key {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            other => panic!("{other:?}"),
        };
        let sealed = (shape.decode)(&row.get::<_, Value>(1).unwrap());
        let opened = open(material(n), &sealed, &(shape.aad)(&key));
        *all.entry(opened.unwrap_or_else(|| panic!("{}: {key} under {n}", shape.name))).or_insert(0) += 1;
    }
    all
}

fn classes(connection: &Connection, shape: &Shape) -> Vec<String> {
    let wanted = shape.sealed.get("columns").and_then(|columns| columns[0].as_str()).unwrap_or("wrapped");
    let sql = format!("SELECT DISTINCT typeof(\"{wanted}\") FROM {}", world::quote(shape.table));
    connection.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_shape_moves_and_nothing_else_does() {
    for shape in shapes() {
        for mode in ["WAL", "DELETE"] {
            let world = World::new(mode, shape.script);
            let connection = world.connect();
            connection.execute_batch("BEGIN").unwrap();
            (1..=ROWS).for_each(|i| (shape.insert)(&connection, i));
            connection.execute_batch("COMMIT").unwrap();
            let before = (
                plaintexts(&connection, &shape, 1),
                world.others(shape.table, shape.ours),
                classes(&connection, &shape),
            );

            let mut job = world::job(&[world::sealed(shape.sealed.clone())], 2);
            job.rows_per_chunk = 64;
            let (outcome, seen) = world::run(&world.path(), &job);
            let outcome = outcome.unwrap_or_else(|fault| panic!("{}: {fault}", shape.name));

            assert_eq!((outcome.moved, outcome.rounds), (ROWS as u64, 2), "{}", shape.name);
            assert!(outcome.last.is_clean() && seen.left.is_empty(), "{}: {:?}", shape.name, seen.left);
            assert_eq!(seen.kept.len() as i64, ROWS, "{}", shape.name);
            let after = (
                plaintexts(&connection, &shape, 2),
                world.others(shape.table, shape.ours),
                classes(&connection, &shape),
            );
            assert_eq!(before, after, "{}", shape.name);
            assert_eq!(outcome.census[0].under, [(world::version(2), ROWS as u64)].into(), "{}", shape.name);
            assert_eq!((outcome.census[0].strange, outcome.census[0].exact), (0, true));
            let named: Vec<String> = connection
                .prepare(&format!(
                    "SELECT DISTINCT CAST(v AS TEXT) FROM ({})",
                    shape.values.replace("kek_version", "kek_version AS v")
                ))
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let expected = if shape.named == "0" { sha16(2) } else { shape.named.to_owned() };
            assert_eq!(named, [expected], "{}", shape.name);

            let (again, _) = world::run(&world.path(), &job);
            assert_eq!(again.unwrap().moved, 0, "{}", shape.name);
        }
    }
}
