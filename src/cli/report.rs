//! `keyrota report`: the evidence, drawn from plans and journal.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::lost;
use crate::cli::project;
use crate::cli::runs;
use crate::cli::wire;
use crate::decision::Reason;
use crate::inventory::Inventory;
use crate::inventory::Unmanaged;
use crate::inventory::key::Drift;
use crate::journal;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::render;
use crate::report;
use crate::report::Ask;
use crate::report::Material;
use crate::survey;
use crate::survey::Depth;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// From this day or hour on (2026-01-31, or 2026-01-31T12:00:00Z).
    #[arg(long, value_name = "WHEN", value_parser = from)]
    from: Option<Hour>,
    /// Up to the end of this day, or this hour.
    #[arg(long, value_name = "WHEN", value_parser = to)]
    to: Option<Hour>,
    /// Only this key.
    #[arg(long, value_name = "POLICY/KEY")]
    key: Option<KeyName>,
    /// Print it in Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let ask = Ask { from: args.from, to: args.to, key: args.key.clone() };
    if let (Some(from), Some(to)) = (ask.from, ask.to)
        && from > to
    {
        return Err(Fail::refused("`--from` is later than `--to`", "exchange them"));
    }
    let read = project::read(folder)?;
    let home = wire::home(folder, &read.project.settings)?;
    let journal = home.read()?;
    let ledger = journal::ledger(&journal)?;
    if let Some(key) = args.key.as_ref().filter(|key| !ledger.keys.contains_key(key)) {
        project::key(&read.project, key)?;
    }
    let mut plans = Vec::new();
    for standing in ledger.runs.values() {
        plans.extend(runs::plan(home.as_ref(), &standing.plan)?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let wired = wire::Wired::new(folder, &read.project.policies, &read.project.settings.allow, stop)?;
    let mut seen = survey::look(&read.project, &wired, &ledger.past(), Depth::Glance);
    lost::refuse(&mut seen, &ledger)?;
    let hour = ledger.last.map_or(seen.hour, |last| last.max(seen.hour));
    let unmanaged = unmanaged(&seen, args.key.as_ref());
    let material = Material { journal: &journal, plans: &plans, project: &read.project, unmanaged, hour };
    let drawn = report::write(&material, &ask)?;
    match (console.json, args.markdown) {
        (true, _) => console.out_json(&drawn),
        (_, true) => console.out(&render::report::markdown(&drawn)),
        _ => console.out(&render::report::text(&drawn, console.paper())),
    }
    Ok(Exit::Done)
}

/// What is there and in no policy, versions that we did not make, and what could not be looked at.
fn unmanaged(seen: &Inventory, only: Option<&KeyName>) -> Vec<String> {
    // Keys that only the journal knows stand in the report by themselves.
    let told = seen.unmanaged.iter().filter(|one| match one {
        Unmanaged::Former { .. } => false,
        Unmanaged::File { key, .. } => only.is_none_or(|only| only == key),
        Unmanaged::Place { .. } => only.is_none(),
    });
    let mut all: Vec<String> = told.map(ToString::to_string).collect();
    for (name, key) in seen.keys.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let strangers = key.drift.iter().filter(|drift| !matches!(drift, Drift::RotatesItself { .. }));
        let told = strangers.map(|drift| {
            let reason = Reason::Drifted { drift: drift.clone() };
            format!("{name}: {}", render::status::reason(name, &reason))
        });
        all.extend(told);
        all.extend(
            key.unreachable.iter().map(|what| format!("{name}: {} could not be looked at: {}", what.what, what.why)),
        );
    }
    all
}

fn from(text: &str) -> Result<Hour, String> {
    hour(text, Span::ZERO)
}

fn to(text: &str) -> Result<Hour, String> {
    hour(text, Span::seconds(24 * 60 * 60 - 1))
}

/// An hour, or a day of which so much has passed.
fn hour(text: &str, into_the_day: Span) -> Result<Hour, String> {
    if let Ok(hour) = text.parse::<Hour>() {
        return Ok(hour);
    }
    let day = format!("{text}T00:00:00Z").parse::<Hour>();
    let day = day.map_err(|_| "write a day (2026-01-31) or an hour (2026-01-31T12:00:00Z)".to_owned())?;
    Ok(into_the_day.after(day))
}
