//! Tables of every shape come out with the same keys in them, and with nothing else changed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyrota::executor::rewrap::Job;
use postgres::Client;
use serde_json::Value;
use serde_json::json;

use crate::server::Database;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::sealed;
use crate::world::sha16;

const ROWS: i64 = 300;

struct Shape {
    name: &'static str,
    table: &'static str,
    script: &'static str,
    /// Inserts row `i` with a value sealed under version 1.
    insert: fn(&mut Client, i64),
    sealed: Value,
    /// The columns that may change.
    ours: &'static [&'static str],
    /// Per row: its value as hex, its associated data, its version as text, its number.
    read: &'static str,
    named: fn() -> String,
}

fn hexed(i: i64, aad: &str) -> String {
    hex::encode(seal(material(1), &plain(i), aad))
}

#[expect(clippy::too_many_lines, reason = "a list, one shape after the other")]
fn shapes() -> Vec<Shape> {
    let hex_seal = json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] });
    vec![
        Shape {
            name: "a whole number for a key, bytes",
            table: "data_keys",
            script: "CREATE TABLE data_keys (id bigint PRIMARY KEY, v text NOT NULL, wrapped bytea NOT NULL, at timestamptz DEFAULT now())",
            insert: |c, i| {
                let value = seal(material(1), &plain(i), &format!("data_keys:{i}"));
                c.execute("INSERT INTO data_keys VALUES ($1, 'v1', $2)", &[&i, &value]).unwrap();
            },
            sealed: json!({}),
            ours: &["wrapped", "v"],
            read: "SELECT encode(wrapped, 'hex'), 'data_keys:' || id, v, id FROM data_keys",
            named: || "v2".into(),
        },
        Shape {
            name: "a uuid for a key, hex, the version a fingerprint, another column in the associated data",
            table: "data_encryption_keys",
            script: "CREATE TABLE data_encryption_keys (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), key_id text NOT NULL, wrapped_key text NOT NULL, kek_fingerprint varchar(16), n int8)",
            insert: |c, i| {
                let key_id = format!("{i:08x}");
                let value = hexed(i, &format!("uptrakit:dek:{key_id}"));
                let insert = "INSERT INTO data_encryption_keys (key_id, wrapped_key, kek_fingerprint, n) VALUES ($1, $2, $3, $4)";
                c.execute(insert, &[&key_id, &value, &sha16(1), &i]).unwrap();
            },
            sealed: json!({ "table": "data_encryption_keys", "columns": ["wrapped_key"], "seal": hex_seal, "is": "{{ sha256[:16] }}",
                            "aad": "uptrakit:dek:{{ row.key_id }}", "version": { "column": "kek_fingerprint" } }),
            ours: &["wrapped_key", "kek_fingerprint"],
            read: "SELECT wrapped_key, 'uptrakit:dek:' || key_id, kek_fingerprint::text, n FROM data_encryption_keys",
            named: || sha16(2),
        },
        Shape {
            name: "two columns for a key, the version a small number",
            table: "t",
            script: "CREATE TABLE t (tenant text, n int4, kek_version int2, sealed bytea, rest float8 DEFAULT 0.5, PRIMARY KEY (tenant, n))",
            insert: |c, i| {
                let tenant = format!("T{}", i % 7);
                let value = seal(material(1), &plain(i), &format!("{tenant}/{i}"));
                c.execute("INSERT INTO t VALUES ($1, $2, 1, $3)", &[&tenant, &(i as i32), &value]).unwrap();
            },
            sealed: json!({ "table": "t", "columns": ["sealed"], "aad": "{{ row.tenant }}/{{ row.n }}",
                            "version": { "column": "kek_version" }, "is": "{{ n }}" }),
            ours: &["sealed", "kek_version"],
            read: "SELECT encode(sealed, 'hex'), tenant || '/' || n, kek_version::text, n::int8 FROM t",
            named: || "2".into(),
        },
        Shape {
            name: "names that need quotes, in a schema that is not on the path",
            table: r#""Odd ""schema"."Order""#,
            script: r#"CREATE SCHEMA "Odd ""schema"; CREATE TABLE "Odd ""schema"."Order" ("select" int8 PRIMARY KEY, "we""ird" text, "V" text, "from" text DEFAULT 'x')"#,
            insert: |c, i| {
                let value = hexed(i, "");
                c.execute(r#"INSERT INTO "Odd ""schema"."Order" VALUES ($1, $2, 'v1')"#, &[&i, &value]).unwrap();
            },
            sealed: json!({ "table": "Odd \"schema.Order", "columns": ["we\"ird"], "aad": null, "seal": hex_seal, "version": { "column": "V" } }),
            ours: &["we\"ird", "V"],
            read: r#"SELECT "we""ird", '', "V", "select" FROM "Odd ""schema"."Order""#,
            named: || "v2".into(),
        },
        Shape {
            name: "partitions, and only some of the rows",
            table: "parts",
            script: "CREATE TABLE parts (id int8, day date, v text, wrapped bytea, live bool, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
                     CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
                     CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
                     INSERT INTO parts VALUES (-1, '2026-02-02', 'v1', 'not ours', false), (-2, '2027-02-02', 'v1', NULL, true)",
            insert: |c, i| {
                let value = seal(material(1), &plain(i), &format!("{i}"));
                let insert = "INSERT INTO parts VALUES ($1, date '2026-01-01' + $1::int4, 'v1', $2, true)";
                c.execute(&insert.replace("$1::int4", &i.to_string()), &[&i, &value]).unwrap();
            },
            sealed: json!({ "table": "parts", "where": { "live": true }, "aad": "{{ row.id }}" }),
            ours: &["wrapped", "v"],
            read: "SELECT encode(wrapped, 'hex'), id::text, v, id FROM parts WHERE live AND wrapped IS NOT NULL",
            named: || "v2".into(),
        },
        Shape {
            name: "no primary key but a unique index, base64 of JSON that names its version inside",
            table: "config",
            script: "CREATE TABLE config (org varchar(40) NOT NULL UNIQUE, key_1 text, key_2 text, n int8)",
            insert: |c, i| {
                let whole = seal(material(1), &plain(i), "");
                let (nonce, rest) = whole.split_at(12);
                let text = json!({ "scheme_version": 1, "key_id": "v1", "nonce": nonce, "ciphertext": rest });
                let text = format!(" {}\n", STANDARD.encode(text.to_string()));
                let second = (i % 2 == 0).then_some(text.clone());
                c.execute("INSERT INTO config VALUES ($1, $2, $3, $4)", &[&format!("org-{i}"), &text, &second, &i]).unwrap();
            },
            sealed: json!({ "table": "config", "columns": ["key_1", "key_2"], "aad": null, "version": "in-seal",
                "seal": { "cipher": "aes-256-gcm", "as": ["base64", "json"], "layout": { "scheme_version": 1, "key_id": "{{ version }}",
                          "nonce": "{{ nonce | numbers }}", "ciphertext": "{{ ciphertext + tag | numbers }}" } } }),
            ours: &["key_1", "key_2"],
            read: "WITH j AS (SELECT n, convert_from(decode(trim(E' \\n' from k), 'base64'), 'UTF8')::jsonb AS j
                               FROM config, LATERAL (VALUES (key_1), (key_2)) AS x(k) WHERE k IS NOT NULL)
                   SELECT (SELECT string_agg(lpad(to_hex(b::int), 2, '0'), '' ORDER BY o)
                           FROM jsonb_array_elements_text(j -> 'nonce' || (j -> 'ciphertext')) WITH ORDINALITY AS e(b, o)),
                          '', j ->> 'key_id', n FROM j",
            named: || "v2".into(),
        },
        Shape {
            name: "a JSON string with a prefix that names no version",
            table: "global_settings",
            script: "CREATE TABLE global_settings (key text PRIMARY KEY, value json NOT NULL, updated_at timestamptz DEFAULT now());
                     INSERT INTO global_settings VALUES ('theme', '\"dark\"')",
            insert: |c, i| {
                let value = format!("\"ENC:v2:{}\"", hexed(i, "token"));
                c.execute("INSERT INTO global_settings VALUES ($1, $2::text::json)", &[&format!("token-{i}"), &value]).unwrap();
            },
            sealed: json!({ "table": "global_settings", "columns": ["value"], "aad": "token", "version": "by-trial", "where": { "key": "token-7" },
                "seal": { "cipher": "aes-256-gcm", "as": ["json", "hex"], "prefix": "ENC:v2:", "layout": ["nonce", "ciphertext", "tag"] } }),
            ours: &["value"],
            read: "SELECT substr(value #>> '{}', 8), 'token', 'v2', 7::int8 FROM global_settings WHERE key = 'token-7'",
            named: || "v2".into(),
        },
        Shape {
            name: "a binary JSON string",
            table: "b",
            script: "CREATE TABLE b (id int8 PRIMARY KEY, value jsonb, v text)",
            insert: |c, i| {
                let value = format!("\"{}\"", hexed(i, ""));
                c.execute("INSERT INTO b VALUES ($1, $2::text::jsonb, 'v1')", &[&i, &value]).unwrap();
            },
            sealed: json!({ "table": "b", "columns": ["value"], "aad": null,
                "seal": { "cipher": "aes-256-gcm", "as": ["json", "hex"], "layout": ["nonce", "ciphertext", "tag"] } }),
            ours: &["value", "v"],
            read: "SELECT value #>> '{}', '', v, id FROM b",
            named: || "v2".into(),
        },
    ]
}

#[test]
fn every_shape_comes_out_with_the_same_keys_and_nothing_else_changed() {
    for shape in shapes() {
        for atomic in [false, true] {
            let database = Database::new(shape.script);
            let mut client = database.connect();
            client.batch_execute("BEGIN").unwrap();
            (1..=ROWS).for_each(|i| (shape.insert)(&mut client, i));
            client.batch_execute("COMMIT").unwrap();
            let before = database.others(shape.table, shape.ours);
            let job = Job { atomic, rows_per_chunk: 70, ..job(&[sealed(shape.sealed.clone())], 2) };
            let (outcome, seen) = database.run(&job);
            let outcome = outcome.unwrap_or_else(|fault| panic!("{}: {fault}", shape.name));
            assert!(outcome.last.is_clean() || atomic, "{}: {outcome:?}", shape.name);
            assert_eq!(seen.left, [], "{}", shape.name);
            let rows = client.query(shape.read, &[]).unwrap();
            assert!(!rows.is_empty());
            for row in &rows {
                let (value, aad, version, i): (String, String, String, i64) =
                    (row.get(0), row.get(1), row.get(2), row.get(3));
                assert_eq!(version, (shape.named)(), "{}", shape.name);
                let opened = open(material(2), &hex::decode(value).unwrap(), &aad);
                assert_eq!(opened, Some(plain(i)), "{}: row {i}", shape.name);
            }
            assert_eq!(database.others(shape.table, shape.ours), before, "{}", shape.name);
            // Asked twice, it happens once.
            assert_eq!(database.run(&job).0.unwrap().moved, 0, "{}", shape.name);
        }
    }
}
