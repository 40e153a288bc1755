//! What turns up once the old version is disabled: the retirement is taken back, and another round is opened.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use keyrota::executor::Ended;
use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::fault::Fault;
use keyrota::journal;
use keyrota::plan::Gate;
use keyrota::plan::Part;
use keyrota::plan::Waiting;
use keyrota::policy::meant::check::When;
use keyrota::port::home::Home;
use keyrota::port::store::Known;
use keyrota::port::store::Service;
use keyrota::port::store::Store;
use keyrota::port::store::Versions;
use keyrota::port::store::service::Counts;
use keyrota::port::store::service::Reply;
use keyrota::store::served::Served;
use keyrota::store::sqlite::Sqlite;

use crate::calm::clock;
use crate::project;
use crate::project::FIRST;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Applied;
use crate::site::Silent;

/// Brings one value under the old version back, before it is counted whether any is left.
pub(crate) struct TurnsUp {
    pub(crate) project: Project,
}

const LATE: i64 = 100_000;

impl Screen for TurnsUp {
    fn tell(&mut self, told: &Told<'_>) {
        if let Told::Begins { part: Part::Recount, .. } = told {
            let connection = self.project.connect();
            let known = connection.query_row("SELECT count(*) FROM data_keys WHERE id = ?1", [LATE], |row| row.get(0));
            if known == Ok(0) {
                project::insert(&connection, LATE, "v1", FIRST).unwrap();
            }
        }
    }
}

/// What is done whenever something is told.
struct Then<F>(F);

impl<F: FnMut(&Told<'_>)> Screen for Then<F> {
    fn tell(&mut self, told: &Told<'_>) {
        (self.0)(told);
    }
}

fn states(project: &Project) -> Vec<String> {
    project.versions().into_iter().map(|(_, state)| state).collect()
}

/// The steps that were done, by their act, in the order of the journal.
fn done(home: &dyn Home) -> Vec<String> {
    let read = home.read().unwrap();
    let entries = read.entries().map(Result::unwrap).filter_map(|entry| match entry.event {
        journal::Event::Done { step, .. } => Some(step.as_str().rsplit_once('-').unwrap().1.to_owned()),
        _ => None,
    });
    entries.collect()
}

#[test]
fn a_value_that_turns_up_after_the_retirement_is_moved_and_waited_for_anew() {
    for kind in [Kind::Plain, Kind::Atomic, Kind::One, Kind::Proof, Kind::Checks] {
        let folder = project::folder();
        let project = Project::make(folder.path(), kind, 20);
        let world = site::site(&project, clock(&project, site::start()));
        let mut home = site::home(&project);
        let plan = site::draw(&project, &world, &home, &site::rotate());
        let mut screen = TurnsUp { project: Project { at: project.at.clone(), kind } };
        let applied = site::apply(&world, &mut home, &plan, &mut screen);
        assert!(applied.finished(), "{kind:?}: {applied:?}");
        assert_eq!(project.rows(), [("v2".to_owned(), 21)].into(), "{kind:?}");
        assert_eq!(states(&project), ["disabled", "current"], "{kind:?}");
        let done = done(&home);
        let enabled = done.iter().position(|act| act == "enable").unwrap();
        let (before, after) = done.split_at(enabled);
        let count = |acts: &[String], act: &str| acts.iter().filter(|other| *other == act).count();
        assert_eq!((count(before, "retire"), count(after, "retire")), (1, 1), "{kind:?}: {done:?}");
        assert!(count(after, "wait") >= 1, "{kind:?}: normal traffic is waited for anew: {done:?}");
        assert_eq!(count(before, "withdraw"), count(after, "withdraw"), "{kind:?}: {done:?}");
        // What was taken from members was brought back, and taken away again.
        if kind == Kind::One {
            assert!(!project.at.join("site/ctl-1-keys/v1").exists());
        }
        let ledger = journal::ledger(&home.read().unwrap()).unwrap();
        let known = &ledger.keys[&project::KEY.parse().unwrap()];
        assert!(known.retired_at.contains_key(&"v1".parse().unwrap()));
        home.verify(None).unwrap();
    }
}

#[test]
fn what_members_had_of_it_is_brought_back_before_the_next_round() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::One, 20);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let (at, mut late) = (project.at.clone(), TurnsUp { project: Project { at: project.at.clone(), kind: Kind::One } });
    let seen = Rc::new(Cell::new((false, false)));
    let (see, at) = (Rc::clone(&seen), at.join("site/ctl-2-keys/v1"));
    let mut screen = Then(move |told: &Told<'_>| {
        late.tell(told);
        match told {
            Told::Begins { part: Part::Enable, .. } => see.set((at.exists(), false)),
            Told::Done { part: Part::Enable, .. } => see.set((see.get().0, at.exists())),
            _ => {}
        }
    });
    assert!(site::apply(&world, &mut home, &plan, &mut screen).finished());
    assert_eq!(seen.get(), (false, true));
}

/// The application fails while the version is disabled, and is well as soon as it is enabled again.
fn ill_while_disabled(at: PathBuf, times: u32) -> impl FnMut(&Told<'_>) {
    let mut left = times;
    let ill = at.join("site/ill");
    move |told| match told {
        Told::Done { part: Part::Retire, .. } if left > 0 => {
            left -= 1;
            fs::write(&ill, "").unwrap();
        }
        Told::Done { part: Part::Enable, .. } => {
            fs::remove_file(&ill).unwrap();
        }
        _ => {}
    }
}

#[test]
fn a_check_that_fails_while_the_version_is_disabled_enables_it_again() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Checks, 20);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let applied = site::apply(&world, &mut home, &plan, &mut Then(ill_while_disabled(project.at.clone(), 1)));
    assert!(applied.finished(), "{applied:?}");
    assert_eq!(states(&project), ["disabled", "current"]);
    assert_eq!(done(&home).iter().filter(|act| *act == "enable").count(), 1);
}

#[test]
fn a_version_that_is_needed_again_and_again_stays_enabled_and_a_person_is_asked() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Checks, 20);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let mut screen = Then(ill_while_disabled(project.at.clone(), 100));
    for _ in 0..2 {
        let applied = site::apply(&world, &mut home, &plan, &mut screen);
        let Applied::Ended(Ended::Failed { failed, .. }) = applied else { panic!("{applied:?}") };
        assert!(failed[0].1.hint.as_ref().unwrap().contains("keyrota why app/kek@v1"), "{failed:?}");
        assert_eq!(states(&project), ["decrypt-only", "current"]);
        assert_eq!(done(&home).iter().filter(|act| *act == "enable").count(), 3);
    }
}

/// What stays ill is no reason to disable it a second time.
#[test]
fn a_check_that_goes_on_failing_leaves_the_version_enabled() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Checks, 20);
    // Of the retirement only: the check of what was moved would stop it before.
    let policy = project.at.join("policies/app.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let all = r#"["before", "added", "readable", "switched", "written", "moved", "retired"]"#;
    assert!(text.contains(all));
    fs::write(&policy, text.replace(all, r#"["retired"]"#)).unwrap();
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let ill = project.at.join("site/ill");
    let (file, disabled) = (ill.clone(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&disabled);
    let mut screen = Then(move |told: &Told<'_>| {
        if let Told::Done { part: Part::Retire, .. } = told {
            count.set(count.get() + 1);
            fs::write(&file, "").unwrap();
        }
    });
    for _ in 0..2 {
        let applied = site::apply(&world, &mut home, &plan, &mut screen);
        let Applied::Ended(Ended::Failed { failed, .. }) = applied else { panic!("{applied:?}") };
        assert!(failed[0].1.to_string().contains("check `well`"), "{failed:?}");
        assert_eq!((states(&project), disabled.get()), (vec!["decrypt-only".into(), "current".into()], 1));
    }
    fs::remove_file(ill).unwrap();
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
}

#[test]
fn a_late_value_that_does_not_open_leaves_the_version_enabled_and_names_the_command() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Plain, 20);
    let world = site::site(&project, clock(&project, site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let connection = project.connect();
    let mut screen = Then(move |told: &Told<'_>| {
        if let Told::Done { part: Part::Retire, .. } = told {
            project::insert(&connection, LATE, "v1", b"another-key-than-that-one-indeed").unwrap();
        }
    });
    let applied = site::apply(&world, &mut home, &plan, &mut screen);
    let Applied::Ended(Ended::Failed { failed, .. }) = applied else { panic!("{applied:?}") };
    assert!(failed[0].1.hint.as_ref().unwrap().contains("keyrota quarantine list"), "{failed:?}");
    assert_eq!(states(&project), ["decrypt-only", "current"]);
    // Once it is gone, the same run goes to its end.
    project.connect().execute("DELETE FROM data_keys WHERE id = ?1", [LATE]).unwrap();
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
    assert_eq!(states(&project), ["disabled", "current"]);
}

/// A service that moves the rows itself, and tells what is left by the version's id.
struct Moving(Project);

impl Service for Moving {
    fn world(&self) -> Result<String, Fault> {
        Sqlite::new(self.0.database()).world()
    }

    fn call(&self, _scope: Option<&str>, dry_run: bool) -> Result<Reply, Fault> {
        let (target, key) = self.0.current();
        let (rows, connection) = (self.0.rows(), self.0.connect());
        let there = rows.get(&target).copied().unwrap_or(0);
        let moved = rows.values().sum::<u64>() - there;
        if !dry_run {
            let query = "SELECT id FROM data_keys WHERE kek_version != ?1";
            let mut old = connection.prepare(query).unwrap();
            let old: Vec<i64> = old.query_map([&target], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            for id in old {
                connection.execute("DELETE FROM data_keys WHERE id = ?1", [id]).unwrap();
                project::insert(&connection, id, &target, &key).unwrap();
            }
        }
        let rows = Counts { seen: None, moved: Some(moved), there: Some(there), failed: Some(0) };
        Ok(Reply { target, rows, ..Reply::default() })
    }

    fn scopes(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    fn written(&self, versions: &Versions) -> Result<Vec<Known>, Fault> {
        versions.written(&"{{ id }}".parse().unwrap(), "the service")
    }

    fn shapes(&self) -> Result<String, Fault> {
        Ok(String::new())
    }

    fn method(&self) -> &str {
        "Moving"
    }
}

/// Where somebody else moves the values, the closing round only looks; what it finds is moved by another round, and what
/// that may have had under way lands before anybody looks again.
#[test]
fn a_round_that_a_service_moves_is_waited_for_before_the_next_look() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Plain, 20);
    let mut world = site::site(&project, clock(&project, site::start()));
    let service = Moving(Project { at: project.at.clone(), kind: project.kind });
    world.store = Box::new(Served(service));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let unit = &plan.plan().units[0];
    assert!(unit.steps.iter().any(|step| step.part == Part::Rewrap { service: true }));
    let (connection, mut late) = (project.connect(), true);
    let mut screen = Then(move |told: &Told<'_>| match told {
        // It had an old value in hand, and writes it back.
        Told::Begins { part: Part::Close, .. } if std::mem::take(&mut late) => {
            project::insert(&connection, LATE, "v1", FIRST).unwrap();
        }
        _ => {}
    });
    let applied = site::apply(&world, &mut home, &plan, &mut screen);
    assert!(applied.finished(), "{applied:?}");
    assert_eq!(project.rows(), [("v2".to_owned(), 21)].into());
    let landed = unit.steps.iter().position(|step| step.part == Part::Wait { until: Waiting::Landed }).unwrap();
    let Gate::After { by } = unit.steps[landed].gates[0] else { panic!() };
    let name = unit.step_name(landed);
    let read = home.read().unwrap();
    let (mut moved, mut waits) = (None, 0);
    for entry in read.entries().map(Result::unwrap) {
        match &entry.event {
            journal::Event::Done { step, .. } if step.as_str().ends_with("-rewrap") => moved = Some(entry.at),
            journal::Event::Done { step, .. } if *step.as_str() == name => {
                waits += 1;
                assert!(entry.at >= by.after(moved.unwrap()), "it counts from the last round that moved anything");
            }
            _ => {}
        }
    }
    assert_eq!(waits, 2);
    assert!(!plan.plan().units[0].steps.iter().any(|s| matches!(s.part, Part::Check { when: When::Retired, .. })));
}
