//! `keyrota status`: where everything stands, by a glance that costs no table scan.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::runs;
use crate::cli::wire;
use crate::decision;
use crate::decision::Decision;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::inventory::Inventory;
use crate::inventory::KeySeen;
use crate::journal;
use crate::journal::Clock;
use crate::journal::Ledger;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::Version;
use crate::policy::Project;
use crate::policy::guard_is_for;
use crate::port::home::Home;
use crate::render::status;
use crate::survey;
use crate::survey::Depth;
use crate::survey::trace;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Every key, also those that are well.
    #[arg(long)]
    all: bool,
    /// Exit with 4 when a key is overdue or past a guard, with 5 when one is blocked or a gate was missed.
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let (ledger, inventory, home) = glance(folder, &read.project)?;
    let now = ledger.last.map_or(inventory.hour, |last| last.max(inventory.hour));
    let decisions = decision::decide(&read.project, &inventory, &Wish::WhatIsDue);
    let keys = decisions.into_iter().map(|decision| {
        let seen = inventory.keys.get(&decision.key);
        key(&read.project, decision, seen, &ledger, now)
    });
    let lost = trace::lost(&inventory);
    let seen = status::Status {
        hour: now,
        simulated: ledger.clock == Some(Clock::Virtual),
        keys: keys.collect(),
        runs: runs::open(home.as_ref(), &ledger, now)?,
        unmanaged: inventory.unmanaged,
    };
    match console.json {
        true => console.out_json(&seen),
        false => console.out(&status::text(&seen, args.all, console.paper())),
    }
    // Everything above is told by a journal that is not the whole one: whoever asked is told that last.
    if let Some(broken) = lost {
        return Err(Fail::Broken(broken));
    }
    Ok(if args.exit_code { exit(&seen) } else { Exit::Done })
}

/// The journal and the world at a glance.
pub(super) fn glance(folder: &Path, project: &Project) -> Result<(Ledger, Inventory, Box<dyn Home>), Fail> {
    let stop = Arc::new(AtomicBool::new(false));
    let wired = wire::Wired::new(folder, &project.policies, &project.settings.allow, stop)?;
    let home = wire::home(folder, &project.settings)?;
    let ledger = journal::ledger(&home.read()?)?;
    let mut inventory = survey::look(project, &wired, &ledger.past(), Depth::Glance);
    trace::note(&mut inventory, &ledger);
    Ok((ledger, inventory, home))
}

fn exit(seen: &status::Status) -> Exit {
    let stuck = |key: &&status::Key| matches!(key.verdict, Verdict::Blocked | Verdict::RolledBack);
    if seen.keys.iter().any(|key| stuck(&key)) || seen.runs.iter().any(|run| run.late) {
        return Exit::Refused;
    }
    let passed = seen.keys.iter().any(|key| key.overdue || !key.violates.is_empty());
    if passed { Exit::Overdue } else { Exit::Done }
}

fn key(project: &Project, decision: Decision, seen: Option<&KeySeen>, ledger: &Ledger, now: Hour) -> status::Key {
    let policy = project.policies.iter().find(|policy| policy.name == *decision.key.policy());
    let mut versions = seen.map(|seen| seen.key.versions.clone()).unwrap_or_default();
    for version in &mut versions {
        version.compromised |= seen.is_some_and(|seen| seen.past.compromised.contains(&version.id));
    }
    let current = versions.iter().find(|version| version.state == crate::model::State::Current).cloned();
    let since = current.as_ref().and_then(|current| since(project, &decision.key, current, seen));
    status::Key {
        owner: policy.map(|policy| policy.owner.clone()).unwrap_or_default(),
        overdue: decision.due_by.is_some_and(|due| due < now),
        violates: since.map(|since| guards(project, &decision.key, Span::between(since, now))).unwrap_or_default(),
        current_since: since,
        quarantined: ledger.keys.get(&decision.key).map_or(0, |known| known.quarantine.len()),
        verdict: decision.verdict,
        start_by: decision.start_by,
        due_by: decision.due_by,
        reasons: decision.reasons,
        key: decision.key,
        versions,
    }
}

fn since(project: &Project, name: &KeyName, current: &Version, seen: Option<&KeySeen>) -> Option<Hour> {
    let journal = seen.and_then(|seen| seen.past.current_since.get(&current.id).copied());
    let declared = || project::key(project, name).ok().and_then(|(_, key)| key.born);
    journal.or(current.current_since).or(current.born).or_else(declared)
}

/// The guards that the current version's age is past.
fn guards(project: &Project, key: &KeyName, age: Span) -> Vec<String> {
    let mine = project.settings.guard.iter().filter(|guard| guard_is_for(&guard.keys, &key.to_string()));
    let past = mine.filter_map(|guard| guard.current_at_most.filter(|most| age > *most).map(|most| (guard, most)));
    past.map(|(guard, most)| {
        format!("the guard for `{}` allows {most} with one current version, and it has been {age}", guard.keys)
    })
    .collect()
}
