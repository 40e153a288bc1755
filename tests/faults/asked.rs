//! A service that moves its own rows, asked by the program: it fails at every call, answers for another instance, counts wrong,
//! and names rows that it cannot move.

use std::collections::BTreeSet;
use std::fs;

use keyrota::executor::Desk;
use keyrota::executor::Ended;
use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::fault::Fault;
use keyrota::journal;
use keyrota::journal::Clock;
use keyrota::journal::Event;
use keyrota::journal::Settled;
use keyrota::model::KeyName;
use keyrota::plan::Document;
use keyrota::plan::Part;
use keyrota::port::home::Home;
use keyrota::port::trouble::Fails;
use keyrota::port::trouble::Trouble;
use keyrota::store::memory::service::Answering;
use keyrota::store::memory::service::Odd;
use keyrota::store::memory::service::Sealed;
use keyrota::store::served::Served;

use crate::calm::clock;
use crate::project;
use crate::project::KEY;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Applied;
use crate::site::Site;

struct Scene {
    _folder: tempfile::TempDir,
    project: Project,
    world: Site,
    service: Answering,
    trouble: Trouble,
    plan: Document,
}

/// A service with three rows under `v1`, rolled out in two scopes, and a plan that rotates its key.
fn scene() -> Scene {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Plain, 0);
    let trouble = Trouble::none();
    let service = Answering::new("x", "v1", trouble.clone());
    {
        let mut held = service.held();
        let sealed = || Sealed { version: "v1".to_owned(), opens: true };
        for (scope, fields) in [("a", ["x", "y"].as_slice()), ("b", &["x"]), ("c", &["x"]), ("empty", &[])] {
            held.rows.insert(scope.to_owned(), fields.iter().map(|field| ((*field).to_owned(), sealed())).collect());
        }
        held.scopes = vec!["b".to_owned(), "empty".to_owned()];
    }
    let mut world = site::site(&project, clock(&project, site::start()));
    world.store = Box::new(Served(service.clone()));
    let plan = site::draw(&project, &world, &site::home(&project), &site::rotate());
    service.held().calls.clear();
    Scene { _folder: folder, project, world, service, trouble, plan }
}

/// Its instances restart: from here on the service has the new version as current.
struct Follows<'a> {
    service: &'a Answering,
    odd: Vec<Odd>,
}

impl Screen for Follows<'_> {
    fn tell(&mut self, told: &Told<'_>) {
        if let Told::Done { part: Part::Switch, .. } = told {
            let mut held = self.service.held();
            held.keys.insert("v2".to_owned());
            held.current = "v2".to_owned();
            held.odd = std::mem::take(&mut self.odd);
        }
    }
}

impl Scene {
    fn apply(&self, odd: Vec<Odd>) -> Applied {
        let mut screen = Follows { service: &self.service, odd };
        site::apply(&self.world, &mut site::home(&self.project), &self.plan, &mut screen)
    }

    fn failed(&self, odd: Vec<Odd>) -> Fault {
        let applied = self.apply(odd);
        let Applied::Ended(Ended::Failed { failed, .. }) = applied else { panic!("{applied:?}") };
        let [(_, fault)] = failed.as_slice() else { panic!("{failed:?}") };
        fault.clone()
    }

    fn versions(&self) -> BTreeSet<String> {
        self.service.held().rows.values().flat_map(|row| row.values().map(|field| field.version.clone())).collect()
    }

    fn events(&self) -> Vec<Event> {
        let read = site::home(&self.project).read().unwrap();
        read.entries().map(|entry| entry.unwrap().event).collect()
    }

    fn states(&self) -> Vec<String> {
        self.project.versions().into_iter().map(|(_, state)| state).collect()
    }

    fn is_over(&self) {
        assert_eq!(self.versions(), BTreeSet::from(["v2".to_owned()]));
        assert_eq!(self.states(), ["disabled", "current"]);
    }
}

#[test]
fn each_scope_is_looked_at_moved_and_looked_at_again_and_then_everything() {
    let scene = scene();
    assert!(scene.apply(Vec::new()).finished());
    scene.is_over();
    let calls = scene.service.held().calls.clone();
    let (b, empty, all) = (Some("b".to_owned()), Some("empty".to_owned()), None::<String>);
    let (look, go) = (true, false);
    let moving: Vec<_> = calls.iter().skip(1).take(7).cloned().collect();
    // The first is the look before anything is made; a scope with nothing to move is only looked at.
    assert_eq!(calls[0], (all.clone(), look));
    assert_eq!(
        moving,
        [
            (b.clone(), look),
            (b.clone(), go),
            (b, look),
            (empty, look),
            (all.clone(), look),
            (all.clone(), go),
            (all, look)
        ]
    );
    assert!(calls.iter().skip(8).all(|(scope, dry_run)| scope.is_none() && *dry_run), "the rounds after it only look");
    let asked = scene.events().iter().filter(|event| matches!(event, Event::Asked { .. })).count();
    assert_eq!(asked, calls.len(), "each call is in the journal");
    let ledger = journal::ledger(&site::home(&scene.project).read().unwrap()).unwrap();
    let known = &ledger.keys[&KEY.parse().unwrap()];
    assert!(known.clean_at(&"v1".parse().unwrap()).is_some());
}

#[test]
fn it_may_fail_at_every_call_and_nothing_is_taken_for_done() {
    let calls = {
        let scene = scene();
        scene.trouble.fail(u64::MAX, Fails::Refused);
        assert!(scene.apply(Vec::new()).finished());
        scene.trouble.calls()
    };
    assert!(calls >= 10, "{calls}");
    for how in Fails::ALL {
        for number in 0..calls {
            let scene = scene();
            scene.trouble.fail(number, how);
            let first = scene.apply(Vec::new());
            assert!(!first.finished(), "call {number}, {how:?}");
            if scene.versions().contains("v1") {
                assert_ne!(scene.states().first().map(String::as_str), Some("disabled"), "call {number}, {how:?}");
            }
            let mut screen = Follows { service: &scene.service, odd: Vec::new() };
            site::finish_with(&scene.world, &mut site::home(&scene.project), &scene.plan, &mut screen);
            scene.is_over();
        }
    }
}

#[test]
fn an_instance_that_has_not_restarted_is_never_believed() {
    let stale = || Odd::Stale("v1".to_owned());
    // At each call of the move, also where it is the move itself that the wrong one answers.
    for number in 0..7 {
        let scene = scene();
        let odd = std::iter::repeat_n(Odd::Not, number).chain([stale()]).collect();
        let fault = scene.failed(odd);
        assert!(fault.source.contains("it moves to `v1`, not to `v2`"), "{fault}");
        assert!(fault.may_retry() && fault.hint.as_ref().unwrap().contains("has not restarted"), "{fault:?}");
        assert_eq!(scene.states(), ["decrypt-only", "current"]);
        assert!(scene.apply(Vec::new()).finished(), "answer {number}");
        scene.is_over();
    }
}

#[test]
fn a_row_that_changed_meanwhile_is_tried_again_and_not_quarantined() {
    let scene = scene();
    assert!(scene.apply(vec![Odd::Not, Odd::Changed, Odd::Changed, Odd::Changed]).finished());
    scene.is_over();
    assert!(!scene.events().iter().any(|event| matches!(event, Event::Quarantined { .. })));
}

#[test]
fn rows_that_go_on_changing_end_the_attempt_and_not_the_run() {
    let scene = scene();
    let fault = scene.failed(vec![Odd::Changed; 9]);
    assert!(fault.may_retry() && fault.source.contains("it still finds rows to move"), "{fault}");
    scene.service.held().odd.clear();
    assert!(scene.apply(Vec::new()).finished());
    scene.is_over();
}

#[test]
fn a_sum_that_is_wrong_is_no_answer() {
    for number in 0..7 {
        let scene = scene();
        let fault = scene.failed(std::iter::repeat_n(Odd::Not, number).chain([Odd::Miscounts]).collect());
        assert!(fault.source.contains("does not add up"), "{fault}");
        assert!(scene.apply(Vec::new()).finished());
        scene.is_over();
    }
}

#[test]
fn what_it_cannot_move_is_named_and_pins_the_old_version_until_somebody_settles_it() {
    let scene = scene();
    scene.service.held().rows.get_mut("a").unwrap().get_mut("y").unwrap().opens = false;
    let fault = scene.failed(Vec::new());
    assert!(fault.source.contains("1 row fails: `Memory/Rewrap.y` where scope='a'"), "{fault}");
    assert!(fault.hint.as_ref().unwrap().contains("nothing of it was moved"), "{fault:?}");
    // Again, and it is named once.
    scene.failed(Vec::new());
    let named: Vec<_> = scene
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Quarantined { at, names, .. } => Some((at, names.unwrap().to_string())),
            _ => None,
        })
        .collect();
    let [(at, names)] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!((at.row.as_slice(), at.column.as_str(), names.as_str()), (&["scope='a'".to_owned()][..], "y", "v1"));
    assert_eq!(scene.states(), ["decrypt-only", "current"]);
    // Accepted as lost: the rest moves, and the version is disabled.
    let key: KeyName = KEY.parse().unwrap();
    let settled = Event::QuarantineSettled { key, at: at.clone(), how: Settled::Accepted, by: "the tests".into() };
    let mut home = site::home(&scene.project);
    Desk::take(&mut home, scene.world.clock.as_ref(), Clock::Virtual, "the tests").unwrap().say(vec![settled]).unwrap();
    assert!(scene.apply(Vec::new()).finished());
    assert_eq!(scene.states(), ["disabled", "current"]);
    assert_eq!(scene.service.held().rows["c"]["x"].version, "v2");
    assert_eq!(scene.service.held().rows["a"]["x"].version, "v1", "one field that fails leaves its row as it is");
}

/// A scope that the service does not know stops the roll-out with the service's own words.
#[test]
fn a_scope_that_is_not_there_stops_the_roll_out() {
    let scene = scene();
    scene.service.held().scopes = vec!["nobody".to_owned()];
    let fault = scene.failed(Vec::new());
    assert!(fault.source.contains("not found: `nobody`"), "{fault}");
    assert_eq!(scene.versions(), BTreeSet::from(["v1".to_owned()]));
    scene.service.held().scopes.clear();
    assert!(scene.apply(Vec::new()).finished());
    scene.is_over();
    // What was kept of replaced values is nothing: no value of it ever passed by here.
    assert!(!fs::exists(scene.project.at.join(".keyrota/pre-images")).unwrap());
}
