//! Values inside JSON: only they change, in a text not even a blank beside them.

use serde_json::Value;
use serde_json::json;

use crate::server::Database;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::sealed;

const ROWS: i64 = 200;

fn words() -> Value {
    json!({ "table": "docs", "columns": ["data.inner.a", "data.inner.list.1"], "aad": "docs/{{ row.id }}",
            "seal": { "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] },
            "version": { "column": "data.kek" }, "is": "{{ n }}" })
}

/// Row `id` as an application wrote it, with its own blanks and its own order, and the values' words twice.
fn text(id: i64, n: u8, values: &[String; 2]) -> String {
    let [a, b] = values;
    let second = if id % 3 == 0 { "null".to_owned() } else { format!("\"{b}\"") };
    format!(
        " {{\"z\": \"{n}\",  \"kek\":{n},\n\"inner\": {{\"list\":[\"it's\", {second}], \"a\" : \"{a}\", \"\\u0061b\":1e2}} }}"
    )
}

fn values(id: i64, n: u8) -> [String; 2] {
    [0, 1].map(|at| hex::encode(seal(material(n), &plain(id + at * ROWS), &format!("docs/{id}"))))
}

fn world(kind: &str) -> (Database, Vec<String>) {
    let database = Database::new(&format!(
        "CREATE TABLE docs (id int8 PRIMARY KEY, data {kind}, more int DEFAULT 7);
         INSERT INTO docs VALUES (-1, NULL), (-2, '{{\"inner\": 5}}'), (-3, '[]')"
    ));
    let mut client = database.connect();
    let texts: Vec<String> = (1..=ROWS).map(|id| text(id, 1, &values(id, 1))).collect();
    for (id, text) in (1..).zip(&texts) {
        let insert = format!("INSERT INTO docs VALUES ($1, $2::text::{kind})");
        client.execute(&insert, &[&(id as i64), text]).unwrap();
    }
    (database, texts)
}

#[test]
fn values_inside_documents_move_and_nothing_beside_them() {
    for (kind, atomic) in [("json", false), ("json", true), ("jsonb", false), ("jsonb", true)] {
        let (database, before) = world(kind);
        let mut job = job(&[sealed(words())], 2);
        (job.atomic, job.rows_per_chunk) = (atomic, 70);
        let (outcome, seen) = database.run(&job);
        assert_eq!((outcome.unwrap().moved, seen.left.len()), (ROWS as u64, 0), "{kind}");
        let rows =
            database.connect().query("SELECT id, data::text, more FROM docs WHERE id > 0 ORDER BY id", &[]).unwrap();
        for (row, before) in rows.iter().zip(&before) {
            let (id, after, more): (i64, String, i32) = (row.get(0), row.get(1), row.get(2));
            let read: Value = serde_json::from_str(&after).unwrap();
            let news = [&read["inner"]["a"], &read["inner"]["list"][1]].map(|value| value.as_str().unwrap_or_default());
            for (at, new) in (0..).zip(news) {
                if at == 1 && id % 3 == 0 {
                    assert_eq!(new, "");
                    continue;
                }
                let opened = open(material(2), &hex::decode(new).unwrap(), &format!("docs/{id}"));
                assert_eq!(opened, Some(plain(id + at * ROWS)), "{kind} {id}");
            }
            assert_eq!((&read["kek"], more), (&json!(2), 7));
            let expected = text(id, 2, &news.map(str::to_owned)).replace("\"z\": \"2\"", "\"z\": \"1\"");
            // As the server itself would keep it: a text byte for byte.
            let kept = format!("SELECT $1::text::{kind}::text");
            let expected: String = database.connect().query_one(&kept, &[&expected]).unwrap().get(0);
            assert_eq!(after, expected);
            assert_ne!(&after, before);
        }
        let others = database
            .connect()
            .query("SELECT id FROM docs WHERE data::text IN ('[]', '{\"inner\": 5}') OR data IS NULL", &[]);
        assert_eq!(others.unwrap().len(), 3);
        assert_eq!(database.run(&job).0.unwrap().moved, 0, "{kind}");
    }
}

#[test]
fn a_document_that_somebody_else_changes_is_theirs_until_the_next_round() {
    let (database, _) = world("json");
    let job = job(&[sealed(words())], 2);
    let store = database.store();
    let block = &job.blocks[0];
    use keyrota::port::store::Changes;
    use keyrota::port::store::Store;
    use keyrota::port::store::Want;
    let mut reader = store.reader(block, Want::All).unwrap();
    let mut page = reader.page();
    reader.next(&mut page).unwrap();
    // Another part of the document: to put ours into the old text would undo it.
    let other = "UPDATE docs SET data = replace(data::text, '1e2', '1e3')::json WHERE id = 5";
    database.connect().batch_execute(other).unwrap();
    let mut changes = Changes::new(2);
    for row in 0..page.rows() {
        changes.begin(row);
        changes.put(0, b"new");
    }
    let written = store.writer(block, &job.target).unwrap().write(&page, &changes).unwrap();
    assert_eq!((written.moved, written.lost), (ROWS as u64 - 1, 1));
    let five: String = database.connect().query_one("SELECT data::text FROM docs WHERE id = 5", &[]).unwrap().get(0);
    assert!(five.contains("1e3") && !five.contains("new"), "{five}");
}
