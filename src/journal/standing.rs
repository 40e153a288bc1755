//! Where one run stands: each of its steps, by what the journal says and nothing else.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::name::RunId;
use crate::journal::name::StepName;
use crate::journal::parts::Base;
use crate::journal::parts::Facts;
use crate::journal::parts::Mark;
use crate::journal::parts::Opened;
use crate::model::Change;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The run.
    pub run: RunId,
    /// Its plan's id.
    pub plan: Digest,
    /// What its plan means to do.
    pub intent: Digest,
    /// When it was opened.
    pub opened_at: Hour,
    /// By whom.
    pub opened_by: String,
    /// What was found of each key when it was opened.
    pub keys: BTreeMap<KeyName, Base>,
    /// How and when it ended. Nothing while it is open.
    pub ended: Option<(Ended, Hour)>,
    steps: BTreeMap<StepName, StepRecord>,
    made: BTreeMap<KeyName, VersionId>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps were done.
    Finished,
    /// It was given up.
    Cancelled,
}

/// Where a step stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Stands {
    /// Nobody has begun it.
    #[default]
    Pending,
    /// Its intent is written; whether it acted, only the world knows.
    Begun {
        /// The attempt under way.
        attempt: u32,
        /// When it began.
        at: Hour,
    },
    /// It has acted, and was seen to.
    Done {
        /// When that was written down.
        at: Hour,
    },
    /// Its last attempt failed.
    Failed {
        /// Which attempt.
        attempt: u32,
        /// When that was written down.
        at: Hour,
        /// Why.
        fault: Fault,
    },
}

/// What the journal says of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepRecord {
    /// Where it stands.
    pub stands: Stands,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it was done, or tried, and put ahead again.
    pub undone: u32,
    /// When it was begun for the first time: before that, it cannot have acted.
    pub first_begun: Option<Hour>,
    /// The marks of all attempts, each once: a retry may find any of them in the world.
    pub marks: Vec<Mark>,
    /// What came of it.
    pub facts: Facts,
    /// What it did to versions.
    pub change: Vec<(KeyName, Change)>,
    /// The gates before it that opened: when, and by what.
    pub gates: BTreeMap<String, (Hour, Opened)>,
    /// Per store, how far a rewrap came.
    pub rewraps: BTreeMap<Name, Rewrapped>,
}

/// How far a rewrap came in one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// The round that the last line was about.
    pub round: u32,
    /// The values moved in all rounds.
    pub moved: u64,
    /// The values quarantined in the last round.
    pub quarantined: u64,
    /// The cursor within the round. Nothing when the round is over.
    pub up_to: Option<String>,
    /// Whether the last whole round found nothing to move.
    pub closed: bool,
}

static PENDING: StepRecord = StepRecord {
    stands: Stands::Pending,
    attempts: 0,
    undone: 0,
    first_begun: None,
    marks: Vec::new(),
    facts: Facts::new(),
    change: Vec::new(),
    gates: BTreeMap::new(),
    rewraps: BTreeMap::new(),
};

impl Standing {
    pub(super) fn opened(entry: &Entry) -> Option<Self> {
        let Event::RunOpened { run, plan, intent, keys, .. } = &entry.event else { return None };
        Some(Self {
            run: run.clone(),
            plan: *plan,
            intent: *intent,
            opened_at: entry.at,
            opened_by: entry.actor.clone(),
            keys: keys.clone(),
            ended: None,
            steps: BTreeMap::new(),
            made: BTreeMap::new(),
        })
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// A step's record. One that nobody has begun is pending.
    #[must_use]
    pub fn step(&self, step: &StepName) -> &StepRecord {
        self.steps.get(step).unwrap_or(&PENDING)
    }

    /// Every step that the journal names.
    pub fn steps(&self) -> impl Iterator<Item = (&StepName, &StepRecord)> {
        self.steps.iter()
    }

    /// When a step was done, if it was.
    #[must_use]
    pub fn done_at(&self, step: &StepName) -> Option<Hour> {
        match self.step(step).stands {
            Stands::Done { at } => Some(at),
            _ => None,
        }
    }

    /// The version that this run made of a key: what `KEY@new` stands for.
    #[must_use]
    pub fn made(&self, key: &KeyName) -> Option<&VersionId> {
        self.made.get(key)
    }

    /// Takes in one more entry of this run. Entries of other runs and of none are passed over.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::RunFinished { run } if *run == self.run => self.ended = Some((Ended::Finished, entry.at)),
            Event::RunCancelled { run, .. } if *run == self.run => self.ended = Some((Ended::Cancelled, entry.at)),
            event if entry.run.as_ref() == Some(&self.run) => {
                if let Some(step) = step_of(event) {
                    self.steps.entry(step.clone()).or_default().apply(event, entry.at);
                }
                if let Event::Done { change, undone, .. } = event {
                    for step in undone {
                        self.steps.entry(step.clone()).or_default().undo();
                    }
                    for (key, change) in change {
                        if let Change::Add { version, .. } = change {
                            self.made.insert(key.clone(), version.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl StepRecord {
    /// It is ahead again. What was tried before, and by which marks, stays known.
    fn undo(&mut self) {
        self.stands = Stands::Pending;
        self.undone = self.undone.saturating_add(1);
        self.facts.clear();
        self.change.clear();
    }

    fn apply(&mut self, event: &Event, at: Hour) {
        match event {
            Event::Intent { attempt, mark, .. } => {
                self.attempts = self.attempts.max(*attempt);
                self.first_begun.get_or_insert(at);
                if !self.marks.contains(mark) {
                    self.marks.push(mark.clone());
                }
                self.stands = Stands::Begun { attempt: *attempt, at };
            }
            Event::Done { attempt, facts, change, .. } => {
                self.attempts = self.attempts.max(*attempt);
                self.stands = Stands::Done { at };
                self.facts.clone_from(facts);
                self.change.clone_from(change);
            }
            Event::Failed { attempt, fault, .. } => {
                self.attempts = self.attempts.max(*attempt);
                self.stands = Stands::Failed { attempt: *attempt, at, fault: fault.clone() };
            }
            Event::Waited { gate, because, .. } => {
                self.gates.insert(gate.clone(), (at, *because));
            }
            Event::Chunk { store, round, moved, quarantined, up_to, .. } => {
                let rewrap = self.rewraps.entry(store.clone()).or_default();
                rewrap.begin(*round);
                rewrap.moved = rewrap.moved.saturating_add(*moved);
                rewrap.quarantined = rewrap.quarantined.saturating_add(*quarantined);
                rewrap.up_to = Some(up_to.clone());
            }
            Event::Round { store, round, found, quarantined, .. } => {
                let rewrap = self.rewraps.entry(store.clone()).or_default();
                rewrap.begin(*round);
                rewrap.quarantined = *quarantined;
                rewrap.up_to = None;
                rewrap.closed = *found == 0;
            }
            _ => {}
        }
    }
}

impl Rewrapped {
    fn begin(&mut self, round: u32) {
        if self.round != round {
            self.round = round;
            self.quarantined = 0;
            self.closed = false;
        }
    }
}

/// The step that an event is about.
pub(super) fn step_of(event: &Event) -> Option<&StepName> {
    match event {
        Event::Intent { step, .. }
        | Event::Done { step, .. }
        | Event::Failed { step, .. }
        | Event::Waited { step, .. }
        | Event::Chunk { step, .. }
        | Event::Round { step, .. } => Some(step),
        _ => None,
    }
}
