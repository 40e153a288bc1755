//! `keyrota quarantine list | accept | retry`: values that do not open. They are named and untouched; each pins its
//! version until a person settles it.

use crate::cli::at;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::list;
use crate::cli::project;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::digest;
use crate::executor::Desk;
use crate::executor::values;
use crate::journal::Clock as JournalClock;
use crate::journal::Event;
use crate::journal::Journal;
use crate::journal::Ledger;
use crate::journal::Place;
use crate::journal::Settled;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::policy::visible;
use crate::report;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The arguments of `quarantine`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Name every value that waits.
    List {
        /// Only those of this key.
        #[arg(long, value_name = "POLICY/KEY")]
        key: Option<KeyName>,
    },
    /// Accept that values never open again: they pin nothing any more.
    Accept {
        /// The values, as `list` names them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why, for the journal and the report.
        #[arg(long, value_name = "TEXT")]
        because: String,
    },
    /// Open them again, and settle those that open or are gone.
    Retry {
        /// Only those of this key.
        #[arg(long, value_name = "POLICY/KEY")]
        key: Option<KeyName>,
    },
}

/// One value that waits.
#[derive(Debug, Clone, Serialize)]
struct Waiting {
    id: String,
    key: KeyName,
    at: Place,
    names: Option<VersionId>,
    since: Option<Hour>,
    why: String,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    match args {
        Args::List { key } => {
            let journal = wire::home(folder, &project::settings(folder)?)?.read()?;
            let waiting = waiting(&journal, &crate::journal::ledger(&journal)?, key.as_ref())?;
            match console.json {
                true => console.out_json(&waiting),
                false => list_all(&waiting, console),
            }
            Ok(Exit::Done)
        }
        Args::Accept { ids, because } => accept(folder, ids, because, console),
        Args::Retry { key } => retry(folder, key.as_ref(), console),
    }
}

/// What waits, by the journal.
fn waiting(journal: &Journal, ledger: &Ledger, only: Option<&KeyName>) -> Result<Vec<Waiting>, Fail> {
    let mut told: BTreeMap<(KeyName, Place), (Hour, String)> = BTreeMap::new();
    for entry in journal.entries() {
        let entry = entry?;
        if let Event::Quarantined { key, at, why, .. } = entry.event {
            told.insert((key, at), (entry.at, why));
        }
    }
    let mut all = Vec::new();
    for (key, known) in ledger.keys.iter().filter(|(key, _)| only.is_none_or(|only| only == *key)) {
        for (at, names) in &known.quarantine {
            let found = told.get(&(key.clone(), at.clone())).cloned();
            let (since, why) = found.map_or((None, String::new()), |(since, why)| (Some(since), why));
            all.push(Waiting { id: id(key, at), key: key.clone(), at: at.clone(), names: names.clone(), since, why });
        }
    }
    Ok(all)
}

/// What a value is called on the command line.
fn id(key: &KeyName, at: &Place) -> String {
    let key = key.to_string();
    let mut parts = vec![key.as_bytes(), at.store.as_str().as_bytes(), at.table.as_bytes(), at.column.as_bytes()];
    parts.extend(at.row.iter().map(String::as_bytes));
    digest::of("keyrota-quarantined", &parts).short()
}

fn list_all(waiting: &[Waiting], console: &mut Console) {
    if waiting.is_empty() {
        return console.out("No value is in quarantine.");
    }
    for one in waiting {
        let names = one.names.as_ref().map_or("names no version".to_owned(), |version| format!("names `{version}`"));
        let since = one.since.map(|since| format!(", found {}", list::hour(since))).unwrap_or_default();
        console.out(&format!("{}  {}  {}", one.id, one.key, visible(&report::line::place(&one.at))));
        console.out(&format!("    {names}{since}: {}", visible(&one.why)));
    }
    console.hint(
        "bring the key or the row back from a backup, then `keyrota quarantine retry`; what can never open again: \
         `keyrota quarantine accept ID --because TEXT`",
    );
}

fn accept(folder: &Path, ids: &[String], because: &str, console: &mut Console) -> Result<Exit, Fail> {
    let settings = project::settings(folder)?;
    let mut home = wire::home(folder, &settings)?;
    let stop = at::stopping()?;
    let clock = wire::clock(&stop);
    let actor = wire::actor(&settings);
    let mut desk = Desk::take(home.as_mut(), clock.as_ref(), JournalClock::Real, &actor)?;
    let waiting = waiting(&desk.home().read()?, desk.ledger(), None)?;
    let mut chosen = Vec::new();
    for id in ids {
        let found: Vec<&Waiting> =
            waiting.iter().filter(|one| id.len() >= 4 && one.id.starts_with(id.as_str())).collect();
        match found.as_slice() {
            [one] => chosen.push(*one),
            [] => {
                let hint = "`keyrota quarantine list` names every value that waits";
                return Err(Fail::refused(format!("no value in quarantine is called `{id}`"), hint));
            }
            _ => {
                return Err(Fail::refused(format!("several values are called `{id}`"), "write more of its name"));
            }
        }
    }
    let mut events = Vec::new();
    for one in &chosen {
        let what = format!("the value in {} may be lost", report::line::place(&one.at));
        events.push(Event::Override { what, why: because.to_owned() });
        let (key, at) = (one.key.clone(), one.at.clone());
        events.push(Event::QuarantineSettled { key, at, how: Settled::Accepted, by: actor.clone() });
    }
    desk.say(events)?;
    let head = desk.head()?;
    match console.json {
        true => console.out_json(&chosen),
        false => console.out(&format!("{} accepted as lost.", count(chosen.len(), "value", "values"))),
    }
    console.say(&head.to_string());
    Ok(Exit::Done)
}

fn retry(folder: &Path, only: Option<&KeyName>, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let settings = &read.project.settings;
    let stop = at::stopping()?;
    let wired = wire::Wired::new(folder, &read.project.policies, &settings.allow, Arc::clone(&stop))?;
    let mut home = wire::home(folder, settings)?;
    let clock = wire::clock(&stop);
    let actor = wire::actor(settings);
    let mut desk = Desk::take(home.as_mut(), clock.as_ref(), JournalClock::Real, &actor)?;
    let waiting = waiting(&desk.home().read()?, desk.ledger(), only)?;
    let keys: BTreeSet<&KeyName> = waiting.iter().map(|one| &one.key).collect();
    let mut settled = Vec::new();
    for name in keys {
        let (policy, key) = project::key(&read.project, name)?;
        let seen = at::look(&wired, name, key)?;
        let mut shut: BTreeSet<Place> = BTreeSet::new();
        let mut walked: BTreeMap<Name, Option<VersionId>> = BTreeMap::new();
        for store in at::walk(&wired, policy, name, key, &seen, &stop)? {
            if store.blocks.iter().any(|block| block.stopped) {
                return Err(Fail::refused("it was stopped before its end", "nothing was settled; run it again"));
            }
            shut.extend(store.unopened.iter().map(|value| values::place(&store.store, value)));
            walked.insert(store.store, store.asked);
        }
        // A service opens nothing of what is under the version that it moves to: that it names no failure says nothing then.
        let looked = |one: &&Waiting| walked.get(&one.at.store).is_some_and(|to| to.is_none() || *to != one.names);
        settled.extend(waiting.iter().filter(|one| one.key == *name && !shut.contains(&one.at)).filter(looked));
    }
    let events = settled.iter().map(|one| {
        let (key, at) = (one.key.clone(), one.at.clone());
        Event::QuarantineSettled { key, at, how: Settled::Retried, by: actor.clone() }
    });
    desk.say(events.collect())?;
    let head = desk.head()?;
    match console.json {
        true => console.out_json(&settled),
        false => {
            let left = count(waiting.len() - settled.len(), "still waits", "still wait");
            let opened = count(settled.len(), "value opens again, or is gone", "values open again, or are gone");
            console.out(&format!("{opened}; {left}."));
        }
    }
    console.say(&head.to_string());
    Ok(if settled.len() == waiting.len() { Exit::Done } else { Exit::Refused })
}
