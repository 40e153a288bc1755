//! All that the journal says, folded up entry by entry: runs, keys, approvals.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::inventory::key::Past;
use crate::journal::broken::Broken;
use crate::journal::broken::Why;
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::known::Count;
use crate::journal::known::Known;
use crate::journal::name::RunId;
use crate::journal::parts::Clock;
use crate::journal::standing::Standing;
use crate::journal::standing::step_of;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Risk;

/// Where everything stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// How many entries were taken in.
    pub count: u64,
    /// The hour of the last. Journal time never goes back: the executor's hour is never before this.
    pub last: Option<Hour>,
    /// Whose hours stand in it.
    pub clock: Option<Clock>,
    /// Every run.
    pub runs: BTreeMap<RunId, Standing>,
    /// Every key.
    pub keys: BTreeMap<KeyName, Known>,
    /// Every approval, by the plan's id, in the order in which they came.
    pub approvals: BTreeMap<Digest, Vec<Approval>>,
}

/// One signature under a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// When it was journaled.
    pub at: Hour,
    /// For steps up to which risk.
    pub stage: Risk,
    /// Who.
    pub principal: String,
    /// The fingerprint of the signing key.
    pub key: String,
    /// The signature, armoured.
    pub signature: String,
}

impl Ledger {
    /// The runs that go on.
    pub fn open(&self) -> impl Iterator<Item = &Standing> {
        self.runs.values().filter(|run| run.is_open())
    }

    /// The run that carries out, or carried out, this plan.
    #[must_use]
    pub fn of_plan(&self, plan: &Digest) -> Option<&Standing> {
        self.runs.values().find(|run| run.plan == *plan)
    }

    /// What is known of every key, for the inventory.
    #[must_use]
    pub fn past(&self) -> BTreeMap<KeyName, Past> {
        self.keys.iter().map(|(name, known)| (name.clone(), known.past())).collect()
    }

    /// Takes in the next entry.
    ///
    /// # Errors
    /// It cannot follow what stands before it; the ledger is then as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Broken> {
        self.check(entry).map_err(|why| Broken::at(entry.n, why))?;
        self.count = entry.n;
        self.last = Some(entry.at);
        match &entry.event {
            Event::Begun { clock, .. } => self.clock = Some(*clock),
            Event::RunOpened { run, keys, .. } => {
                self.runs.extend(Standing::opened(entry).map(|standing| (run.clone(), standing)));
                for (name, base) in keys {
                    self.keys.entry(name.clone()).or_default().opened(run, base);
                }
            }
            Event::RunFinished { run } | Event::RunCancelled { run, .. } => {
                self.follow(run, entry);
                self.keys.values_mut().for_each(|known| known.ended(run));
            }
            Event::Approval { plan, stage, principal, key, signature } => {
                self.approvals.entry(*plan).or_default().push(Approval {
                    at: entry.at,
                    stage: *stage,
                    principal: principal.clone(),
                    key: key.clone(),
                    signature: signature.clone(),
                });
            }
            event => {
                if let Some(run) = &entry.run {
                    self.follow(run, entry);
                    self.change(run, entry);
                }
                self.learn(event, entry.at);
            }
        }
        Ok(())
    }

    fn follow(&mut self, run: &RunId, entry: &Entry) {
        if let Some(standing) = self.runs.get_mut(run) {
            standing.apply(entry);
        }
    }

    /// What a step that is done changed.
    fn change(&mut self, run: &RunId, entry: &Entry) {
        let Event::Done { step, change, .. } = &entry.event else { return };
        let begun = self.runs.get(run).and_then(|standing| standing.step(step).first_begun).unwrap_or(entry.at);
        for (name, change) in change {
            self.keys.entry(name.clone()).or_default().changed(change, begun, entry.at);
        }
    }

    /// What an event says of one key.
    fn learn(&mut self, event: &Event, at: Hour) {
        match event {
            Event::Observation { key, versions, members } => self.key(key).seen(at, versions, members),
            Event::Census { key, store, under, strange, clean } => {
                let count = Count { at, under: under.clone(), strange: *strange, clean: *clean };
                self.key(key).stores.insert(store.clone(), Some(count));
            }
            Event::Quarantined { key, at, names, .. } => {
                self.key(key).quarantine.insert(at.clone(), names.clone());
            }
            Event::QuarantineSettled { key, at, .. } => {
                self.key(key).quarantine.remove(at);
            }
            Event::Adopted { key, version, fingerprint, current } => {
                self.key(key).adopted(version, fingerprint.as_ref(), *current);
            }
            Event::Compromised { key, version, .. } => self.key(key).compromised(version),
            _ => {}
        }
    }

    fn key(&mut self, name: &KeyName) -> &mut Known {
        self.keys.entry(name.clone()).or_default()
    }

    fn check(&self, entry: &Entry) -> Result<(), Why> {
        let impossible = |because: String| Err(Why::Impossible { because });
        if entry.n != self.count.saturating_add(1) {
            return Err(Why::Place { found: entry.n });
        }
        if matches!(entry.event, Event::Begun { .. }) != (entry.n == 1) {
            return Err(Why::Beginning);
        }
        match &entry.event {
            Event::RunOpened { run, .. } if self.runs.contains_key(run) => {
                impossible(format!("run `{run}` was opened before"))
            }
            Event::RunFinished { run } | Event::RunCancelled { run, .. } => self.check_open(run),
            event => match (step_of(event), &entry.run) {
                (Some(_), Some(run)) => self.check_open(run),
                (Some(step), None) => impossible(format!("step `{step}` belongs to no run")),
                (None, _) => Ok(()),
            },
        }
    }

    fn check_open(&self, run: &RunId) -> Result<(), Why> {
        match self.runs.get(run) {
            Some(standing) if standing.is_open() => Ok(()),
            Some(_) => Err(Why::Impossible { because: format!("run `{run}` has ended") }),
            None => Err(Why::Impossible { because: format!("run `{run}` was never opened") }),
        }
    }
}
