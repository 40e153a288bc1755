//! Gates against the world: which stand open, until when the others stay shut, which were missed.

use crate::course::Door;
use crate::course::freeze;
use crate::decision::calendar;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Risk;
use crate::plan::Gate;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::policy::meant::project::Calendar;
use std::collections::BTreeMap;

/// When things happened, by the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// When the run was opened.
    pub opened: Hour,
    /// When each step was begun for the first time: before that, it cannot have acted.
    pub begun: Vec<Option<Hour>>,
    /// When each step was done.
    pub done: Vec<Option<Hour>>,
}

/// What was seen of the world that gates ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// For each key's place and fleet: how far the members' proof has come.
    pub proofs: BTreeMap<(usize, Name), Proven>,
    /// The proofs that could not be read, and why.
    pub unread: BTreeMap<(usize, Name), String>,
    /// The voices that were heard, by class.
    pub voices: BTreeMap<Risk, u32>,
    /// The voices that are needed, by class.
    pub needed: BTreeMap<Risk, u32>,
}

/// How far a fleet's proof has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proven {
    /// Members that proved to know the new version, freshly.
    pub know: u32,
    /// Members that did not, by name.
    pub missing: Vec<String>,
}

/// One step's gates: how they stand together, and the hours that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// How they stand.
    pub door: Door,
    /// When it opens, where time alone decides.
    pub opens: Option<Hour>,
    /// By when it must have opened.
    pub by: Option<Hour>,
    /// What else it waits for, in words.
    pub waits_for: Vec<String>,
}

/// How the gates of every step stand at this hour.
#[must_use]
pub fn facts(
    unit: &Unit,
    progress: &Progress,
    times: &Times,
    seen: &Observation,
    calendar: &Calendar,
    now: Hour,
) -> Vec<Fact> {
    (0..unit.steps.len()).map(|step| fact(unit, progress, times, seen, calendar, now, step)).collect()
}

fn fact(
    unit: &Unit,
    progress: &Progress,
    times: &Times,
    seen: &Observation,
    calendar: &Calendar,
    now: Hour,
    index: usize,
) -> Fact {
    let mut fact = Fact { door: Door::Open, opens: None, by: None, waits_for: Vec::new() };
    let Some(step) = unit.steps.get(index) else { return fact };
    if progress.at(index) == At::Done {
        return fact;
    }
    fact.by = deadline(unit, times, index);
    // Spans count from the last of what the step needs, or from the opening of the run.
    let mut needed = step.needs.iter().map(|need| times.done.get(need.step).copied().flatten());
    let from = needed.try_fold(times.opened, |latest, done| Some(latest.max(done?)));
    let Some(from) = from else {
        fact.door = Door::Shut;
        return fact;
    };
    for gate in &step.gates {
        match gate {
            Gate::After { by } => fact.not_before(by.after(from), now),
            Gate::NotAfter { .. } => {}
            Gate::Proof { fleet, at_least } => {
                let place = (step.key, fleet.clone());
                match seen.unread.get(&place) {
                    Some(why) => fact.shut(format!("`{fleet}` to prove it, which could not be read: {why}")),
                    None => fact.proof(seen.proofs.get(&place), fleet, *at_least),
                }
            }
            Gate::Window { window, lasts } => match calendar::opens(calendar, window, *lasts, now) {
                Some(hour) => fact.not_before(hour, now),
                None => fact.shut(format!("window `{window}` to be open for {lasts}")),
            },
            Gate::Approval { class } => {
                let count = |voices: &BTreeMap<Risk, u32>| voices.get(class).copied().unwrap_or(0);
                if count(&seen.voices) < count(&seen.needed) {
                    fact.shut(format!("{} of {} voices for `{class}`", count(&seen.voices), count(&seen.needed)));
                }
            }
        }
    }
    let begun = |at| progress.at(at) != At::Ahead;
    if let Some(freeze) = calendar::frozen(calendar, now).filter(|_| freeze::waits_out(unit, index, begun)) {
        fact.not_before(freeze.to, now);
        fact.waits_for.push(format!("the freeze to end ({})", freeze.because));
    }
    if fact.door == Door::Shut && fact.by.is_some_and(|by| now >= by) {
        fact.door = Door::Late;
    }
    fact
}

/// By when a step's gates must have opened. It counts from the intent to make the new version: that members can count
/// from, and an executor that dies before it has written down that the version is made moves no deadline.
#[must_use]
pub fn deadline(unit: &Unit, times: &Times, index: usize) -> Option<Hour> {
    let step = unit.steps.get(index)?;
    let within = step.gates.iter().filter_map(|gate| match gate {
        Gate::NotAfter { within } => Some(*within),
        _ => None,
    });
    let within = within.min()?;
    let made = unit.making(step.key).map_or(Some(times.opened), |add| times.begun.get(add).copied().flatten());
    made.map(|made| within.after(made))
}

/// Whether the calendar still lets a step begin: every window that it waits for is open, and no freeze holds it. Hours may
/// pass between the look at all gates and an act, where other acts come first.
#[must_use]
pub fn in_time(unit: &Unit, progress: &Progress, index: usize, calendar: &Calendar, now: Hour) -> bool {
    let Some(step) = unit.steps.get(index) else { return false };
    let open = step.gates.iter().all(|gate| match gate {
        Gate::Window { window, lasts } => {
            calendar::opens(calendar, window, *lasts, now).is_some_and(|opens| opens <= now)
        }
        _ => true,
    });
    let begun = |at| progress.at(at) != At::Ahead;
    open && (calendar::frozen(calendar, now).is_none() || !freeze::waits_out(unit, index, begun))
}

impl Fact {
    fn shut(&mut self, waits_for: String) {
        self.door = Door::Shut;
        self.waits_for.push(waits_for);
    }

    fn not_before(&mut self, hour: Hour, now: Hour) {
        self.opens = Some(self.opens.map_or(hour, |opens| opens.max(hour)));
        if now < hour {
            self.door = Door::Shut;
        }
    }

    fn proof(&mut self, proven: Option<&Proven>, fleet: &Name, at_least: u32) {
        let none = Proven::default();
        let proven = proven.unwrap_or(&none);
        // An empty list never opens a gate.
        let enough = proven.know >= at_least.max(1);
        if enough && proven.missing.is_empty() {
            return;
        }
        let missing = match proven.missing.as_slice() {
            [] => format!("{} of at least {} members of `{fleet}` have proved it", proven.know, at_least.max(1)),
            names => format!("`{fleet}` to prove it: {} not yet", names.join(", ")),
        };
        self.shut(missing);
    }
}
