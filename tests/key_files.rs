//! Dies at every crash point, and fails at every one, while key files change: reopened, they end as if nothing had happened.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use keyrota::backend::file::KeyFiles;
use keyrota::disk::crash;
use keyrota::inventory::key::Drift;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::model::State;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Prepared;
use keyrota::secret::Secret;
use keyrota::template::Template;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;

const FOLDER: &str = "KEY_FILES_TEST_FOLDER";
const STOP: &str = "KEY_FILES_TEST_STOP";
const POINTS: &str = "points";
const PROGRESS: &str = "progress";
const NEW: &str = "new";
const SIGABRT: i32 = 6;

fn files(root: &Path) -> KeyFiles {
    KeyFiles::new(root, &[], &Template::parse("v{{ n }}").unwrap()).unwrap()
}

/// The version whose bytes are all its number, so that every run ends with the same files.
fn made(n: u8) -> Prepared {
    let material = Secret::from_vec(vec![n; 32]);
    Prepared {
        version: format!("v{n}").parse().unwrap(),
        fingerprint: Some(material.fingerprint().hex().parse().unwrap()),
        algorithm: Algorithm::Aes256,
        material: Some(material),
    }
}

/// Whether the life told in this folder begins with nothing, or with a folder that somebody made by hand.
fn is_new(root: &Path) -> bool {
    root.components().any(|part| part.as_os_str() == NEW)
}

/// A life of a key: every kind of change, or its first days. A number goes with those that make a version.
fn story(is_new: bool) -> Vec<(Change, Option<u8>)> {
    let id = |n: u8| format!("v{n}").parse().unwrap();
    let add = |n: u8| (made(n).add(false), Some(n));
    let then = |change: Change| (change, None);
    if is_new {
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

/// Goes on with the story as an executor does: the journal knows which step was begun, and its material died with the process.
fn tell(root: &Path, also: bool) -> Result<(), Failed> {
    let files = files(root);
    let progress = root.join(PROGRESS);
    let done: usize = fs::read_to_string(&progress).map_or(0, |text| text.parse().unwrap());
    for (at, (change, makes)) in story(is_new(root)).into_iter().enumerate().skip(done) {
        let now = Hour::UNIX_EPOCH + chrono::TimeDelta::hours(at.try_into().unwrap());
        let told = match files.change("keys", &change, None, now) {
            Err(Failed::Unmade(_)) => files.change("keys", &change, makes.map(made).as_ref(), now),
            other => other,
        };
        told?;
        if also {
            files.change("keys", &change, None, now)?;
        }
        fs::write(&progress, (at + 1).to_string()).unwrap();
    }
    Ok(())
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

/// Every file, with the count of commits taken out of the books.
fn end(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
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

fn run(root: &Path, stop: &str) -> ExitStatus {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, root)
        .env(STOP, stop)
        .stdout(Stdio::null())
        .stderr(if stop == "fail" { Stdio::inherit() } else { Stdio::null() })
        .status();
    child.unwrap()
}

/// Not a test of its own: the process that the other starts and lets die. Without its variables it passes at once.
#[test]
fn child() {
    let Some(root) = std::env::var_os(FOLDER) else { return };
    let root = Path::new(&root);
    // A core file for each death would take most of the time of this test.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
    match std::env::var(STOP).unwrap().as_str() {
        "nowhere" => {
            arm(Some(root.with_extension(POINTS)), None);
            tell(root, false).unwrap();
        }
        // A failing disk kills nobody, so one process lives through all of it.
        "fail" => {
            let points = fs::read_to_string(root.join(POINTS)).unwrap();
            let undisturbed = end(&root.join("undisturbed"));
            for (number, line) in points.lines().enumerate() {
                let root = root.join(format!("fail-{number}"));
                begin(&root);
                arm(None, Some((number, crash::Stop::Fail(io::ErrorKind::StorageFull))));
                assert!(tell(&root, false).is_err(), "fail at {line}");
                go_on(&root, number, line, &undisturbed);
            }
        }
        number => {
            arm(None, Some((number.parse().unwrap(), crash::Stop::Abort)));
            tell(root, false).unwrap();
        }
    }
}

fn arm(record: Option<PathBuf>, stop: Option<(usize, crash::Stop)>) {
    let stop = stop.map(|(number, stop)| (number.try_into().unwrap(), stop));
    crash::arm(Some(crash::Plan { record, stop })).unwrap();
}

/// What a later process makes of what is left.
fn go_on(root: &Path, number: usize, line: &str, undisturbed: &BTreeMap<String, Vec<u8>>) {
    crash::arm(None).unwrap();
    judge(root, line);
    tell(root, number.is_multiple_of(2)).unwrap_or_else(|failed| panic!("{line}: {failed}"));
    judge(root, line);
    assert_eq!(&end(root), undisturbed, "{line}");
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
    let root = folder.join("undisturbed");
    begin(&root);
    assert!(run(&root, "nowhere").success());
    let undisturbed = end(&root);
    let names: Vec<&str> = undisturbed.keys().map(String::as_str).collect();
    assert_eq!(names, wanted);
    fs::rename(root.with_extension(POINTS), folder.join(POINTS)).unwrap();
    let points = fs::read_to_string(folder.join(POINTS)).unwrap();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.len() > points_min, "only {} points", points.len());

    std::thread::scope(|scope| {
        let (folder, points, undisturbed) = (folder, &points, &undisturbed);
        scope.spawn(move || assert!(run(folder, "fail").success(), "a failing disk was not survived"));
        for first in 0..4 {
            scope.spawn(move || {
                for (number, line) in points.iter().enumerate().skip(first).step_by(4) {
                    let root = folder.join(format!("abort-{number}"));
                    begin(&root);
                    assert_eq!(run(&root, &number.to_string()).signal(), Some(SIGABRT), "abort at {line}");
                    go_on(&root, number, line, undisturbed);
                }
            });
        }
    });
}

#[test]
fn the_same_change_twice_is_once_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path());
    tell(folder.path(), true).unwrap();
    let states: Vec<State> = files(folder.path()).look("keys").unwrap().key.versions.iter().map(|v| v.state).collect();
    assert_eq!(states, [State::Destroyed, State::Destroyed, State::Destroyed, State::Current]);
}

#[test]
fn a_reader_in_another_language_finds_the_keys() {
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
