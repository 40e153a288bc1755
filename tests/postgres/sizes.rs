//! Two sets of values in one table, some of them long: what is read and written at once is bounded by bytes.

use keyrota::executor::rewrap::Job;
use serde_json::json;

use crate::server::Database;
use crate::world::job;
use crate::world::material;
use crate::world::open;
use crate::world::seal;
use crate::world::sealed;

const TABLE: &str = "CREATE TABLE data_keys (id text PRIMARY KEY, v text NOT NULL, wrapped bytea NOT NULL,
    v_too text NOT NULL, too bytea NOT NULL)";
const ROWS: usize = 700;

fn long(row: usize) -> Vec<u8> {
    vec![row as u8; if row.is_multiple_of(7) { 300_000 } else { 40 }]
}

#[test]
fn two_sets_of_one_table_move_whole_or_row_by_row_however_long_their_values_are() {
    for atomic in [true, false] {
        let database = Database::new(TABLE);
        let mut client = database.connect();
        let insert = "INSERT INTO data_keys VALUES ($1, 'v1', $2, 'v1', $3)";
        for row in 0..ROWS {
            // Not in the order in which they lie.
            let id = format!("row {}", row * 7919 % ROWS);
            let bound = format!("data_keys:{id}");
            let (one, too) = (seal(material(1), b"short", &bound), seal(material(1), &long(row), &bound));
            client.execute(insert, &[&id, &one, &too]).unwrap();
        }
        let too = json!({ "columns": ["too"], "version": { "column": "v_too" } });
        let job = Job { atomic, ..job(&[sealed(json!({})), sealed(too)], 2) };
        let (outcome, seen) = database.run(&job);
        let outcome = outcome.unwrap();
        assert_eq!((outcome.moved, seen.left.len()), (2 * ROWS as u64, 0), "atomic {atomic}");
        let rows = client.query("SELECT id, v, wrapped, v_too, too FROM data_keys", &[]).unwrap();
        let mut lengths = 0;
        for row in &rows {
            let (id, v, v_too): (String, String, String) = (row.get(0), row.get(1), row.get(3));
            let (one, too): (Vec<u8>, Vec<u8>) = (row.get(2), row.get(4));
            assert_eq!((v.as_str(), v_too.as_str()), ("v2", "v2"));
            assert_eq!(open(material(2), &one, &format!("data_keys:{id}")).as_deref(), Some(&b"short"[..]));
            lengths += open(material(2), &too, &format!("data_keys:{id}")).unwrap().len();
        }
        assert_eq!((rows.len(), lengths), (ROWS, (0..ROWS).map(|row| long(row).len()).sum::<usize>()));
    }
}
