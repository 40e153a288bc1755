//! One walk through the journal: what became of every version, and what was out of the ordinary.

use crate::journal::Broken;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Journal;
use crate::journal::RunId;
use crate::journal::StepName;
use crate::model::Change;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::State;
use crate::model::VersionId;
use crate::report::Ask;
use crate::report::Counted;
use crate::report::line;
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that happened, in words.
#[derive(Debug, Clone, Serialize)]
pub struct Dated {
    /// The entry of the journal.
    pub entry: u64,
    /// When.
    pub at: Hour,
    /// Who caused it.
    pub actor: String,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// What.
    pub text: String,
}

/// A version that changed its state.
#[derive(Debug, Clone, Serialize)]
pub struct Turned {
    /// The entry of the journal.
    pub entry: u64,
    /// When.
    pub at: Hour,
    /// The version.
    pub version: VersionId,
    /// The state it came to; nothing where it was only said to be known to others.
    pub state: Option<State>,
    /// How.
    pub how: &'static str,
    /// Who caused it.
    pub actor: String,
    /// The run that did it.
    pub run: Option<RunId>,
}

/// What one walk gathers.
#[derive(Debug, Default)]
pub struct Gathered {
    /// By key, what became of its versions.
    pub timeline: BTreeMap<KeyName, Vec<Turned>>,
    /// By run and step, when it was done and by whom.
    pub done: BTreeMap<(RunId, StepName), (Hour, String)>,
    /// By run, key and store, the first and the last count.
    pub counts: BTreeMap<(RunId, KeyName, String), (Counted, Counted)>,
    /// By run, why it was given up.
    pub cancelled: BTreeMap<RunId, String>,
    /// By run, who said yes.
    pub approved: BTreeMap<RunId, Vec<String>>,
    /// What failed.
    pub failures: Vec<Dated>,
    /// Rules that somebody went past.
    pub overrides: Vec<Dated>,
    /// What else is out of the ordinary.
    pub remarks: Vec<Dated>,
}

impl Gathered {
    /// Walks through a journal.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn of(journal: &Journal, ask: &Ask) -> Result<Self, Broken> {
        let mut all = Self::default();
        for entry in journal.entries() {
            let entry = entry?;
            all.versions(&entry, ask);
            all.runs(&entry);
            all.ordinary(&entry, ask);
        }
        Ok(all)
    }

    fn versions(&mut self, entry: &Entry, ask: &Ask) {
        let mut put = |key: &KeyName, version: &VersionId, state: Option<State>, how: &'static str| {
            if !ask.whose(key) {
                return;
            }
            let timeline = self.timeline.entry(key.clone()).or_default();
            timeline.push(Turned {
                entry: entry.n,
                at: entry.at,
                version: version.clone(),
                state,
                how,
                actor: entry.actor.clone(),
                run: entry.run.clone(),
            });
        };
        match &entry.event {
            Event::RunOpened { keys, .. } => {
                for (key, base) in keys {
                    for version in &base.versions.versions {
                        put(key, &version.id, Some(version.state), "found");
                    }
                }
            }
            Event::Done { change, .. } => {
                for (key, change) in change {
                    let (version, state, how) = turned(change);
                    put(key, version, Some(state), how);
                }
            }
            Event::Adopted { key, version, current, .. } => {
                put(key, version, current.then_some(State::Current), "adopted");
            }
            Event::Compromised { key, version, .. } => put(key, version, None, "known to others"),
            _ => {}
        }
        // A version is found by every run: only what is new in that is told.
        if let Event::RunOpened { keys, .. } = &entry.event {
            for key in keys.keys() {
                self.timeline.get_mut(key).map(news);
            }
        }
    }

    fn runs(&mut self, entry: &Entry) {
        let Some(run) = entry.run.clone() else { return };
        match &entry.event {
            Event::RunOpened { approved, .. } => drop(self.approved.insert(run, approved.clone())),
            Event::RunCancelled { why, .. } => drop(self.cancelled.insert(run, why.clone())),
            Event::Done { step, .. } => {
                self.done.insert((run, step.clone()), (entry.at, entry.actor.clone()));
            }
            Event::Census { key, store, under, strange, clean } => {
                let counted = Counted { at: entry.at, under: under.clone(), strange: *strange, clean: *clean };
                let slot = self.counts.entry((run, key.clone(), store.to_string()));
                slot.and_modify(|(_, last)| *last = counted.clone()).or_insert((counted.clone(), counted));
            }
            _ => {}
        }
    }

    fn ordinary(&mut self, entry: &Entry, ask: &Ask) {
        let concerns = match &entry.event {
            Event::Failed { step, .. } => {
                ask.key.as_ref().is_none_or(|key| step.as_str().starts_with(&format!("{key}/")))
            }
            Event::Adopted { key, .. }
            | Event::Compromised { key, .. }
            | Event::TakenBack { key }
            | Event::Quarantined { key, .. }
            | Event::QuarantineSettled { key, .. } => ask.whose(key),
            _ => true,
        };
        if !ask.when(entry.at) || !concerns {
            return;
        }
        let told = match &entry.event {
            Event::Failed { .. } => &mut self.failures,
            Event::Override { .. } => &mut self.overrides,
            Event::RunCancelled { .. }
            | Event::Adopted { .. }
            | Event::Compromised { .. }
            | Event::TakenBack { .. }
            | Event::Quarantined { .. }
            | Event::QuarantineSettled { .. }
            | Event::Recovered { .. }
            | Event::SetAside { .. }
            | Event::Note { .. } => &mut self.remarks,
            _ => return,
        };
        told.push(Dated {
            entry: entry.n,
            at: entry.at,
            actor: entry.actor.clone(),
            run: entry.run.clone(),
            text: line::told(&entry.event),
        });
    }
}

const fn turned(change: &Change) -> (&VersionId, State, &'static str) {
    match change {
        Change::Add { version, promotes: true, .. } => (version, State::Current, "made"),
        Change::Add { version, .. } => (version, State::Staged, "made"),
        Change::Switch { to } => (to, State::Current, "switched to"),
        Change::Retire { version } => (version, State::Disabled, "retired"),
        Change::Enable { version } => (version, State::DecryptOnly, "enabled again"),
        Change::Discard { version } => (version, State::Destroyed, "discarded, never used"),
        Change::Destroy { version } => (version, State::Destroyed, "destroyed"),
    }
}

/// Leaves out what a run found as it was already told. That one version became current says that the one before did not
/// stay so.
fn news(timeline: &mut Vec<Turned>) {
    let mut states: BTreeMap<VersionId, Option<State>> = BTreeMap::new();
    timeline.retain(|turned| {
        let known = states.get(&turned.version).copied().flatten();
        let told = turned.how == "found" && known == turned.state;
        if turned.state == Some(State::Current) && !told {
            for state in states.values_mut().filter(|state| **state == Some(State::Current)) {
                *state = Some(State::DecryptOnly);
            }
        }
        states.insert(turned.version.clone(), turned.state);
        !told
    });
}
