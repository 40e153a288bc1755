//! The executor's side of the journal: it writes a line, and at once knows what the line says.

use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::Base;
use crate::journal::Clock as JournalClock;
use crate::journal::Draft;
use crate::journal::Event;
use crate::journal::Head;
use crate::journal::Ledger;
use crate::journal::RunId;
use crate::journal::Standing;
use crate::model::Hour;
use crate::plan::Plan;
use crate::port::clock::Clock;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use std::cell::Cell;
use std::collections::BTreeMap;

/// The journal, held by this executor alone.
pub struct Desk<'a> {
    home: &'a mut dyn Home,
    lease: Lease,
    ledger: Ledger,
    actor: String,
    clock: &'a dyn Clock,
    /// The latest hour that anything was judged by: what is written after it is not written before it.
    latest: Cell<Option<Hour>>,
    run: Option<RunId>,
}

impl<'a> Desk<'a> {
    /// Takes the journal, checks all of it, and begins it where there is none.
    ///
    /// # Errors
    /// Somebody else has it; it is broken or lost; it was written in other hours than these.
    pub fn take(
        home: &'a mut dyn Home,
        clock: &'a dyn Clock,
        hours: JournalClock,
        actor: &str,
    ) -> Result<Self, Trouble> {
        let lease = home.lock(actor).map_err(Trouble::Fault)?;
        let ready = home.open(&lease)?;
        let ledger = crate::journal::ledger(&ready.journal).map_err(Trouble::Broken)?;
        if let Some(other) = ledger.clock.filter(|other| *other != hours) {
            let why = match other {
                JournalClock::Virtual => "its hours were made up by a simulation",
                JournalClock::Real => "its hours are real, and these are a simulation's",
            };
            let fault = Fault::give_up("go on with this journal", why);
            return Err(Trouble::Fault(fault.hint("use another folder for the one or the other")));
        }
        let mut desk = Self { home, lease, ledger, actor: actor.to_owned(), clock, latest: Cell::new(None), run: None };
        let mut first = Vec::new();
        if desk.ledger.count == 0 {
            first.push(Event::begun(hours));
        }
        first.extend(ready.aside.map(|aside| aside.event()));
        desk.say(first).map_err(Trouble::Fault)?;
        Ok(desk)
    }

    /// The hour. It never goes back: not behind the journal, nor behind an hour by which a gate was found open.
    #[must_use]
    pub fn now(&self) -> Hour {
        let now = self.clock.now();
        let now = self.ledger.last.into_iter().chain(self.latest.get()).fold(now, Hour::max);
        self.latest.set(Some(now));
        now
    }

    /// Where everything stands.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Where the run of this plan stands.
    #[must_use]
    pub fn standing(&self, plan: Digest) -> Option<&Standing> {
        self.ledger.of_plan(&plan)
    }

    /// The run at hand.
    ///
    /// # Errors
    /// There is none: a bug.
    pub fn run(&self) -> Result<RunId, Fault> {
        self.run.clone().ok_or_else(|| Fault::report_bug("write the journal", "no run is open"))
    }

    /// Opens a run for a plan.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn open(&mut self, id: Digest, intent: Digest, plan: &Plan) -> Result<(), Fault> {
        let run: RunId = format!("run-{}", id.short()).parse().map_err(|bad| Fault::report_bug("name a run", bad))?;
        let mut keys = BTreeMap::new();
        for planned in plan.units.iter().flat_map(|unit| &unit.keys) {
            let stores = planned.base.stores.keys().cloned().collect();
            keys.insert(planned.name.clone(), Base { versions: planned.base.key.clone(), stores });
        }
        let expires = Some(plan.expires);
        self.run = Some(run.clone());
        let mut events = vec![Event::RunOpened { run, plan: id, intent, keys, expires, approved: Vec::new() }];
        let why = || "whoever planned it said so: `plan --compromised`".to_owned();
        let leaks = plan.leaks.iter().map(|leak| (leak.key.clone(), leak.version.clone()));
        events.extend(leaks.map(|(key, version)| Event::Compromised { key, version, why: why() }));
        self.say(events)?;
        self.seal()
    }

    /// Goes on with the open run of a plan.
    ///
    /// # Errors
    /// There is none.
    pub fn go_on(&mut self, plan: Digest) -> Result<(), Fault> {
        self.run = self.standing(plan).map(|standing| standing.run.clone());
        self.run().map(drop)
    }

    /// Writes lines that survive a power cut.
    ///
    /// # Errors
    /// They cannot be kept: the run stops.
    pub fn say(&mut self, events: Vec<Event>) -> Result<(), Fault> {
        self.write(events, true)
    }

    /// Writes lines about progress that the world itself shows.
    ///
    /// # Errors
    /// As [`Desk::say`].
    pub fn jot(&mut self, events: Vec<Event>) -> Result<(), Fault> {
        self.write(events, false)
    }

    /// Makes sure that everything that was jotted survives a power cut.
    ///
    /// # Errors
    /// As [`Desk::say`].
    pub fn sync(&mut self) -> Result<(), Fault> {
        self.home.append(&self.lease, Vec::new()).map(drop)
    }

    fn write(&mut self, events: Vec<Event>, durable: bool) -> Result<(), Fault> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let drafts = events.into_iter().map(|event| {
            let draft = Draft::new(now, self.actor.clone(), event);
            match &self.run {
                Some(run) => draft.of(run),
                None => draft,
            }
        });
        let drafts = drafts.collect();
        let entries = match durable {
            true => self.home.append(&self.lease, drafts)?,
            false => self.home.jot(&self.lease, drafts)?,
        };
        for entry in &entries {
            self.ledger.apply(entry).map_err(|broken| Fault::report_bug("write the journal", broken))?;
        }
        Ok(())
    }

    /// Keeps the head apart.
    ///
    /// # Errors
    /// It cannot be kept: the run stops.
    pub fn seal(&mut self) -> Result<(), Fault> {
        self.home.seal_head(&self.lease).map(drop)
    }

    /// The head, kept apart.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn head(&mut self) -> Result<Head, Fault> {
        self.home.seal_head(&self.lease)
    }

    /// The home, for plans.
    pub fn home(&mut self) -> &mut dyn Home {
        self.home
    }
}
