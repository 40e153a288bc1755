//! Values that name their version in other ways, or share it, or must change together.

use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Flow;
use keyrota::executor::rewrap::Progress;
use keyrota::executor::rewrap::Watch;
use keyrota::executor::rewrap::Why;
use keyrota::fault::Fault;
use keyrota::port::store::Store;
use keyrota::store::sqlite::Sqlite;
use serde_json::json;

use crate::world;
use crate::world::World;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;

fn hex_seal() -> serde_json::Value {
    json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] })
}

fn one<T: rusqlite::types::FromSql>(world: &World, sql: &str) -> T {
    world.connect().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn columns_with_one_version_between_them_move_together() {
    let world = World::new("WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB, b TEXT, v TEXT, other TEXT)");
    let connection = world.connect();
    for id in 1..=50_i64 {
        let a = (id % 4 != 0).then(|| seal(material(1), &plain(id), "a"));
        let b = (id % 5 != 0).then(|| hex::encode(seal(material(1), &plain(-id), "b")));
        connection.execute("INSERT INTO t VALUES (?1, ?2, ?3, 'v1', 'x')", (id, a, b)).unwrap();
    }
    // Two seals, two kinds of associated data, one version column: in two moves, the second would find the rows done.
    let sealed = [
        world::sealed(json!({ "table": "t", "columns": ["a"], "aad": "a" })),
        world::sealed(json!({ "table": "t", "columns": ["b"], "aad": "b", "seal": hex_seal() })),
    ];
    let job = world::job(&sealed, 2);
    assert_eq!(job.blocks.len(), 1);
    let before = Sqlite::new(world.path()).census(&job.blocks[0]).unwrap();
    assert_eq!(before.of(&world::version(1)), 50 - 12 + 50 - 10);
    let (outcome, _) = world::run(&world.path(), &job);
    // Rows in which neither is set hold nothing, and keep the version they name.
    assert_eq!(outcome.unwrap().moved, 48);
    let mut rows = connection.prepare("SELECT id, a, b, v FROM t").unwrap();
    let mut rows = rows.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (id, a, b, v): (i64, Option<Vec<u8>>, Option<String>, String) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        assert_eq!(a.is_some(), id % 4 != 0);
        assert_eq!(b.is_some(), id % 5 != 0);
        assert_eq!(v, if id % 20 == 0 { "v1" } else { "v2" });
        assert!(a.is_none_or(|a| open(material(2), &a, "a") == Some(plain(id))), "{id}");
        assert!(b.is_none_or(|b| open(material(2), &hex::decode(b).unwrap(), "b") == Some(plain(-id))), "{id}");
    }
}

#[test]
fn a_version_column_for_two_kinds_of_rows_is_refused_unless_they_are_apart() {
    let block =
        |status: &str, column: &str| world::sealed(json!({ "columns": [column], "where": { "status": status } }));
    let all = |sealed: &[_]| keyrota::port::store::Block::all(sealed, None, &world::versions());
    assert_eq!(all(&[block("a", "x"), block("b", "y")]).unwrap().len(), 2);
    assert_eq!(all(&[block("a", "x"), block("a", "y")]).unwrap().len(), 1);
    let open = world::sealed(json!({ "columns": ["y"] }));
    let fault = all(&[block("a", "x"), open]).unwrap_err();
    assert!(fault.source.contains("`data_keys.x` and `data_keys.y` share a version column"), "{fault}");
}

#[test]
fn a_version_inside_the_value_is_read_there_and_each_value_moves_alone() {
    let layout = json!({ "scheme_version": 1, "key_id": "{{ version }}", "nonce": "{{ nonce | numbers }}",
                         "ciphertext": "{{ ciphertext + tag | numbers }}" });
    let inside = json!({ "cipher": "aes-256-gcm", "as": ["base64", "json"], "layout": layout });
    let world = World::new("WAL", "CREATE TABLE t (org TEXT PRIMARY KEY, a TEXT, b TEXT)");
    let value = |n: u8, id: i64| {
        let bytes = seal(material(n), &plain(id), "");
        let text = json!({ "scheme_version": 1, "key_id": format!("kv{n}"), "nonce": &bytes[..12], "ciphertext": &bytes[12..] });
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text.to_string())
    };
    let connection = world.connect();
    let add = |org: &str, a: Option<String>, b: Option<String>| {
        connection.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (org, a, b)).unwrap()
    };
    add("both", Some(value(1, 1)), Some(value(1, 2)));
    add("half", Some(value(2, 3)), Some(value(1, 4)));
    add("none", None, None);
    add("foreign", Some(value(9, 5)), Some(value(1, 6)));
    add("torn", Some("e30=".to_owned()), None);
    let job = world::job(
        &[world::sealed(json!({ "table": "t", "columns": ["a", "b"], "aad": null, "seal": inside,
                                "version": "in-seal", "is": "kv{{ n }}" }))],
        2,
    );
    let store = Sqlite::new(world.path());
    let before = store.census(&job.blocks[0]).unwrap();
    assert_eq!((before.of(&world::version(1)), before.of(&world::version(2)), before.strange), (4, 1, 2));
    assert!(before.exact);
    let untouched: String = one(&world, "SELECT a FROM t WHERE org = 'half'");
    let (outcome, seen) = world::run(&world.path(), &job);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.moved, outcome.last.there, outcome.last.quarantined), (3, 5, 2));
    assert_eq!((outcome.census[0].of(&world::version(2)), outcome.census[0].strange), (5, 2));
    assert_eq!(one::<String>(&world, "SELECT a FROM t WHERE org = 'half'"), untouched);
    let left: Vec<String> = seen.left.iter().map(ToString::to_string).collect();
    assert_eq!(left[0], "`t.a` where org='foreign': it names version 'kv9', which the key does not have");
    assert!(left[1].starts_with("`t.a` where org='torn': it does not have the shape of its seal: "), "{left:?}");
}

fn token(n: u8) -> String {
    let sealed = seal(material(n), b"uptrakit-master-key-ok-v1", "uptrakit:master-key-verification");
    format!("\"ENC:v2:{}\"", hex::encode(sealed))
}

fn uptrakit(mode: &str, keys: i64) -> (World, Vec<keyrota::policy::meant::store::Sealed>) {
    let script = "CREATE TABLE data_encryption_keys (id BLOB PRIMARY KEY, key_id TEXT, wrapped_key TEXT, kek_fingerprint TEXT, status TEXT);
                  CREATE TABLE global_settings (key TEXT PRIMARY KEY, value TEXT, updated_at TEXT)";
    let world = World::new(mode, script);
    let connection = world.connect();
    for n in 1..=keys {
        let wrapped = hex::encode(seal(material(1), &plain(n), &format!("uptrakit:dek:{n:08x}")));
        let row = (n.to_be_bytes().to_vec(), format!("{n:08x}"), wrapped, world::sha16(1));
        connection.execute("INSERT INTO data_encryption_keys VALUES (?1, ?2, ?3, ?4, 'active')", row).unwrap();
    }
    connection
        .execute("INSERT INTO global_settings VALUES ('crypto.master_key_verification', ?1, 'then')", [token(1)])
        .unwrap();
    connection.execute("INSERT INTO global_settings VALUES ('other', '{}', 'then')", []).unwrap();
    let sealed = vec![
        world::sealed(json!({ "table": "data_encryption_keys", "columns": ["wrapped_key"], "seal": hex_seal(),
            "aad": "uptrakit:dek:{{ row.key_id }}", "version": { "column": "kek_fingerprint" }, "is": "{{ sha256[:16] }}" })),
        world::sealed(
            json!({ "table": "global_settings", "columns": ["value"], "where": { "key": "crypto.master_key_verification" },
            "seal": { "cipher": "aes-256-gcm", "as": ["json", "hex"], "prefix": "ENC:v2:", "layout": ["nonce", "ciphertext", "tag"] },
            "aad": "uptrakit:master-key-verification", "version": "by-trial" }),
        ),
    ];
    (world, sealed)
}

fn token_opens(world: &World, n: u8) -> bool {
    let value: String = one(world, "SELECT value FROM global_settings WHERE key LIKE 'crypto%'");
    let hex = value.trim_matches('"').strip_prefix("ENC:v2:").unwrap();
    let opened = open(material(n), &hex::decode(hex).unwrap(), "uptrakit:master-key-verification");
    opened.as_deref() == Some(b"uptrakit-master-key-ok-v1")
}

#[test]
fn an_atomic_store_changes_whole_with_its_token() {
    for mode in ["WAL", "DELETE"] {
        let (world, sealed) = uptrakit(mode, 40);
        let mut job = world::job(&sealed, 2);
        job.atomic = true;
        let settings = world.others("global_settings", &["value"]);
        let (outcome, seen) = world::run(&world.path(), &job);
        let outcome = outcome.unwrap();
        assert_eq!((outcome.moved, outcome.last.quarantined, seen.kept.len()), (41, 0, 41));
        assert!(token_opens(&world, 2));
        assert_eq!(world.others("global_settings", &["value"]), settings);
        // By trial the version is known only by opening, and the recount opens.
        assert_eq!(outcome.census[1].of(&world::version(2)), 1);
        assert_eq!(outcome.census[0].of(&world::version(2)), 40);
        // And back, as any rotation.
        job.target = world::version(1);
        assert_eq!(world::run(&world.path(), &job).0.unwrap().moved, 41);
        assert!(token_opens(&world, 1));
    }
}

#[test]
fn an_atomic_store_changes_nothing_where_one_value_does_not_open() {
    for broken in [
        "UPDATE global_settings SET value = '\"ENC:v2:00\"' WHERE key LIKE 'crypto%'",
        "UPDATE data_encryption_keys SET key_id = 'other' WHERE key_id = '00000028'",
        "UPDATE data_encryption_keys SET kek_fingerprint = 'nobody' WHERE key_id = '00000001'",
    ] {
        let (world, sealed) = uptrakit("WAL", 40);
        world.connect().execute_batch(broken).unwrap();
        let all = || (world.others("data_encryption_keys", &[]), world.others("global_settings", &[]));
        let before = all();
        let mut job = world::job(&sealed, 2);
        job.atomic = true;
        let fault = world::run(&world.path(), &job).0.unwrap_err();
        assert!(fault.to_string().contains("nothing was changed"), "{fault}");
        assert_eq!(all(), before, "{broken}");
    }
}

#[test]
fn a_record_that_names_no_version_is_tried_against_the_keys_own() {
    let world = World::new("WAL", "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, wrapped BLOB, v TEXT)");
    let connection = world.connect();
    for id in 1..=9_i64 {
        let n = (id % 3 + 1) as u8;
        let value = seal(material(n), &plain(id), &format!("data_keys:{id}"));
        connection.execute("INSERT INTO data_keys VALUES (?1, ?2, NULL)", (id, value)).unwrap();
    }
    let job = world::job(&[world::sealed(json!({}))], 3);
    let before = Sqlite::new(world.path()).census(&job.blocks[0]).unwrap();
    assert_eq!((before.strange, before.under.len()), (9, 0));
    assert_eq!(world::run(&world.path(), &job).0.unwrap().moved, 9);
    assert_eq!(world.usual_under(), [("v3".to_owned(), 9)].into());
}

#[test]
fn what_does_not_open_is_named_and_left_alone() {
    let world = World::usual("WAL", 100);
    let connection = world.connect();
    connection
        .execute_batch(
            "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE id = 11) WHERE id = 10;
             UPDATE data_keys SET wrapped = x'00' WHERE id = 20;
             UPDATE data_keys SET wrapped = 7 WHERE id = 30;
             UPDATE data_keys SET v = 'v9' WHERE id = 40;
             UPDATE data_keys SET v = 'v3' WHERE id = 50;
             UPDATE data_keys SET v = 'V1' WHERE id = 60;",
        )
        .unwrap();
    let odd = "SELECT group_concat(quote(wrapped) || v) FROM data_keys WHERE id IN (10, 20, 30, 40, 50, 60)";
    let before: String = one(&world, odd);
    let job = world::job(&[world::sealed(json!({}))], 2);
    let (outcome, seen) = world::run(&world.path(), &job);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.moved, outcome.last.quarantined), (94, 6));
    assert!(outcome.last.is_clean());
    assert_eq!(one::<String>(&world, odd), before);
    let left: Vec<(String, bool)> =
        seen.left.iter().map(|q| (format!("{} {:?}", q.row, q.why), q.version.is_some())).collect();
    assert_eq!(left[0], ("id=10 DoesNotOpen".to_owned(), true));
    assert!(matches!(seen.left[1].why, Why::Misfit(_)) && matches!(seen.left[2].why, Why::Misfit(_)));
    assert_eq!(left[3], ("id=40 NamesNone(\"'v9'\")".to_owned(), false));
    assert_eq!(left[4], ("id=50 DoesNotOpen".to_owned(), true));
    assert_eq!(left[5], ("id=60 NamesNone(\"'V1'\")".to_owned(), false));
    // It still pins what it names.
    assert_eq!((outcome.census[0].of(&world::version(1)), outcome.census[0].strange), (3, 2));

    let seen = rewrap::verify(
        &Sqlite::new(world.path()),
        &job,
        &world::ring(&job, &[1, 2, 3]),
        None,
        &mut world::Seen::default(),
    );
    let seen = &seen.unwrap()[0];
    assert_eq!((seen.opened, seen.unopened, seen.examples.len()), (94, 6, 6));
    assert_eq!((&seen.census.under, seen.census.strange), (&outcome.census[0].under, 2));
}

#[test]
fn verifying_opens_all_or_a_sample_and_changes_nothing() {
    let world = World::usual("DELETE", 1000);
    let file = std::fs::read(world.path()).unwrap();
    let job = world::job(&[world::sealed(json!({}))], 2);
    let verify = |keys: &[u8], sample| {
        rewrap::verify(&Sqlite::new(world.path()), &job, &world::ring(&job, keys), sample, &mut world::Seen::default())
            .unwrap()
            .remove(0)
    };
    let all = verify(&[1, 2], None);
    assert_eq!((all.opened, all.unopened, all.census.exact), (1000, 0, true));
    let some = verify(&[1, 2], Some(50));
    assert_eq!((some.opened, some.census.exact), (50, false));
    let closed = verify(&[2], None);
    assert_eq!((closed.opened, closed.unopened, closed.examples.len()), (0, 1000, 100));
    assert_eq!(closed.examples[0].why, Why::NoKey);
    assert_eq!(std::fs::read(world.path()).unwrap(), file);
}

#[test]
fn a_wrong_key_writes_nothing() {
    let world = World::usual("DELETE", 500);
    let file = std::fs::read(world.path()).unwrap();
    let job = world::job(&[world::sealed(json!({}))], 2);
    let mut ring = rewrap::Ring::new();
    for (n, byte) in [(1, 0x77), (2, 0xC2)] {
        ring.add(&world::version(n), &keyrota::secret::Secret::from_vec(vec![byte; 32]), &job.blocks).unwrap();
    }
    let outcome = rewrap::run(&Sqlite::new(world.path()), &job, &ring, &mut world::Seen::default()).unwrap();
    assert_eq!((outcome.moved, outcome.last.quarantined), (0, 500));
    assert_eq!(std::fs::read(world.path()).unwrap(), file);
    let short = keyrota::secret::Secret::from_vec(vec![1; 16]);
    let fault = rewrap::Ring::new().add(&world::version(1), &short, &job.blocks).unwrap_err();
    assert!(fault.to_string().contains("16 bytes"), "{fault}");
}

#[test]
fn a_stop_finishes_the_chunk_in_hand_and_the_next_run_the_rest() {
    let world = World::usual("WAL", 1000);
    let mut job = world::job(&[world::sealed(json!({}))], 2);
    job.rows_per_chunk = 100;
    let mut seen = world::Seen { stop_after: Some(3), ..world::Seen::default() };
    let ring = world::ring(&job, &[1, 2]);
    let outcome = rewrap::run(&Sqlite::new(world.path()), &job, &ring, &mut seen).unwrap();
    assert_eq!((outcome.moved, outcome.last.stopped, outcome.census.len()), (300, true, 0));
    assert_eq!(world.usual_under(), [("v1".to_owned(), 700), ("v2".to_owned(), 300)].into());
    assert_eq!(world::run(&world.path(), &job).0.unwrap().moved, 700);
}

/// Fails to keep, or to write down what is done.
struct Full {
    keeps: bool,
}

impl Watch for Full {
    fn keep(&mut self, _: &rewrap::About<'_>) -> Result<(), Fault> {
        if self.keeps { Ok(()) } else { Err(Fault::ask_operator("keep old values", "disk full")) }
    }

    fn chunk(&mut self, _: &Progress<'_>) -> Result<Flow, Fault> {
        Err(Fault::ask_operator("write the journal", "disk full"))
    }
}

#[test]
fn nothing_is_replaced_that_was_not_kept_and_a_failed_journal_ends_the_walk() {
    let world = World::usual("WAL", 1000);
    let mut job = world::job(&[world::sealed(json!({}))], 2);
    job.rows_per_chunk = 100;
    let ring = world::ring(&job, &[1, 2]);
    for (keeps, moved) in [(false, 0), (true, 100)] {
        let fault = rewrap::run(&Sqlite::new(world.path()), &job, &ring, &mut Full { keeps }).unwrap_err();
        assert_eq!(fault.source, "disk full");
        assert_eq!(world.usual_under().get("v2").copied().unwrap_or(0), moved);
    }
}
