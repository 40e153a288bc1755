//! The demo's world, and the way through it: the same survey, planner, prover, executor and adapters as in every other
//! command. Only the clock and the members are made up, and the journal says so.

use crate::approval;
use crate::approval::Approved;
use crate::cli::console::Console;
use crate::cli::exit::Fail;
use crate::cli::list;
use crate::cli::project;
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
use crate::home::Local;
use crate::journal;
use crate::journal::Clock as JournalClock;
use crate::model::Change;
use crate::model::KeyName;
use crate::model::VersionId;
use crate::plan;
use crate::plan::Document;
use crate::plan::rule::Code;
use crate::policy::Read;
use crate::port::home::Home;
use crate::port::world::World;
use crate::prove;
use crate::simulated::Crowd;
use crate::simulated::Habits;
use crate::simulated::Time;
use crate::simulated::app::App;
use crate::simulated::member;
use crate::survey;
use crate::survey::Depth;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Who acts, by the demo's journal.
pub(super) const ACTOR: &str = "demo";
/// The rows of the application's table.
pub(super) const ROWS: i64 = 10_000;
/// The hours that members live by: the policy's own bounds for keys and writes, and a pace for the rest.
const SEED: u64 = 2_026;
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
    home: Local,
}

/// A plan that was drawn.
pub(super) struct Drawn {
    /// What was decided, and why.
    pub(super) decisions: Vec<decision::Decision>,
    /// The plan with its proof.
    pub(super) document: Document,
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

    /// Makes the key's first version at this hour, and the application's table full of rows that it sealed.
    pub(super) fn furnish(&self) -> Result<(), Fail> {
        let (key, backend) = (key()?, self.backend()?);
        let prepared = backend.prepare(KEYS, Algorithm::Aes256).map_err(told)?;
        let (hour, first) = (self.time.hour(), prepared.version.clone());
        backend.change(KEYS, &prepared.add(false), Some(&prepared), hour).map_err(told)?;
        backend.change(KEYS, &Change::Switch { to: first.clone() }, None, hour).map_err(told)?;
        let material = app::usable(&backend.material(KEYS, &first).map_err(told)?)?;
        let mut app = App::create(&self.folder.join("app.db"))?;
        let known = app.fill(1..=ROWS, first.as_str(), &material)?;
        debug_assert_eq!(key.policy().as_str(), "demo");
        let habits = Habits {
            refreshes: Span::minutes(60),
            in_flight: Span::minutes(1),
            writes: Span::minutes(180),
            reads: Span::minutes(60),
            rows: 40,
            restarts: Span::days(3),
        };
        let crowd = Crowd::new(app, (self.folder.join(KEYS), (1..).zip(known).collect()), &MEMBERS, habits, (SEED, hour))?;
        self.time.live(crowd);
        Ok(())
    }
}
