//! `keyrota verify`: open everything, count everything, change nothing.

use crate::cli::at;
use crate::cli::at::Walked;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::executor::rewrap::Quarantined;
use crate::executor::values;
use crate::fault::Fault;
use crate::journal;
use crate::journal::Known;
use crate::journal::Ledger;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::store::Place;
use crate::policy::visible;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what this key seals.
    #[arg(long, value_name = "POLICY/KEY")]
    key: Option<KeyName>,
}

/// How many values that do not open are printed for each store; all are counted, and `--json` has all of them.
const PRINTED_MAX: usize = 20;

/// What one key seals.
#[derive(Serialize)]
struct KeyTold {
    key: KeyName,
    stores: Vec<StoreTold>,
    /// Stores that nobody can look into.
    unseen: Vec<Name>,
    fault: Option<Fault>,
}

#[derive(Serialize)]
struct StoreTold {
    store: Name,
    opened: u64,
    unopened: u64,
    /// Those among them that somebody accepted as lost.
    accepted: u64,
    under: BTreeMap<VersionId, u64>,
    strange: u64,
    values: Vec<Quarantined>,
    stopped: bool,
    /// The version that its service moves to, where that was asked instead of opening anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<VersionId>,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    if let Some(name) = &args.key {
        project::key(&read.project, name)?;
    }
    let stop = at::stopping()?;
    let settings = &read.project.settings;
    let wired = wire::Wired::new(folder, &read.project.policies, &settings.allow, Arc::clone(&stop))?;
    let ledger = journal::ledger(&wire::home(folder, settings)?.read()?)?;
    let mut told = Vec::new();
    for policy in &read.project.policies {
        for (name, key) in &policy.keys {
            let whole = policy.key_name(name);
            if args.key.as_ref().is_none_or(|wanted| *wanted == whole) {
                let one = one(&wired, policy, whole, key, &ledger, &stop);
                if !console.json {
                    print(&one, console);
                }
                told.push(one);
            }
        }
    }
    let bad = told.iter().any(|key| key.fault.is_some() || key.stores.iter().any(StoreTold::bad));
    match console.json {
        true => console.out_json(&told),
        false => sum(&told, bad, console),
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn one(
    wired: &wire::Wired,
    policy: &Policy,
    name: KeyName,
    key: &meant::Key,
    ledger: &Ledger,
    stop: &AtomicBool,
) -> KeyTold {
    let unseen = |store: &&Name| policy.stores.get(*store).is_some_and(|store| store.place == Place::Unseen);
    let unseen = key.seals.iter().filter(unseen).cloned().collect();
    let walked = at::look(wired, &name, key).and_then(|seen| at::walk(wired, policy, &name, key, &seen, stop));
    let known = ledger.keys.get(&name);
    match walked {
        Ok(walked) => {
            let stores = walked.into_iter().map(|walked| StoreTold::of(walked, known)).collect();
            KeyTold { key: name, stores, unseen, fault: None }
        }
        Err(fault) => KeyTold { key: name, stores: Vec::new(), unseen, fault: Some(fault) },
    }
}

impl StoreTold {
    fn of(walked: Walked, known: Option<&Known>) -> Self {
        let accepted = |value: &&Quarantined| {
            known.is_some_and(|known| known.accepted.contains_key(&values::place(&walked.store, value)))
        };
        let accepted = walked.unopened.iter().filter(accepted).count();
        let mut told = Self {
            opened: 0,
            unopened: 0,
            accepted: u64::try_from(accepted).unwrap_or(u64::MAX),
            under: BTreeMap::new(),
            strange: 0,
            stopped: false,
            asked: walked.asked,
            store: walked.store,
            values: walked.unopened,
        };
        for block in walked.blocks {
            told.opened = told.opened.saturating_add(block.opened);
            told.unopened = told.unopened.saturating_add(block.unopened);
            told.strange = told.strange.saturating_add(block.census.strange);
            told.stopped |= block.stopped;
            for (version, count) in block.census.under {
                let sum = told.under.entry(version).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        told
    }

    fn counted(&self) -> u64 {
        self.under.values().fold(self.strange, |sum, count| sum.saturating_add(*count))
    }

    fn bad(&self) -> bool {
        self.unopened > self.accepted || self.stopped
    }
}

fn print(key: &KeyTold, console: &mut Console) {
    console.out(&key.key.to_string());
    if let Some(fault) = &key.fault {
        console.out(&format!("  {}", visible(&fault.to_string())));
        if let Some(hint) = &fault.hint {
            console.hint(&visible(hint));
        }
    }
    for store in &key.stores {
        let mut counts: Vec<String> = store.under.iter().map(|(id, count)| format!("{count} under `{id}`")).collect();
        if store.strange > 0 {
            counts.push(format!("{} under no version of it", store.strange));
        }
        let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let stopped = if store.stopped { "; stopped before its end" } else { "" };
        let total = if store.asked.is_some() { store.counted() } else { store.opened + store.unopened };
        console.out(&format!("  `{}`: {}{counts}{stopped}", store.store, values(total)));
        if let Some(target) = &store.asked {
            console.out(&format!("    by its service, which moves to `{target}` and opened none of what is under it"));
        }
        if store.unopened > 0 {
            let accepted =
                if store.accepted > 0 { format!(", {} of them accepted", store.accepted) } else { String::new() };
            let word = if store.unopened == 1 { "does" } else { "do" };
            let fails = if store.asked.is_some() { "could not be moved" } else { &format!("{word} not open") };
            console.out(&format!("    {} {fails}{accepted}", values(store.unopened)));
        }
        for value in store.values.iter().take(PRINTED_MAX) {
            console.out(&format!("      {}", visible(&value.to_string())));
        }
        if store.values.len() > PRINTED_MAX {
            console.out(&format!("      and {} more: `--json` names all of them", store.values.len() - PRINTED_MAX));
        }
    }
    for store in &key.unseen {
        console.out(&format!("  `{store}`: not opened; nobody can look into it"));
    }
}

fn values(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "value", "values")
}

fn sum(told: &[KeyTold], bad: bool, console: &mut Console) {
    let stores = || told.iter().flat_map(|key| &key.stores);
    let opened: u64 = stores().map(|store| store.opened).sum();
    let unopened: u64 = stores().map(|store| store.unopened).sum();
    let failed = told.iter().filter(|key| key.fault.is_some()).count();
    let asked: u64 = stores().filter(|store| store.asked.is_some()).map(StoreTold::counted).sum();
    if !bad {
        let keys = count(told.len(), "key", "keys");
        return console.out(&match (opened, asked) {
            (_, 0) => format!("Every value opens: {} of {keys}.", values(opened)),
            (0, _) => format!("Services name no failure: {} of {keys}, opened by nobody.", values(asked)),
            _ => format!(
                "Every value opens: {} of {keys}; services name no failure among {}.",
                values(opened),
                values(asked)
            ),
        });
    }
    let failed =
        if failed > 0 { format!("; {} could not be looked at", count(failed, "key", "keys")) } else { String::new() };
    console.out(&format!("{} opened, {unopened} did not{failed}.", values(opened)));
    if unopened > 0 {
        console.hint("bring back the key or the row from a backup; nothing was changed");
    }
}
