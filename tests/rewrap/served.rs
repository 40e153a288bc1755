//! Values that only a service opens, in SQLite, by the service in memory: it throttles, loses answers, takes so many values a
//! request and no more, and opens nothing that is disabled.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyrota::backend::memory::Manners;
use keyrota::backend::memory::Memory;
use keyrota::executor::rewrap;
use keyrota::executor::rewrap::Job;
use keyrota::executor::rewrap::Outcome;
use keyrota::executor::rewrap::Ring;
use keyrota::executor::rewrap::Why;
use keyrota::fault::Fault;
use keyrota::gauge::Quota;
use keyrota::model::State;
use keyrota::model::Version;
use keyrota::policy::meant::key::Algorithm;
use keyrota::policy::meant::store::Sealed;
use keyrota::port::backend::Backend;
use keyrota::port::service::Answer;
use keyrota::port::service::Asked;
use keyrota::port::service::No;
use keyrota::port::service::Plain;
use keyrota::port::service::Service;
use keyrota::port::store::Store;
use keyrota::port::trouble::Fails;
use keyrota::port::trouble::Trouble;
use keyrota::secret::Secret;
use keyrota::store::sqlite::Sqlite;
use serde_json::json;

use crate::world;
use crate::world::Seen;
use crate::world::World;
use crate::world::material;
use crate::world::open;
use crate::world::plain;
use crate::world::seal;
use crate::world::version;

fn keys(states: &[State]) -> Memory {
    let memory = Memory::like_a_service();
    for (n, state) in (1..).zip(states) {
        memory.put("key", Version::new(version(n), *state), Algorithm::Aes256, Secret::from_vec(material(n).to_vec()));
    }
    memory
}

fn usual() -> Memory {
    keys(&[State::DecryptOnly, State::Current])
}

fn ring(keys: &Memory) -> Ring {
    let opening: Vec<_> = keys.look("key").unwrap().key.opening().map(|version| version.id.clone()).collect();
    Ring::served(keys.service("key", None).unwrap().unwrap(), opening)
}

fn transit(with: serde_json::Value) -> Sealed {
    let mut words = json!({ "table": "t", "columns": ["wrapped"], "aad": null, "seal": "vault-transit", "version": "in-seal", "is": "{{ n }}" });
    for (word, value) in with.as_object().unwrap() {
        words[word] = value.clone();
    }
    world::sealed(words)
}

fn value(n: u8, id: i64, aad: &str) -> String {
    format!("vault:v{n}:{}", STANDARD.encode(seal(material(n), &plain(id), aad)))
}

fn opened(text: &str, aad: &str) -> (u8, Option<Vec<u8>>) {
    let rest = text.strip_prefix("vault:v").unwrap();
    let (n, bytes) = rest.split_once(':').unwrap();
    let n = n.parse().unwrap();
    (n, open(material(n), &STANDARD.decode(bytes).unwrap(), aad))
}

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, wrapped TEXT, other TEXT DEFAULT 'x')";

fn filled(rows: i64, aad: impl Fn(i64) -> String) -> World {
    let world = World::new("WAL", TABLE);
    let connection = world.connect();
    connection.execute_batch("BEGIN").unwrap();
    for id in 1..=rows {
        connection.execute("INSERT INTO t (id, wrapped) VALUES (?1, ?2)", (id, value(1, id, &aad(id)))).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    world
}

/// How many rows are under each of the two versions; each must open to what was sealed.
fn under(world: &World, aad: impl Fn(i64) -> String) -> (usize, usize) {
    let connection = world.connect();
    let mut rows = connection.prepare("SELECT id, wrapped FROM t").unwrap();
    let mut rows = rows.query([]).unwrap();
    let mut counts = (0, 0);
    while let Some(row) = rows.next().unwrap() {
        let (id, text): (i64, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        let (n, found) = opened(&text, &aad(id));
        assert_eq!(found, Some(plain(id)), "row {id} under {n}");
        if n == 1 { counts.0 += 1 } else { counts.1 += 1 }
    }
    counts
}

fn unbound(_: i64) -> String {
    String::new()
}

fn run(path: &Path, job: &Job, ring: &Ring) -> (Result<Outcome, Fault>, Seen) {
    let mut seen = Seen::default();
    (rewrap::run(&Sqlite::new(path), job, ring, &mut seen), seen)
}

#[test]
fn a_service_moves_what_it_alone_opens() {
    let world = filled(20_000, unbound);
    let before = world.others("t", &["wrapped"]);
    let job = world::job(&[transit(json!({}))], 2);
    let keys = usual();
    let (outcome, seen) = run(&world.path(), &job, &ring(&keys));
    let outcome = outcome.unwrap();
    assert_eq!((outcome.moved, outcome.last.quarantined, seen.kept.len()), (20_000, 0, 20_000));
    assert_eq!(under(&world, unbound), (0, 20_000));
    assert_eq!(outcome.census[0].of(&version(2)), 20_000);
    assert_eq!(world.others("t", &["wrapped"]), before);
    // And every one of them is opened.
    let all = rewrap::verify(&Sqlite::new(world.path()), &job, &ring(&keys), None, &mut Seen::default()).unwrap();
    assert_eq!((all[0].opened, all[0].unopened, all[0].census.of(&version(2))), (20_000, 0, 20_000));
    let some = rewrap::verify(&Sqlite::new(world.path()), &job, &ring(&keys), Some(500), &mut Seen::default()).unwrap();
    assert!((400..=1000).contains(&some[0].opened), "{}", some[0].opened);
    // Again is nothing.
    assert_eq!(run(&world.path(), &job, &ring(&keys)).0.unwrap().moved, 0);
}

#[test]
fn what_associated_data_binds_is_opened_and_sealed() {
    let aad = |id: i64| format!("t:{id}");
    let world = filled(3_000, aad);
    let job = world::job(&[transit(json!({ "aad": "t:{{ row.id }}" }))], 2);
    let (outcome, _) = run(&world.path(), &job, &ring(&usual()));
    assert_eq!(outcome.unwrap().moved, 3_000);
    assert_eq!(under(&world, aad), (0, 3_000));
    // Without it, the service does not open them, and nothing is written.
    let world = filled(20, aad);
    let (outcome, seen) = run(&world.path(), &world::job(&[transit(json!({}))], 2), &ring(&usual()));
    assert_eq!((outcome.unwrap().moved, seen.left.len()), (0, 20));
    assert_eq!(seen.left[0].why, Why::DoesNotOpen);
    assert_eq!(under(&world, aad), (20, 0));
}

#[test]
fn values_that_fail_inside_an_answer_are_named_and_the_others_move() {
    let world = filled(60, unbound);
    let connection = world.connect();
    let put = |id: i64, text: &str| {
        connection.execute("UPDATE t SET wrapped = ?2 WHERE id = ?1", (id, text)).unwrap();
    };
    put(7, "vault:v1:AAAA");
    put(8, "vault:v9:AAAA");
    put(9, "not a ciphertext");
    put(10, &value(1, 10, "elsewhere"));
    put(11, &value(3, 11, ""));
    let keys = keys(&[State::DecryptOnly, State::Current, State::Disabled]);
    let job = world::job(&[transit(json!({}))], 2);
    let (outcome, mut seen) = run(&world.path(), &job, &ring(&keys));
    assert_eq!(outcome.unwrap().moved, 55);
    seen.left.sort_by_key(|value| value.row.len() * 100 + value.row.as_bytes()[value.row.len() - 1] as usize);
    let left: Vec<String> = seen.left.iter().map(ToString::to_string).collect();
    assert_eq!(left.len(), 5);
    assert!(left[0].contains("id=7") && left[0].contains("shape"), "{left:?}");
    assert!(left[1].contains("id=8") && left[1].contains("'9', which the key does not have"), "{left:?}");
    assert!(left[2].contains("id=9") && left[2].contains("shape"), "{left:?}");
    assert!(left[3].contains("id=10") && left[3].contains("does not open"), "{left:?}");
    assert!(left[4].contains("id=11") && left[4].contains("not at hand"), "{left:?}");
}

#[test]
fn rows_with_a_version_beside_move_whole_or_not_at_all() {
    let world = World::new("WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB, b TEXT, v INTEGER)");
    let connection = world.connect();
    let add = |id: i64, a: Option<Vec<u8>>, b: Option<String>, v: Option<i64>| {
        connection.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", (id, a, b, v)).unwrap();
    };
    let raw = |n: u8, id: i64| seal(material(n), &plain(id), "");
    let b64 = |n: u8, id: i64| STANDARD.encode(seal(material(n), &plain(id), &format!("{id}@{n}")));
    add(1, Some(raw(1, 1)), Some(b64(1, 1)), Some(1));
    add(2, Some(raw(1, 2)), None, Some(1));
    add(3, Some(raw(1, 3)), Some("AAAA".to_owned()), Some(1));
    // It names no version: each of the key's own is tried.
    add(4, Some(raw(1, 4)), None, None);
    add(5, Some(raw(2, 5)), Some(b64(2, 5)), Some(2));
    add(6, Some(raw(1, 6)), None, Some(9));
    let sealed = [
        transit(
            json!({ "columns": ["a"], "seal": { "cipher": "backend", "layout": ["ciphertext"] }, "version": { "column": "v" } }),
        ),
        // The version is part of what binds the value, so it changes with it.
        transit(json!({ "columns": ["b"], "seal": { "cipher": "backend", "as": "base64", "layout": ["ciphertext"] },
            "aad": "{{ row.id }}@{{ row.v }}", "version": { "column": "v" } })),
    ];
    let job = world::job(&sealed, 2);
    assert_eq!(job.blocks.len(), 1);
    let (outcome, seen) = run(&world.path(), &job, &ring(&usual()));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.moved, 3, "{seen:?}", seen = seen.left);
    assert_eq!(seen.left.len(), 2);
    let row = |id: i64| -> (Vec<u8>, Option<String>, Option<i64>) {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        connection.query_row("SELECT a, b, v FROM t WHERE id = ?1", [id], read).unwrap()
    };
    for id in [1, 2, 4, 5] {
        let (a, b, v) = row(id);
        assert_eq!((v, open(material(2), &a, "")), (Some(2), Some(plain(id))), "row {id}");
        let b = b.map(|b| open(material(2), &STANDARD.decode(b).unwrap(), &format!("{id}@2")));
        assert!(b.is_none_or(|b| b == Some(plain(id))), "row {id}");
    }
    assert_eq!(row(3).2, Some(1));
    assert_eq!(open(material(1), &row(3).0, ""), Some(plain(3)), "its half is not moved alone");
}

#[test]
fn by_trial_what_is_there_stays() {
    let world = World::new("WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY, wrapped BLOB)");
    let connection = world.connect();
    for id in 1..=40_i64 {
        let n = if id % 4 == 0 { 2 } else { 1 };
        connection.execute("INSERT INTO t VALUES (?1, ?2)", (id, seal(material(n), &plain(id), ""))).unwrap();
    }
    let seal = json!({ "cipher": "backend", "layout": ["ciphertext"] });
    let job = world::job(&[transit(json!({ "seal": seal, "version": "by-trial" }))], 2);
    let (outcome, _) = run(&world.path(), &job, &ring(&usual()));
    let outcome = outcome.unwrap();
    assert_eq!((outcome.moved, outcome.last.there), (30, 40));
    assert_eq!(outcome.census[0].of(&version(2)), 40);
}

#[test]
fn an_atomic_store_moves_whole() {
    let world = filled(700, unbound);
    let mut job = world::job(&[transit(json!({}))], 2);
    job.atomic = true;
    let (outcome, _) = run(&world.path(), &job, &ring(&usual()));
    assert_eq!(outcome.unwrap().moved, 700);
    assert_eq!(under(&world, unbound), (0, 700));
}

/// A service that lies: what it seals anew is not what it was given.
struct Liar(Arc<dyn Service>, bool);

impl Service for Liar {
    fn rewrap(&self, values: &[Asked<'_>], target: &keyrota::model::VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        let other = Secret::from_vec(b"something else".to_vec());
        let others: Vec<Plain<'_>> = values.iter().map(|_| Plain { bytes: &other, aad: b"" }).collect();
        self.0.seal(&others, target)
    }

    fn open(&self, values: &[Asked<'_>]) -> Result<Vec<Answer<Secret>>, Fault> {
        self.0.open(values)
    }

    fn seal(&self, values: &[Plain<'_>], version: &keyrota::model::VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault> {
        if self.1 {
            Ok(values.iter().map(|_| Ok(b"nonsense".to_vec())).collect())
        } else {
            self.0.seal(values, version)
        }
    }
}

#[test]
fn a_service_that_seals_something_else_is_found_before_anything_is_written() {
    let world = filled(50, unbound);
    let job = world::job(&[transit(json!({}))], 2);
    for (probe, says) in [(false, "it opens to other bytes"), (true, "probe under `v2`")] {
        let service = Arc::new(Liar(usual().service("key", None).unwrap().unwrap(), probe));
        let ring = Ring::served(service, [version(1), version(2)]);
        let (outcome, seen) = run(&world.path(), &job, &ring);
        let fault = outcome.unwrap_err();
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(seen.kept.is_empty());
        assert_eq!(under(&world, unbound), (50, 0));
    }
}

#[test]
fn every_call_of_the_service_fails_and_the_next_attempt_ends_as_if_none_had() {
    let aad = |id: i64| if id % 2 == 0 { String::new() } else { "t".to_owned() };
    let two = |world: &World| {
        world.connect().execute_batch("ALTER TABLE t ADD COLUMN odd INTEGER; UPDATE t SET odd = id % 2").unwrap();
        world::job(
            &[transit(json!({ "where": { "odd": 0 } })), transit(json!({ "where": { "odd": 1 }, "aad": "t" }))],
            2,
        )
    };
    let trouble = Trouble::none();
    let world = filled(300, aad);
    let job = two(&world);
    let keys = usual().with_trouble(trouble.clone());
    let calm = ring(&keys);
    trouble.fail(u64::MAX, Fails::Refused);
    assert_eq!(run(&world.path(), &job, &calm).0.unwrap().moved, 300);
    let calls = trouble.calls();
    assert!(calls >= 8, "{calls}");
    for number in 0..calls {
        for how in Fails::ALL {
            let world = filled(300, aad);
            let job = two(&world);
            trouble.fail(number, how);
            let first = run(&world.path(), &job, &calm).0;
            let (old, new) = under(&world, aad);
            assert_eq!(old + new, 300, "call {number} {how:?}");
            let fault = first.unwrap_err();
            assert!(fault.source.starts_with("made to fail"), "{fault}");
            assert_eq!(run(&world.path(), &job, &calm).0.unwrap().moved, old as u64);
            assert_eq!(under(&world, aad), (0, 300));
        }
    }
}

#[test]
fn the_service_in_memory_is_no_kinder_than_a_real_one() {
    let keys = keys(&[State::DecryptOnly, State::Current, State::Disabled]);
    let service = keys.service("key", None).unwrap().unwrap();
    let (v1, v2, v3) = (version(1), version(2), version(3));
    let one = seal(material(1), b"plain", "");
    let bound = seal(material(1), b"plain", "aad");
    let three = seal(material(3), b"plain", "");
    let asked = |version, bytes, aad: &'static [u8]| Asked { version, bytes, aad };
    let all = [
        asked(&v1, one.as_slice(), b""),
        asked(&v1, bound.as_slice(), b"aad"),
        asked(&v1, bound.as_slice(), b"other"),
        asked(&v2, one.as_slice(), b""),
        asked(&v3, three.as_slice(), b""),
        asked(&v1, b"short", b""),
    ];
    let open = |answer: Answer<Secret>| answer.map(|secret| secret.lend(<[u8]>::to_vec));
    let answers: Vec<_> = service.open(&all).unwrap().into_iter().map(open).collect();
    assert_eq!(answers[0], Ok(b"plain".to_vec()));
    assert_eq!(answers[1], Ok(b"plain".to_vec()));
    assert_eq!(answers[2..5], [Err(No::DoesNotOpen), Err(No::DoesNotOpen), Err(No::NoKey)]);
    assert!(matches!(answers[5], Err(No::Misfit(_))));
    // A rewrap drops associated data in silence, so it opens nothing that is bound.
    let moved = service.rewrap(&all[..2], &v2).unwrap();
    assert!(moved[0].is_ok());
    assert_eq!(moved[1], Err(No::DoesNotOpen));
    let plain = Secret::from_vec(b"plain".to_vec());
    assert_eq!(service.seal(&[Plain { bytes: &plain, aad: b"" }], &v3).unwrap(), [Err(No::NoKey)]);
    assert!(keys.service("nothing there", None).unwrap().unwrap().open(&all).unwrap().iter().all(Result::is_err));
    assert!(Memory::like_files().service("key", None).unwrap().is_none());
}

#[test]
fn a_share_of_a_quota_is_kept_or_refused() {
    let world = filled(3_000, unbound);
    let job = world::job(&[transit(json!({}))], 2);
    let served =
        |keys: &Memory| Ring::served(keys.service("key", Some(50)).unwrap().unwrap(), [version(1), version(2)]);
    let silent = run(&world.path(), &job, &served(&usual())).0.unwrap_err();
    assert!(silent.source.contains("does not tell its quota"), "{silent}");
    assert_eq!(under(&world, unbound), (3_000, 0));
    let per = Duration::from_millis(100);
    let quota = Some(Quota { requests: 10, per, left: None });
    let keys =
        usual().with_manners(Manners { quota, busy_every: u64::MAX, loses_every: u64::MAX, ..Manners::default() });
    let begun = std::time::Instant::now();
    assert_eq!(run(&world.path(), &job, &served(&keys)).0.unwrap().moved, 3_000);
    // A probe, its opening, then batches that grow to a few hundred: more than ten requests, five in a tenth of a second.
    assert!(begun.elapsed() >= per * 2, "{:?}", begun.elapsed());
    assert_eq!(under(&world, unbound), (0, 3_000));
}

#[test]
fn a_seal_that_needs_the_key_itself_is_refused() {
    let world = filled(3, unbound);
    let job = world::job(
        &[transit(
            json!({ "seal": { "cipher": "aes-256-gcm", "as": "base64", "layout": ["nonce", "ciphertext", "tag"] }, "version": "by-trial" }),
        )],
        2,
    );
    let fault = run(&world.path(), &job, &ring(&usual())).0.unwrap_err();
    assert!(fault.source.contains("the key never leaves its service"), "{fault}");
    assert_eq!(Sqlite::new(world.path()).census(&job.blocks[0]).unwrap().by_trial, 3);
}
