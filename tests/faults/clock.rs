//! A clock that jumps back and forth under a run.

use std::cell::Cell;

use chrono::TimeDelta;
use keyrota::journal;
use keyrota::model::Hour;
use keyrota::plan::Gate;
use keyrota::port::clock::Clock;
use keyrota::port::home::Home;

use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Silent;

/// Goes forward while somebody waits, and shows an hour more or less each time it is asked.
struct Jumpy {
    now: Cell<Hour>,
    random: Cell<u64>,
}

impl Clock for Jumpy {
    fn now(&self) -> Hour {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.set(next);
        self.now.get() + TimeDelta::seconds((next >> 33) as i64 % 7200 - 3600)
    }

    fn sleep_until(&self, _: Hour) {
        self.now.set(self.now.get() + TimeDelta::seconds(1));
    }
}

#[test]
fn journal_hours_never_go_back_and_no_gate_opens_before_its_hour() {
    for seed in 1..=40 {
        let folder = project::folder();
        let project = Project::make(folder.path(), [Kind::Plain, Kind::One, Kind::Checks][seed as usize % 3], 20);
        let world = site::site(&project, Jumpy { now: Cell::new(site::start()), random: Cell::new(seed) });
        let mut home = site::home(&project);
        let plan = site::draw(&project, &world, &home, &site::rotate());
        let applied = site::apply(&world, &mut home, &plan, &mut Silent);
        assert!(applied.finished(), "seed {seed}: {applied:?}");
        assert_eq!(project.rows(), [("v2".to_owned(), 20)].into());
        let read = home.read().unwrap();
        let hours: Vec<Hour> = read.entries().map(|entry| entry.unwrap().at).collect();
        assert!(hours.is_sorted(), "seed {seed}");
        let ledger = journal::ledger(&read).unwrap();
        let standing = ledger.of_plan(&plan.id()).unwrap();
        let mut gates = 0;
        for unit in &plan.plan().units {
            let names = unit.step_names();
            let done = |step: usize| standing.done_at(&names[step].parse().unwrap()).unwrap();
            for (at, step) in unit.steps.iter().enumerate() {
                let from = step.needs.iter().map(|need| done(need.step)).max().unwrap_or(standing.opened_at);
                for gate in &step.gates {
                    if let Gate::After { by } = gate {
                        gates += 1;
                        assert!(done(at) >= by.after(from), "seed {seed}: {}", names[at]);
                    }
                }
            }
        }
        assert!(gates >= 2, "seed {seed}: {gates} gates");
    }
}

#[test]
fn a_clock_that_was_set_back_waits_until_the_journals_hour_has_come_again() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Plain, 20);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let world = site::site(&project, site::Virtual::at(site::start()));
    let mut home = site::home(&project);
    let plan = site::draw(&project, &world, &home, &site::rotate());
    let begun = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
    assert!(!begun.finished());
    // A year back: no gate opens, however often it is asked.
    for day in 0..3 {
        let back = site::start() - TimeDelta::days(365 - day);
        let world = site::site(&project, site::Virtual::at(back));
        let again = site::apply_with(&world, &mut home, &plan, &mut Silent, &stop, false);
        assert!(!again.finished(), "{again:?}");
        assert_eq!(project.versions()[1], ("v2".to_owned(), "staged".to_owned()));
    }
    let world = site::site(&project, site::Virtual::at(site::later(site::start(), 5)));
    assert!(site::apply(&world, &mut home, &plan, &mut Silent).finished());
}
