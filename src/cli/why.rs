//! `keyrota why KEY[@V]`: why (not) rotate, retire or destroy, with everything counted.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::project::nearest;
use crate::cli::runs;
use crate::cli::status::glance;
use crate::cli::target::Target;
use crate::cli::wire;
use crate::decision;
use crate::decision::Wish;
use crate::inventory::KeySeen;
use crate::journal::Ledger;
use crate::model::KeyName;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Project;
use crate::render::why;
use crate::survey;
use crate::survey::Depth;
use crate::survey::trace;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key, and perhaps one version of it.
    #[arg(value_name = "POLICY/KEY[@VERSION]")]
    target: Target,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let name = &args.target.key;
    let (policy, key) = project::key(&read.project, name)?;
    let (ledger, mut inventory, home) = glance(folder, &read.project)?;
    // The key itself is counted; the others, which may only come before it, are glanced at.
    let seen = count(folder, &read.project, name, &ledger)?;
    let now = ledger.last.map_or(inventory.hour, |last| last.max(inventory.hour));
    inventory.keys.insert(name.clone(), seen.clone());
    let only = args.target.version.as_ref().map(|id| version(&seen, name, id)).transpose()?;
    let decisions = decision::decide(&read.project, &inventory, &Wish::WhatIsDue);
    let Some(decision) = decisions.iter().find(|decision| decision.key == *name) else {
        return Err(Fail::refused(format!("nothing was decided about `{name}`"), "this is a bug of keyrota"));
    };
    let runs = runs::open(home.as_ref(), &ledger, now)?;
    let run = runs.iter().find(|run| run.keys.contains(name));
    let case = why::Case { policy, key, seen: &seen, decision, run, hour: now };
    let answers = why::answer(case, only);
    match console.json {
        true => console.out_json(&answers),
        false => console.out(&why::text(&answers, console.paper())),
    }
    Ok(Exit::Done)
}

/// Looks at one key and counts everything that it seals.
pub(super) fn count(folder: &Path, project: &Project, name: &KeyName, ledger: &Ledger) -> Result<KeySeen, Fail> {
    let mut alone = project.clone();
    alone.policies.retain(|policy| policy.name == *name.policy());
    for policy in &mut alone.policies {
        policy.keys.retain(|key, _| key == name.key());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let wired = wire::Wired::new(folder, &alone.policies, &alone.settings.allow, stop)?;
    let mut inventory = survey::look(&alone, &wired, &ledger.past(), Depth::Count);
    trace::note(&mut inventory, ledger);
    if ledger.keys.get(name).is_some_and(|known| !known.compromised.is_empty()) {
        survey::hear(&mut inventory, &alone, &wired, name);
    }
    let gone = || Fail::refused(format!("`{name}` was not looked at"), "this is a bug of keyrota");
    inventory.keys.remove(name).ok_or_else(gone)
}

/// A version that is there.
pub(super) fn version<'a>(seen: &'a KeySeen, name: &KeyName, id: &VersionId) -> Result<&'a Version, Fail> {
    seen.key.version(id).ok_or_else(|| {
        if let Some(unreachable) = seen.unreachable.first() {
            let hint = unreachable.hint.clone().unwrap_or_else(|| format!("`keyrota why {name}`"));
            return Fail::refused(format!("{}: {}", unreachable.what, unreachable.why), hint);
        }
        let all: Vec<&str> = seen.key.versions.iter().map(|version| version.id.as_str()).collect();
        let near = nearest(id.as_str(), all.iter().copied()).unwrap_or_default();
        Fail::refused(format!("`{name}` has no version `{id}`"), format!("{near}it has: {}", all.join(", ")))
    })
}
