//! Dies at every crash point of a key's life in a folder, and fails at every one: what a later process makes of what is left
//! ends as if nothing had happened.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;

use keyrota::disk::crash;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Prepared;
use keyrota::secret::Secret;

const FOLDER: &str = "KEYROTA_DEATHS_FOLDER";
const STOP: &str = "KEYROTA_DEATHS_STOP";
const POINTS: &str = "points";
const PROGRESS: &str = "progress";
const SIGABRT: i32 = 6;

/// A change, and the number of the version that it makes.
pub(crate) type Told = (Change, Option<u8>);
/// Every file that counts, with its bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A life of the key at `keys`, told in a folder that says which one.
pub(crate) trait Life {
    /// What its versions' names begin with.
    const NAMED: &'static str;

    /// The backend.
    fn open(root: &Path) -> Box<dyn Backend>;
    /// What stands there before anything is done.
    fn begin(root: &Path);
    /// What happens to it.
    fn story(root: &Path) -> Vec<Told>;
    /// Wherever we died, this holds.
    fn judge(root: &Path, line: &str);
    /// How it ends.
    fn end(root: &Path) -> Files;
}

/// The version whose bytes are all its number, so that every run ends with the same files.
pub(crate) fn made<L: Life>(n: u8) -> Prepared {
    let material = Secret::from_vec(vec![n; 32]);
    Prepared {
        version: format!("{}{n}", L::NAMED).parse().unwrap(),
        fingerprint: Some(material.fingerprint().hex().parse().unwrap()),
        algorithm: Algorithm::Aes256,
        material: Some(material),
    }
}

/// A version is made.
pub(crate) fn add<L: Life>(n: u8) -> Told {
    (made::<L>(n).add(false), Some(n))
}

/// Goes on with the story as an executor does: the journal knows which step was begun, and its material died with the process.
pub(crate) fn tell<L: Life>(root: &Path, also: bool) -> Result<(), Failed> {
    let backend = L::open(root);
    let progress = root.join(PROGRESS);
    let done: usize = fs::read_to_string(&progress).map_or(0, |text| text.parse().unwrap());
    for (at, (change, makes)) in L::story(root).into_iter().enumerate().skip(done) {
        let now = Hour::UNIX_EPOCH + chrono::TimeDelta::hours(at.try_into().unwrap());
        let told = match backend.change("keys", &change, None, now) {
            Err(Failed::Unmade(_)) => backend.change("keys", &change, makes.map(made::<L>).as_ref(), now),
            other => other,
        };
        told?;
        if also {
            backend.change("keys", &change, None, now)?;
        }
        fs::write(&progress, (at + 1).to_string()).unwrap();
    }
    Ok(())
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

/// What the test `child` does: it is the process that the other test starts and lets die. Without its variables it passes at
/// once.
pub(crate) fn child<L: Life>() {
    let Some(root) = std::env::var_os(FOLDER) else { return };
    let root = Path::new(&root);
    // A core file for each death would take most of the time of this test.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
    match std::env::var(STOP).unwrap().as_str() {
        "nowhere" => {
            arm(Some(root.with_extension(POINTS)), None);
            tell::<L>(root, false).unwrap();
        }
        // A failing disk kills nobody, so one process lives through all of it.
        "fail" => {
            let points = fs::read_to_string(root.join(POINTS)).unwrap();
            let undisturbed = L::end(&root.join("undisturbed"));
            for (number, line) in points.lines().enumerate() {
                let root = root.join(format!("fail-{number}"));
                L::begin(&root);
                arm(None, Some((number, crash::Stop::Fail(io::ErrorKind::StorageFull))));
                assert!(tell::<L>(&root, false).is_err(), "fail at {line}");
                go_on::<L>(&root, number, line, &undisturbed);
            }
        }
        number => {
            arm(None, Some((number.parse().unwrap(), crash::Stop::Abort)));
            tell::<L>(root, false).unwrap();
        }
    }
}

fn arm(record: Option<PathBuf>, stop: Option<(usize, crash::Stop)>) {
    let stop = stop.map(|(number, stop)| (number.try_into().unwrap(), stop));
    crash::arm(Some(crash::Plan { record, stop })).unwrap();
}

/// What a later process makes of what is left.
fn go_on<L: Life>(root: &Path, number: usize, line: &str, undisturbed: &Files) {
    crash::arm(None).unwrap();
    L::judge(root, line);
    tell::<L>(root, number.is_multiple_of(2)).unwrap_or_else(|failed| panic!("{line}: {failed}"));
    L::judge(root, line);
    assert_eq!(&L::end(root), undisturbed, "{line}");
}

/// Tells it undisturbed, whose end `wanted` judges, and then once for every point on its way.
pub(crate) fn survive<L: Life>(folder: &Path, points_min: usize, wanted: impl Fn(&Files)) {
    let root = folder.join("undisturbed");
    L::begin(&root);
    assert!(run(&root, "nowhere").success());
    let undisturbed = L::end(&root);
    wanted(&undisturbed);
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
                    L::begin(&root);
                    assert_eq!(run(&root, &number.to_string()).signal(), Some(SIGABRT), "abort at {line}");
                    go_on::<L>(&root, number, line, undisturbed);
                }
            });
        }
    });
}
