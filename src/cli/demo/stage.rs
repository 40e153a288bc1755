//! The demo's world, and the way through it: the same survey, planner, prover, executor and adapters as in every other
//! command. Only the clock and the members are made up, and the journal says so.

use crate::approval;
use crate::cli::exit::Fail;
use crate::cli::plan::PLAN_BYTES_MAX;
use crate::cli::project;
use crate::cli::show::unreadable;
use crate::cli::wire;
use crate::cli::wire::Wired;
use crate::decision;
use crate::decision::Wish;
use crate::disk;
use crate::executor;
use crate::executor::Desk;
use crate::executor::Ended;
use crate::executor::Executor;
use crate::executor::Screen;
use crate::fault::Fault;
use crate::journal;
use crate::journal::Clock as JournalClock;
use crate::model::Change;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::VersionId;
use crate::plan;
use crate::plan::Document;
use crate::plan::Plan;
use crate::plan::rule::Code;
use crate::policy::Read;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::home::Home;
use crate::port::world::World;
use crate::prove;
use crate::prove::Violation;
use crate::simulated::Crowd;
use crate::simulated::Habits;
use crate::simulated::Tally;
use crate::simulated::Time;
use crate::simulated::app;
use crate::simulated::app::App;
use crate::survey;
use crate::survey::Depth;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// The rows of the application's table.
pub(super) const ROWS: i64 = 10_000;
/// The file of the rotation plan.
pub(super) const PLAN: &str = "plan.json";
/// The file of the plan that destroys.
pub(super) const DESTROY: &str = "destroy.json";
/// Who acts, by the demo's journal.
const ACTOR: &str = "demo";
/// The folder of the key.
const KEYS: &str = "keys";
/// The processes that hold it.
const MEMBERS: [&str; 2] = ["web-1", "web-2"];
/// What members do when, is the same each time.
const SEED: u64 = 2026;
/// How much of an hour a look at the clock takes.
const LOOK: Span = Span::seconds(1);

/// The demo's world.
pub(super) struct Stage {
    /// Where it is.
    pub(super) folder: PathBuf,
    /// Its hours.
    pub(super) time: Time,
    read: Read,
    wired: Wired,
    home: Box<dyn Home>,
}

impl Stage {
    /// Opens the project in this folder at this hour.
    pub(super) fn open(folder: &Path, hour: Hour) -> Result<Self, Fail> {
        let read = project::read(folder)?;
        let settings = &read.project.settings;
        let time = Time::from(hour, LOOK);
        let wired = Wired::with_clock(folder, &read.project.policies, &settings.allow, Box::new(time.clone()))?;
        let home = wire::home(folder, settings)?;
        Ok(Self { folder: folder.to_owned(), time, read, wired, home })
    }

    /// The key that is rotated.
    pub(super) fn key() -> Result<KeyName, Fault> {
        "demo/app-kek".parse().map_err(|bad| Fault::report_bug("name the demo's key", bad))
    }

    fn backend(&self) -> Result<&dyn Backend, Fault> {
        let name = "files".parse().map_err(|bad| Fault::report_bug("name the demo's backend", bad))?;
        self.wired.backend(&Self::key()?, &name)
    }

    /// Makes the key's first version now, and the application's table full of rows that it sealed; lets days pass, and
    /// the members live from then on.
    pub(super) fn furnish(&self, days: u64) -> Result<(), Fail> {
        let backend = self.backend()?;
        let prepared = backend.prepare(KEYS, Algorithm::Aes256).map_err(told)?;
        let (hour, first) = (self.time.hour(), prepared.version.clone());
        backend.change(KEYS, &prepared.add(false), Some(&prepared), hour).map_err(told)?;
        backend.change(KEYS, &Change::Switch { to: first.clone() }, None, hour).map_err(told)?;
        let material = app::usable(&backend.material(KEYS, &first).map_err(told)?)?;
        let mut app = App::create(&self.folder.join("app.db"))?;
        let known = app.fill(1..=ROWS, first.as_str(), &material)?;
        self.time.pass(Span::days(days).after(hour));
        let habits = Habits {
            refreshes: Span::minutes(60),
            in_flight: Span::minutes(1),
            writes: Span::minutes(60),
            reads: Span::minutes(30),
            rows: 40,
            restarts: Span::days(2),
        };
        let sealed = (1..).zip(known).collect();
        let now = self.time.hour();
        self.time.live(Crowd::new(app, (self.folder.join(KEYS), sealed), &MEMBERS, habits, (SEED, now))?);
        Ok(())
    }

    /// What `keyrota validate` finds.
    pub(super) fn doubts(&self) -> usize {
        self.read.lints.len()
    }

    /// Draws what is wished for, with every rule or without one.
    pub(super) fn draw(&self, wish: &Wish, without: Option<Code>) -> Result<Plan, Fail> {
        let past = journal::past(&self.home.read()?)?;
        let inventory = survey::look(&self.read.project, &self.wired, &past, Depth::Count);
        let decisions = decision::decide(&self.read.project, &inventory, wish);
        plan::draw(&self.read.project, &inventory, decisions, wish, without).map_err(crate::cli::plan::cyclic)
    }

    /// Draws, proves and saves a plan.
    pub(super) fn plan(&self, wish: &Wish, file: &str) -> Result<Document, Fail> {
        let document = Document::of(prove::check(self.draw(wish, None)?)?);
        disk::write_whole(&self.folder.join(file), document.bytes(), disk::PRIVATE_FILE)?;
        Ok(document)
    }

    /// What the prover says to a plan that lacks one rule.
    pub(super) fn without(&self, rule: Code) -> Result<Option<Box<Violation>>, Fail> {
        Ok(prove::check(self.draw(&Wish::WhatIsDue, Some(rule))?).err())
    }

    /// Goes on with a saved plan up to the next gate, as `keyrota apply` does.
    pub(super) fn apply(
        &mut self,
        file: &str,
        named: &[(KeyName, VersionId)],
        screen: &mut dyn Screen,
    ) -> Result<Ended, Fail> {
        let document = self.saved(file)?;
        let stop = AtomicBool::new(false);
        let mut desk = Desk::take(self.home.as_mut(), &self.time, JournalClock::Virtual, ACTOR)?;
        let now = desk.now();
        desk.home().save_plan(&document.id(), document.bytes())?;
        let approved = approval::grant(document, desk.ledger(), now, named)?;
        let pre_images = wire::pre_images(&self.folder, &approved.plan().settings);
        let (world, wait) = (&self.wired, false);
        let mut executor = Executor {
            approved: &approved,
            world,
            desk: &mut desk,
            screen,
            wait,
            pre_images: &pre_images,
            stop: &stop,
        };
        let ended = executor::run(&mut executor)?;
        desk.head()?;
        Ok(ended)
    }

    /// Refuses every folder but a demo's own.
    pub(super) fn refuse_real(folder: &Path) -> Result<(), Fail> {
        let read = project::read(folder)?;
        let home = wire::home(folder, &read.project.settings)?;
        match journal::ledger(&home.read()?)?.clock {
            Some(JournalClock::Virtual) => Ok(()),
            _ => Err(Fail::refused("this is not the folder of a demo", "`keyrota demo FOLDER` makes one")),
        }
    }

    /// Whether the step behind the gate at which it stopped leads to the turn.
    pub(super) fn turn_is_next(&self, ended: &Ended) -> Result<bool, Fail> {
        let document = self.saved(PLAN)?;
        let waits =
            |step: &&String| matches!(ended, Ended::AtGate { held } if held.iter().any(|held| held.step == **step));
        let names: Vec<String> = document.plan().units.iter().flat_map(plan::Unit::step_names).collect();
        let steps = document.plan().units.iter().flat_map(|unit| &unit.steps);
        let last = names.iter().zip(steps).skip_while(|(name, _)| !waits(name)).find(|(name, _)| !waits(name));
        Ok(last.is_some_and(|(_, step)| step.turn) && matches!(ended, Ended::AtGate { held } if held.len() == 1))
    }

    fn saved(&self, file: &str) -> Result<Document, Fail> {
        Document::read(disk::read(&self.folder.join(file), PLAN_BYTES_MAX)?).map_err(unreadable)
    }

    /// What members did so far.
    pub(super) fn tally(&self) -> Tally {
        self.time.ask(|crowd| crowd.tally().clone()).unwrap_or_default()
    }

    /// A version by its name.
    pub(super) fn version(name: &str) -> Result<VersionId, Fault> {
        name.parse().map_err(|bad| Fault::report_bug("name a version of the demo", bad))
    }

    /// How many rows are under a version.
    pub(super) fn rows(&self, version: &str) -> Result<u64, Fail> {
        Ok(App::open(&self.folder.join("app.db"))?.count(version)?)
    }
}

fn told(failed: Failed) -> Fail {
    Fail::Fault(match failed {
        Failed::Fault(fault) => fault,
        other => Fault::give_up("make the demo's key", other),
    })
}
