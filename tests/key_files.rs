//! Dies at every crash point, and fails at every one, while key files change: reopened, they end as if nothing had happened.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use keyrota::backend::file::KeyFiles;
use keyrota::inventory::key::Drift;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::model::State;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Prepared;
use keyrota::template::Template;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[path = "support/deaths.rs"]
mod deaths;

use deaths::Files;
use deaths::Life;
use deaths::Told;

const NEW: &str = "new";

fn files(root: &Path) -> KeyFiles {
    KeyFiles::new(root, &[], &Template::parse("v{{ n }}").unwrap()).unwrap()
}

/// Whether the life told in this folder begins with nothing, or with a folder that somebody made by hand.
fn is_new(root: &Path) -> bool {
    root.components().any(|part| part.as_os_str() == NEW)
}

/// A folder of key files.
struct Keys;

impl Life for Keys {
    const NAMED: &'static str = "v";

    fn open(root: &Path) -> Box<dyn Backend> {
        Box::new(files(root))
    }

    fn begin(root: &Path) {
        fs::create_dir_all(root).unwrap();
        if is_new(root) {
            return;
        }
        let keys = root.join("keys");
        fs::create_dir_all(&keys).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(keys.join("v1.key"), [1; 32]).unwrap();
        fs::set_permissions(keys.join("v1.key"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A life of a key: every kind of change, or its first days. A number goes with those that make a version.
    fn story(root: &Path) -> Vec<Told> {
        let id = |n: u8| format!("v{n}").parse().unwrap();
        let add = deaths::add::<Keys>;
        let then = |change: Change| (change, None);
        if is_new(root) {
            return vec![add(1), then(Change::Discard { version: id(1) }), add(2), then(Change::Switch { to: id(2) })];
        }
        vec![
            add(2),
            then(Change::Switch { to: id(2) }),
            then(Change::Retire { version: id(1) }),
            then(Change::Enable { version: id(1) }),
            then(Change::Retire { version: id(1) }),
            then(Change::Destroy { version: id(1) }),
            add(3),
            then(Change::Discard { version: id(3) }),
            add(4),
            then(Change::Switch { to: id(4) }),
            then(Change::Destroy { version: id(2) }),
        ]
    }

    /// Wherever we died: the books are whole, no material is lost, and once there is a current version its key can be read.
    fn judge(root: &Path, line: &str) {
        let files = files(root);
        let look = files.look("keys").unwrap();
        let lost = look.drift.iter().any(|drift| !matches!(drift, Drift::VersionAppeared { .. }));
        assert!(!lost, "{line}: {:?}", look.drift);
        assert_eq!(look.unknown_files, [""; 0], "{line}");
        let Some(current) = look.key.current() else {
            return assert!(is_new(root), "{line}: nothing is current");
        };
        files.material("keys", &current.id).unwrap_or_else(|failed| panic!("{line}: {failed}"));
    }

    /// Every file, with the count of commits taken out of the books.
    fn end(root: &Path) -> Files {
        let mut all = Files::new();
        for folder in ["keys", "keys/disabled"] {
            for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    all.insert(path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap());
                }
            }
        }
        let ring = String::from_utf8(all.remove("keys/ring.json").unwrap()).unwrap();
        let ring: Vec<&str> = ring.lines().filter(|line| !line.contains("\"revision\"")).collect();
        all.insert("keys/ring.json".to_owned(), ring.join("\n").into_bytes());
        all
    }
}

/// Not a test of its own: see there.
#[test]
fn child() {
    deaths::child::<Keys>();
}

#[test]
fn every_point_is_survived() {
    // Where memory can stand for a disk, a thousand syncs cost nothing.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let new = folder.path().join(NEW);
    fs::create_dir(&new).unwrap();
    survive(folder.path(), &["keys/ring.json", "keys/ring.lock", "keys/v4.key"], 150);
    survive(&new, &["keys/ring.json", "keys/ring.lock", "keys/v2.key"], 60);
}

fn survive(folder: &Path, wanted: &[&str], points_min: usize) {
    deaths::survive::<Keys>(folder, points_min, |end| {
        let names: Vec<&str> = end.keys().map(String::as_str).collect();
        assert_eq!(names, wanted);
    });
}

#[test]
fn the_same_change_twice_is_once_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    Keys::begin(folder.path());
    deaths::tell::<Keys>(folder.path(), true).unwrap();
    let states: Vec<State> = files(folder.path()).look("keys").unwrap().key.versions.iter().map(|v| v.state).collect();
    assert_eq!(states, [State::Destroyed, State::Destroyed, State::Destroyed, State::Current]);
}

#[test]
fn a_reader_in_another_language_finds_the_keys() {
    let made = deaths::made::<Keys>;
    let folder = tempfile::tempdir().unwrap();
    let files =
        KeyFiles::new(folder.path(), &[keyrota::envelope::Coding::Hex], &Template::parse("v{{ n }}").unwrap()).unwrap();
    let change = |change: &Change, made: Option<&Prepared>| {
        files.change("keys", change, made, Hour::UNIX_EPOCH).unwrap();
    };
    for n in 1..=3 {
        change(&made(n).add(false), Some(&made(n)));
        change(&Change::Switch { to: made(n).version }, None);
    }
    change(&Change::Retire { version: made(1).version }, None);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_ring.py");
    let said = Command::new("python3").arg(script).arg(folder.path().join("keys")).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let hex = |n: u8| format!("{n:02x}").repeat(32);
    assert_eq!(said, serde_json::json!({ "current": "v3", "keys": { "v2": hex(2), "v3": hex(3) } }));
}
