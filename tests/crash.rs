//! Dies at every crash point of `disk`, and fails at every one, and looks at what is left.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use keyrota::disk;
use keyrota::disk::crash;
use keyrota::fault::Fault;

const FOLDER: &str = "CRASH_TEST_FOLDER";
const STOP: &str = "CRASH_TEST_STOP";
const POINTS: &str = "points";

/// Everything that `disk` can do, each act harmless to repeat where its owner repeats it.
fn acts(at: &Path) -> Result<(), Fault> {
    disk::sweep(&at.join("ring"))?;
    disk::sweep(&at.join("new"))?;
    disk::make_folder(&at.join("deep/er"), disk::PRIVATE_FOLDER)?;
    disk::write_whole(&at.join("ring"), b"new ring", disk::PRIVATE_FILE)?;
    disk::replace(&at.join("app.toml"), b"new app")?;
    if !at.join("new").exists() && !at.join("deep/er/new").exists() {
        disk::create_new(&at.join("new"), b"new key", disk::PRIVATE_FILE)?;
    }
    if !at.join("deep/er/new").exists() {
        disk::rename(&at.join("new"), &at.join("deep/er/new"))?;
    }
    let mut file = disk::Appender::open(&at.join("journal"), disk::PRIVATE_FILE)?;
    file.cut(0)?;
    file.append(b"line\n")?;
    file.sync()?;
    crash::point("bare");
    disk::remove(&at.join("removed"))?;
    disk::shred(&at.join("old"))?;
    disk::sweep(&at.join("app.toml"))
}

fn begin(at: &Path) {
    for (name, bytes) in [("ring", "old ring"), ("app.toml", "old app"), ("removed", "x"), ("old", "old key")] {
        fs::write(at.join(name), bytes).unwrap();
    }
}

/// Whole files are old or new, never between, wherever we died.
fn judge(at: &Path, number: u64) {
    let whole = |name: &str, old: &str, new: &str| {
        let found = fs::read_to_string(at.join(name)).unwrap();
        assert!(found == old || found == new, "point {number}: `{name}` holds `{found}`");
    };
    whole("ring", "old ring", "new ring");
    whole("app.toml", "old app", "new app");
    for name in ["new", "deep/er/new"] {
        assert!(!at.join(name).exists() || fs::read(at.join(name)).unwrap() == b"new key", "point {number}: `{name}`");
    }
    assert!(!at.join("old").exists() || fs::read(at.join("old")).unwrap() == b"old key", "point {number}: `old`");
}

/// What there is at the end, whoever died on the way.
fn finished(at: &Path, number: u64) {
    let mut names: Vec<String> =
        fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["app.toml", "deep", "journal", "ring"], "point {number}");
    assert_eq!(fs::read(at.join("ring")).unwrap(), b"new ring", "point {number}");
    assert_eq!(fs::read(at.join("app.toml")).unwrap(), b"new app", "point {number}");
    assert_eq!(fs::read(at.join("journal")).unwrap(), b"line\n", "point {number}");
    assert_eq!(fs::read(at.join("deep/er/new")).unwrap(), b"new key", "point {number}");
}

fn run(at: &Path, stop: &str) -> bool {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, at)
        .env(STOP, stop)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    child.unwrap().success()
}

/// Not a test of its own: the process that the others start and let die. Without its variables it passes at once.
#[test]
fn child() {
    let Some(at) = std::env::var_os(FOLDER) else { return };
    let at = Path::new(&at);
    let stop = std::env::var(STOP).unwrap();
    let stop = match stop.split_once(' ') {
        Some(("abort", number)) => Some((number.parse().unwrap(), crash::Stop::Abort)),
        Some((_, number)) => Some((number.parse().unwrap(), crash::Stop::Fail(io::ErrorKind::StorageFull))),
        None => None,
    };
    // A core file for each death would take most of the time of this test.
    rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit { current: Some(0), maximum: Some(0) },
    )
    .unwrap();
    let record = (stop.is_none()).then(|| at.with_extension(POINTS));
    crash::arm(Some(crash::Plan { record, stop })).unwrap();
    acts(at).unwrap();
    crash::arm(None).unwrap();
}

#[test]
fn every_point_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("undisturbed");
    fs::create_dir(&at).unwrap();
    begin(&at);
    assert!(run(&at, ""));
    finished(&at, 0);
    let points = fs::read_to_string(at.with_extension(POINTS)).unwrap();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.len() > 60, "only {} points", points.len());
    assert!(points.iter().enumerate().all(|(i, line)| line.starts_with(&format!("{i} "))));

    for (number, line) in points.iter().enumerate() {
        for how in ["abort", "fail"] {
            let at = folder.path().join(format!("{how}-{number}"));
            fs::create_dir(&at).unwrap();
            begin(&at);
            let survived = run(&at, &format!("{how} {number}"));
            assert_eq!(survived, how == "fail" && line.ends_with("bare"), "{how} at {line}");
            judge(&at, number as u64);
            acts(&at).unwrap();
            finished(&at, number as u64);
        }
    }
}
