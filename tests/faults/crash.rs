//! The process dies before and after every durable act and every database commit of a whole run; it is started again; the end
//! must be the one of a run that nobody disturbed. The child is this binary again, which arms the points in itself: no option
//! and no variable of keyrota does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use keyrota::decision::Wish;
use keyrota::disk::crash;
use keyrota::executor::Screen;
use keyrota::plan::Document;
use keyrota::port::home::Home;

use crate::calm::clock;
use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Silent;

const FOLDER: &str = "FAULTS_TEST_FOLDER";
const STOP: &str = "FAULTS_TEST_STOP";
const ROWS: i64 = 120;

/// A folder in which one project is tried again and again: plans and worlds are bound to where they lie.
struct Bench {
    _folder: tempfile::TempDir,
    at: PathBuf,
    kind: Kind,
    /// Whether a value turns up under the old version once it is disabled.
    late: bool,
    plan: Document,
    from: keyrota::model::Hour,
}

/// What the bench's plan does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Rotates,
    Destroys,
    GoesBack,
}

/// What there is at the end.
#[derive(Debug, PartialEq)]
struct End {
    versions: Vec<(String, String)>,
    rows: BTreeMap<String, u64>,
    others: String,
    files: Vec<String>,
}

impl Bench {
    /// A project as it is before the run: a rotation, or what follows one: a destruction, or the way back.
    fn new(kind: Kind, does: Does, late: bool) -> Self {
        let folder = project::folder();
        let at = folder.path().canonicalize().unwrap().join("project");
        fs::create_dir(&at).unwrap();
        let project = Project::make(&at, kind, ROWS);
        let (mut from, mut wish) = (site::start(), site::rotate());
        if does != Does::Rotates {
            let world = site::site(&project, clock(&project, from));
            let plan = site::draw(&project, &world, &site::home(&project), &wish);
            assert!(site::apply(&world, &mut site::home(&project), &plan, &mut Silent).finished());
            from = site::later(world.clock.now(), 60);
            wish = if does == Does::Destroys { Wish::Destroy } else { site::back() };
        }
        let world = site::site(&project, clock(&project, from));
        let plan = site::draw(&project, &world, &site::home(&project), &wish);
        fs::write(at.with_extension("plan"), plan.bytes()).unwrap();
        fs::write(at.with_extension("facts"), format!("{kind:?} {late} {}", from.to_rfc3339())).unwrap();
        project::copy(&at, &at.with_extension("template"));
        Self { _folder: folder, at, kind, late, plan, from }
    }

    fn project(&self) -> Project {
        Project { at: self.at.clone(), kind: self.kind }
    }

    /// Everything as it was before the run.
    fn again(&self) -> Project {
        fs::remove_dir_all(&self.at).unwrap();
        project::copy(&self.at.with_extension("template"), &self.at);
        self.project()
    }

    /// Runs in a child that dies at this point, or records all of them.
    fn child(&self, stop: Option<usize>) -> bool {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::child", "--nocapture", "--test-threads=1"]).env(FOLDER, &self.at);
        if let Some(stop) = stop {
            command.env(STOP, stop.to_string());
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Goes on to the end, in this process; says in how many attempts.
    fn finish(&self) -> usize {
        let project = self.project();
        let world = site::site(&project, clock(&project, self.from));
        let mut screen = screen(&self.project(), self.late);
        site::finish_with(&world, &mut site::home(&project), &self.plan, screen.as_mut())
    }

    /// The material of both versions, whatever their state.
    fn both(&self) -> BTreeMap<String, Vec<u8>> {
        let key = |folder: &str, name: &str| fs::read(self.at.join(folder).join(name)).ok();
        let of = |id: &str| {
            let name = format!("{id}.key");
            Some((id.to_owned(), key("keys", &name).or_else(|| key("keys/disabled", &name))?))
        };
        ["v1", "v2"].into_iter().filter_map(of).collect()
    }

    fn end(&self) -> End {
        let project = self.project();
        let home = site::home(&project);
        home.verify(None).unwrap();
        let ledger = keyrota::journal::ledger(&home.read().unwrap()).unwrap();
        assert_eq!(ledger.open().count(), 0, "a run is open");
        let name = |path: PathBuf| path.strip_prefix(&self.at).unwrap().display().to_string();
        let files = project::files(&self.at).into_iter().map(name);
        // SQLite's own files come and go; torn lines are kept aside.
        let files = files.filter(|name| !name.starts_with("app.db-") && !name.starts_with(".keyrota/torn"));
        let others = if self.kind == Kind::Proof { String::new() } else { project.others() };
        End { versions: project.versions(), rows: project.rows(), others, files: files.collect() }
    }
}

/// Where something is to turn up late: a value under the old version, before it is counted whether any is left.
fn screen(project: &Project, late: bool) -> Box<dyn Screen> {
    let project = Project { at: project.at.clone(), kind: project.kind };
    if late { Box::new(crate::late::TurnsUp { project }) } else { Box::new(Silent) }
}

/// Not a test of its own: the process that the others start and let die. Without its variables it passes at once.
#[test]
fn child() {
    let Some(at) = std::env::var_os(FOLDER) else { return };
    let at = Path::new(&at);
    let facts = fs::read_to_string(at.with_extension("facts")).unwrap();
    let (kind, rest) = facts.split_once(' ').unwrap();
    let (late, from) = rest.split_once(' ').unwrap();
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}") == kind).unwrap();
    let project = Project { at: at.to_owned(), kind };
    let plan = Document::read(fs::read(at.with_extension("plan")).unwrap()).unwrap();
    let world = site::site(&project, clock(&project, from.parse().unwrap()));
    // A core file for each death would take most of the time.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
    let stop = std::env::var(STOP).ok().map(|number| (number.parse().unwrap(), crash::Stop::Abort));
    let record = stop.is_none().then(|| at.with_extension("points"));
    crash::arm(Some(crash::Plan { record, stop })).unwrap();
    let mut screen = screen(&project, late == "true");
    let applied = site::apply(&world, &mut site::home(&project), &plan, screen.as_mut());
    crash::arm(None).unwrap();
    assert!(applied.finished(), "{applied:?}");
}

/// What else the power takes with it. What SQLite synced stays: the shared memory file and bytes behind the last commit need
/// not. And where a disk lied about syncing, the database stands hours before the journal.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    Nothing,
    Shared,
    Torn,
    Log,
}

impl Cut {
    fn at(number: usize, point: &str) -> Self {
        match number % 3 {
            _ if point.contains("sqlite.commit") => Self::Log,
            1 => Self::Shared,
            2 => Self::Torn,
            _ => Self::Nothing,
        }
    }

    fn cut(self, at: &Path) {
        let file = |ending: &str| at.join(format!("app.db-{ending}"));
        if self != Self::Nothing {
            let _absent = fs::remove_file(file("shm"));
        }
        if self == Self::Torn && file("wal").exists() {
            let mut log = fs::OpenOptions::new().append(true).open(file("wal")).unwrap();
            std::io::Write::write_all(&mut log, &[0xA5; 5000]).unwrap();
        }
        if self == Self::Log {
            let _absent = fs::remove_file(file("wal"));
        }
    }
}

/// Dies at every point.
fn die_everywhere(kind: Kind, does: Does) {
    die(Bench::new(kind, does, false), does, |_, _| true);
}

/// Dies at every point that `wanted` says yes to, of so many.
fn die(bench: Bench, does: Does, wanted: impl Fn(usize, usize) -> bool) {
    let (kind, destroys) = (bench.kind, does == Does::Destroys);
    assert!(bench.child(None));
    let undisturbed = bench.end();
    let points = fs::read_to_string(bench.at.with_extension("points")).unwrap();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.len() > 20, "only {} points", points.len());
    assert_eq!(points.iter().any(|point| point.contains("sqlite.commit")), !destroys);
    let (mut deaths, mut attempts, mut lost) = (0, 0, 0);
    for (number, point) in points.iter().enumerate().filter(|(number, _)| wanted(*number, points.len())) {
        // What turns up late is in the log as well.
        let cut = if bench.late { Cut::Nothing } else { Cut::at(number, point) };
        bench.again();
        assert!(!bench.child(Some(number)), "{kind:?}: survived {point}");
        cut.cut(&bench.at);
        lost += usize::from(cut == Cut::Log);
        // Whoever may meet a row can open it, at once.
        if bench.late {
            bench.project().rows_with(&bench.both());
        } else {
            assert_eq!(bench.project().rows().values().sum::<u64>(), ROWS as u64, "{kind:?} at {point}, {cut:?}");
        }
        attempts += bench.finish();
        assert_eq!(bench.end(), undisturbed, "{kind:?} at {point}, {cut:?}");
        deaths += 1;
        if deaths % 8 == 0 {
            bench.project().search(&[("plan", bench.plan.bytes())]);
        }
    }
    // Nobody needs to be told twice: what died is finished by the next attempt.
    assert_eq!(attempts, deaths, "{kind:?}");
    assert_eq!(lost > 0, !destroys && !bench.late, "{kind:?}");
    println!("{kind:?}, {does:?}: {deaths} deaths at {} points, {lost} with the database's log lost", points.len());
}

#[test]
fn everywhere_in_a_rotation() {
    die_everywhere(Kind::Plain, Does::Rotates);
}

#[test]
fn everywhere_in_a_rotation_of_one_transaction() {
    die_everywhere(Kind::Atomic, Does::Rotates);
}

#[test]
fn everywhere_in_a_rotation_of_members_that_hold_one() {
    die_everywhere(Kind::One, Does::Rotates);
}

#[test]
fn everywhere_in_a_rotation_of_two_stores_with_values_kept() {
    die_everywhere(Kind::Two, Does::Rotates);
}

#[test]
fn everywhere_in_a_destruction() {
    die_everywhere(Kind::Plain, Does::Destroys);
}

/// To a version that was disabled and taken from its members.
#[test]
fn everywhere_on_the_way_back() {
    die_everywhere(Kind::Plain, Does::GoesBack);
}

#[test]
fn everywhere_on_the_way_back_of_members_that_hold_one() {
    die(Bench::new(Kind::One, Does::GoesBack, false), Does::GoesBack, |number, _| number % 2 == 0);
}

/// The retirement is taken back, whenever the executor dies: before the undo, in it, after it.
#[test]
fn everywhere_after_something_turned_up_late() {
    die(Bench::new(Kind::Plain, Does::Rotates, true), Does::Rotates, |number, points| number > points / 2);
    // Members that copies are taken from and brought back to.
    die(Bench::new(Kind::One, Does::Rotates, true), Does::Rotates, |number, points| {
        number > points / 2 && number % 3 == 0
    });
}
