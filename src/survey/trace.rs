//! Traces of our own runs in the world that this journal does not know: then the journal, or its end, is lost, or the place
//! belongs to another home. A key with such a trace is never taken for a new one.

use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::inventory::key::Drift;
use crate::journal::Broken;
use crate::journal::Ledger;
use crate::journal::Why;
use crate::model::KeyName;

/// Notes at every key the run that changed it last, where the journal does not know that run.
pub fn note(inventory: &mut Inventory, ledger: &Ledger) {
    inventory.keys.values_mut().for_each(|seen| note_one(seen, ledger));
}

/// The same for one key.
pub fn note_one(seen: &mut KeySeen, ledger: &Ledger) {
    let Some(run) = &seen.run else { return };
    if !knows(ledger, run) {
        seen.drift.insert(0, Drift::UnknownRun { run: run.clone() });
    }
}

/// Whether the journal knows a run by its name.
#[must_use]
pub fn knows(ledger: &Ledger, run: &str) -> bool {
    ledger.runs.keys().any(|known| known.as_str() == run)
}

/// The refusal, where anything was noted.
#[must_use]
pub fn lost(inventory: &Inventory) -> Option<Broken> {
    let mut noted = inventory.keys.iter().filter_map(|(name, seen)| Some((name, run_of(seen)?)));
    let (key, run) = noted.next()?;
    Some(refusal(key, run, noted.count()))
}

/// The refusal for a key that was changed by this run, and for so many others.
#[must_use]
pub fn refusal(key: &KeyName, run: &str, more: usize) -> Broken {
    Broken::of(Why::Unknown { key: key.clone(), run: run.to_owned(), more })
}

fn run_of(seen: &KeySeen) -> Option<&str> {
    seen.drift.iter().find_map(|drift| match drift {
        Drift::UnknownRun { run } => Some(run.as_str()),
        _ => None,
    })
}
