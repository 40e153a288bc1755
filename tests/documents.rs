//! Dies at every crash point, and fails at every one, while a document and its pointer change: opened again, they end as if
//! nothing had happened, and every byte that is not a version's is as it was.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use keyrota::backend::document::Document;
use keyrota::disk::crash;
use keyrota::envelope::Coding;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::policy::meant::Pointer;
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

const FOLDER: &str = "DOCUMENTS_TEST_FOLDER";
const STOP: &str = "DOCUMENTS_TEST_STOP";
const POINTS: &str = "points";
const PROGRESS: &str = "progress";
const SIGABRT: i32 = 6;

const SECRETS: &str = "{ \"other\": 1.0, // ours\n  \"keys\": {\n    \"kv1\": \
    \"0101010101010101010101010101010101010101010101010101010101010101\"\n  }\n}\n";
const SETTINGS: &str = "# ours\n[key]\ncurrent = \"kv1\" # the first\n";

fn document(root: &Path) -> Document {
    let template = |text: &str| Template::parse(text).unwrap();
    let current = Pointer { file: template("site.toml"), at: "key.current".into(), is: template("{{ id }}") };
    Document::new(root, "secrets.json", &[Coding::Hex], &template("kv{{ n }}"), Some(&current)).unwrap()
}

/// The version whose bytes are all its number, so that every run ends with the same files.
fn made(n: u8) -> Prepared {
    let material = Secret::from_vec(vec![n; 32]);
    Prepared {
        version: format!("kv{n}").parse().unwrap(),
        fingerprint: Some(material.fingerprint().hex().parse().unwrap()),
        algorithm: Algorithm::Aes256,
        material: Some(material),
    }
}

/// A life of a key: every kind of change. A number goes with those that make a version.
fn story() -> Vec<(Change, Option<u8>)> {
    let id = |n: u8| format!("kv{n}").parse().unwrap();
    let add = |n: u8| (made(n).add(false), Some(n));
    let then = |change: Change| (change, None);
    vec![
        add(2),
        then(Change::Switch { to: id(2) }),
        then(Change::Switch { to: id(1) }),
        then(Change::Switch { to: id(2) }),
        then(Change::Destroy { version: id(1) }),
        add(3),
        then(Change::Discard { version: id(3) }),
        add(4),
        then(Change::Switch { to: id(4) }),
    ]
}

/// Goes on with the story as an executor does: the journal knows which step was begun, and its material died with the process.
fn tell(root: &Path, also: bool) -> Result<(), Failed> {
    let document = document(root);
    let progress = root.join(PROGRESS);
    let done: usize = fs::read_to_string(&progress).map_or(0, |text| text.parse().unwrap());
    for (at, (change, makes)) in story().into_iter().enumerate().skip(done) {
        let told = match document.change("keys", &change, None, Hour::UNIX_EPOCH) {
            Err(Failed::Unmade(_)) => document.change("keys", &change, makes.map(made).as_ref(), Hour::UNIX_EPOCH),
            other => other,
        };
        told?;
        if also {
            document.change("keys", &change, None, Hour::UNIX_EPOCH)?;
        }
        fs::write(&progress, (at + 1).to_string()).unwrap();
    }
    Ok(())
}

fn begin(root: &Path) {
    fs::create_dir_all(root).unwrap();
    fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(root.join("secrets.json"), SECRETS).unwrap();
    fs::set_permissions(root.join("secrets.json"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(root.join("site.toml"), SETTINGS).unwrap();
}

/// Every file there is.
fn end(root: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// Wherever we died: both files are whole, and the current version's key can be read.
fn judge(root: &Path, line: &str) {
    let document = document(root);
    let look = document.look("keys").unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let current = look.key.current().unwrap_or_else(|| panic!("{line}: nothing is current"));
    document.material("keys", &current.id).unwrap_or_else(|failed| panic!("{line}: {failed}"));
    let text = fs::read_to_string(root.join("secrets.json")).unwrap();
    assert!(
        text.starts_with("{ \"other\": 1.0, // ours\n  \"keys\": {\n    \"kv") && text.ends_with("\"\n  }\n}\n"),
        "{line}"
    );
    assert_eq!(fs::metadata(root.join("secrets.json")).unwrap().permissions().mode() & 0o777, 0o600, "{line}");
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
fn go_on(root: &Path, number: usize, line: &str, undisturbed: &BTreeMap<String, String>) {
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
    let root = folder.path().join("undisturbed");
    begin(&root);
    assert!(run(&root, "nowhere").success());
    let undisturbed = end(&root);
    let key = |n: u8| format!("{n:02x}").repeat(32);
    let secrets = SECRETS.replace("kv1", "kv2").replace(&key(1), &key(2));
    let secrets = secrets.replace("\"\n  }", &format!("\",\n    \"kv4\": \"{}\"\n  }}", key(4)));
    assert_eq!(undisturbed.get("secrets.json"), Some(&secrets));
    assert_eq!(undisturbed.get("site.toml"), Some(&SETTINGS.replace("kv1", "kv4")));
    fs::rename(root.with_extension(POINTS), folder.path().join(POINTS)).unwrap();
    let points = fs::read_to_string(folder.path().join(POINTS)).unwrap();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.len() > 80, "only {} points", points.len());
    assert!(run(folder.path(), "fail").success(), "a failing disk was not survived");
    for (number, line) in points.iter().enumerate() {
        let root = folder.path().join(format!("abort-{number}"));
        begin(&root);
        assert_eq!(run(&root, &number.to_string()).signal(), Some(SIGABRT), "abort at {line}");
        go_on(&root, number, line, &undisturbed);
    }
}

#[test]
fn the_same_change_twice_is_once_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path());
    tell(folder.path(), true).unwrap();
    let look = document(folder.path()).look("keys").unwrap();
    let ids: Vec<&str> = look.key.versions.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(ids, ["kv2", "kv4"]);
}
