//! Each attempt is a new one: what was begun or failed in an earlier one asks its gates again, and what took is only
//! written down.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use keyrota::backend::file::KeyFiles;
use keyrota::executor::Ended;
use keyrota::fault::Fault;
use keyrota::inventory::Able;
use keyrota::model::Change;
use keyrota::model::Hour;
use keyrota::model::VersionId;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Look;
use keyrota::port::backend::Prepared;
use keyrota::secret::Secret;

use crate::calm::clock;
use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Applied;
use crate::site::Silent;
use crate::site::Site;
use crate::site::Virtual;

/// How the switch goes the first time.
#[derive(Clone, Copy, PartialEq)]
enum Goes {
    Refused,
    DoneAndNoAnswer,
}

/// Key files whose first switch goes wrong.
struct Odd {
    files: KeyFiles,
    goes: Rc<Cell<Option<Goes>>>,
    switches: Rc<Cell<u32>>,
}

impl Backend for Odd {
    fn world(&self) -> Result<String, Fault> {
        self.files.world()
    }

    fn able(&self) -> Able {
        self.files.able()
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        self.files.look(at)
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        self.files.prepare(at, algorithm)
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        let goes = self.goes.get().filter(|_| matches!(change, Change::Switch { .. }));
        if goes != Some(Goes::Refused) {
            self.files.change(at, change, prepared, now)?;
        }
        if matches!(change, Change::Switch { .. }) {
            self.switches.set(self.switches.get() + 1);
        }
        match goes {
            Some(_) => Err(Failed::Fault(Fault::retry("switch", "no answer came"))),
            None => Ok(()),
        }
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.files.material(at, version)
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.files.encoded(at, version)
    }

    fn adopt(&self, at: &str, version: &VersionId, now: Hour) -> Result<(), Failed> {
        self.files.adopt(at, version, now)
    }
}

/// A project whose turn waits for a window: every day from 01:00 to 03:00.
fn project(folder: &std::path::Path) -> Project {
    let project = Project::make(folder, Kind::Plain, 20);
    let replace = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(project.at.join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(project.at.join(name), text.replace(from, to)).unwrap();
    };
    replace("policies/app.toml", "rotate_every = \"90d\"", "rotate_every = \"90d\"\nwindow = \"night\"");
    let days = r#"["mon", "tue", "wed", "thu", "fri", "sat", "sun"]"#;
    let window = format!("[calendar.windows]\nnight = [{{ days = {days}, from = \"01:00\", lasts = \"2h\" }}]\n");
    fs::write(project.at.join("keyrota.toml"), fs::read_to_string(project.at.join("keyrota.toml")).unwrap() + &window)
        .unwrap();
    project
}

fn with(project: &Project, now: &str, goes: Option<Goes>) -> (Site, Rc<Cell<u32>>) {
    let mut site = site::site(project, Virtual::at(site::hour(now)));
    let read = site::read(&project.at);
    let keyrota::policy::meant::Backend::File { codings, id } =
        read.policies[0].backends.values().next().unwrap().clone()
    else {
        panic!("no key files")
    };
    let switches = Rc::new(Cell::new(0));
    let files = KeyFiles::new(&project.at, &codings, &id).unwrap();
    site.backend = Box::new(Odd { files, goes: Rc::new(Cell::new(goes)), switches: switches.clone() });
    (site, switches)
}

fn state_of_v2(project: &Project) -> String {
    project.versions().into_iter().find(|(id, _)| id == "v2").unwrap().1
}

#[test]
fn a_switch_that_failed_inside_its_window_waits_for_the_next_one() {
    let folder = project::folder();
    let project = project(folder.path());
    let stop = AtomicBool::new(false);
    let (world, _) = with(&project, "2030-01-01T01:00:00Z", Some(Goes::Refused));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let failed = site::apply(&world, &mut home, &plan, &mut Silent);
    assert!(matches!(failed, Applied::Ended(Ended::Failed { .. })), "{failed:?}");
    assert_eq!(state_of_v2(&project), "staged");
    // At noon nothing is switched, however often it is asked.
    for now in ["2030-01-01T12:00:00Z", "2030-01-01T12:15:00Z"] {
        let (world, switches) = with(&project, now, None);
        let held = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
        let Applied::Ended(Ended::AtGate { held }) = held else { panic!("{held:?}") };
        assert_eq!(held[0].opens, Some(site::hour("2030-01-02T01:00:00Z")));
        assert_eq!((state_of_v2(&project).as_str(), switches.get()), ("staged", 0));
    }
    let (world, switches) = with(&project, "2030-01-02T01:00:00Z", None);
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
    assert_eq!((project.rows(), switches.get()), ([("v2".to_owned(), 20)].into(), 1));
}

#[test]
fn a_switch_that_took_inside_its_window_is_written_down_outside_of_it() {
    let folder = project::folder();
    let project = project(folder.path());
    let (world, _) = with(&project, "2030-01-01T01:00:00Z", Some(Goes::DoneAndNoAnswer));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let failed = site::apply(&world, &mut home, &plan, &mut Silent);
    assert!(matches!(failed, Applied::Ended(Ended::Failed { .. })), "{failed:?}");
    assert_eq!(state_of_v2(&project), "current");
    let (world, _) = with(&project, "2030-01-01T12:00:00Z", None);
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
    assert_eq!(project.rows(), [("v2".to_owned(), 20)].into());
}

/// A proof that cannot be read is named at its gate; the attempt failed, and goes on where somebody stays until it can.
#[test]
fn a_proof_that_cannot_be_read_shuts_its_gate_only() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Proof, 20);
    let stop = AtomicBool::new(false);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    project.connect().execute_batch("ALTER TABLE members RENAME TO hidden").unwrap();
    let blind = Virtual::at(site::start());
    let world = site::site(&project, blind);
    let failed = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
    let Applied::Ended(Ended::Failed { failed, held }) = failed else { panic!("{failed:?}") };
    assert_eq!(failed.len(), 1);
    assert!(held[0].waits_for[0].contains("`web` to prove it, which could not be read: "), "{held:?}");
    assert!(failed[0].1.to_string().contains("members"), "{failed:?}");
    // Nothing failed that is written down: the journal knows of a gate only.
    let lines = fs::read_to_string(project.at.join(".keyrota/journal.jsonl")).unwrap();
    assert!(!lines.contains("\"failed\""), "{lines}");
    // Who stays goes on as soon as it can be read.
    let at = project.at.clone();
    let blind = Virtual::at(site::start());
    blind.then(move |_| {
        let project = Project { at: at.clone(), kind: Kind::Proof };
        let _shown = project.connect().execute_batch("ALTER TABLE hidden RENAME TO members");
        project.members_look();
    });
    let world = site::site(&project, blind);
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
    assert_eq!(project.rows(), [("v2".to_owned(), 20)].into());
}
