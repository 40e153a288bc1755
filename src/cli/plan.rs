//! `keyrota plan`: decide, draw, prove, show.

mod asked;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::lost;
use crate::cli::project;
use crate::cli::wire;
use crate::decision;
use crate::decision::Decision;
use crate::decision::Verdict;
use crate::decision::Wish;
use crate::disk;
use crate::journal;
use crate::plan;
use crate::plan::Document;
use crate::policy::Project;
use crate::prove;
use crate::survey;
use crate::survey::Depth;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use asked::Asked;

/// The arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Save the plan to this file, for review and `apply`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// Say "same plan, later dates" when nothing but dates and estimates differ from this saved plan.
    #[arg(long, value_name = "OLD")]
    same_as: Option<PathBuf>,
    /// Exit with 2 when there is something to do, or to write down.
    #[arg(long)]
    exit_code: bool,
}

/// The most bytes of a plan's file.
pub(super) const PLAN_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let wish = args.asked.wish(&read.project)?;
    let decisions = decide(folder, &read.project, &wish)?;
    let (decisions, inventory) = decisions;
    let blocked = decisions.iter().any(|d| matches!(d.verdict, Verdict::Blocked | Verdict::RolledBack));
    let drawn = plan::draw(&read.project, &inventory, decisions, &wish, None).map_err(cyclic)?;
    let document = Document::of(prove::check(drawn)?);
    let empty = document.plan().units.is_empty();
    // A plan without steps may still have something to write down.
    if let Some(out) = args.out.as_ref().filter(|_| !empty || !document.plan().leaks.is_empty()) {
        disk::write_whole(out, document.bytes(), disk::PRIVATE_FILE)?;
    }
    show(&document, args, console)?;
    if empty && args.asked.destroy && !console.json {
        console.hint("what keeps each old version: `keyrota why POLICY/KEY@VERSION`");
    }
    let news = document.plan().leaks.iter().any(|leak| is_news(leak, &inventory));
    Ok(match (args.exit_code, empty, blocked) {
        (_, true, true) => Exit::Refused,
        (true, false, _) => Exit::Planned,
        (true, true, false) if news => Exit::Planned,
        _ => Exit::Done,
    })
}

/// Whether the journal does not know yet that others know it.
fn is_news(leak: &decision::Leak, inventory: &crate::inventory::Inventory) -> bool {
    inventory.keys.get(&leak.key).is_none_or(|seen| !seen.past.compromised.contains(&leak.version))
}

fn show(document: &Document, args: &Args, console: &mut Console) -> Result<(), Fail> {
    super::show::print(document, console);
    let plan = document.plan();
    if console.json || plan.units.is_empty() && plan.leaks.is_empty() {
        return Ok(());
    }
    if let Some(old) = &args.same_as {
        let old = Document::read(disk::read(old, PLAN_BYTES_MAX)?).map_err(super::show::unreadable)?;
        let same = old.intent() == document.intent();
        console.out(if same { "Same plan as before, later dates." } else { "Another plan than before." });
    }
    match &args.out {
        Some(out) => {
            console.say(&format!("saved to {}; carry it out with `keyrota apply {}`", out.display(), out.display()))
        }
        None => console.hint("save it with `-o FILE` to carry it out; nothing was changed"),
    }
    Ok(())
}

/// Looks and decides.
pub(super) fn decide(
    folder: &Path,
    project: &Project,
    wish: &Wish,
) -> Result<(Vec<Decision>, crate::inventory::Inventory), Fail> {
    let stop = Arc::new(AtomicBool::new(false));
    let wired = wire::Wired::new(folder, &project.policies, &project.settings.allow, stop)?;
    let home = wire::home(folder, &project.settings)?;
    let ledger = journal::ledger(&home.read()?)?;
    let mut inventory = survey::look(project, &wired, &ledger.past(), Depth::Count);
    lost::refuse(&mut inventory, &ledger)?;
    if let Wish::Compromised(key, _) = wish {
        survey::hear(&mut inventory, project, &wired, key);
    }
    Ok((decision::decide(project, &inventory, wish), inventory))
}

pub(super) fn cyclic(cycle: crate::plan::graph::Cycle) -> Fail {
    let parts: Vec<String> = cycle.0.iter().map(crate::plan::phrase::title).collect();
    let why = format!("these steps would each have to come before the others: {}", parts.join("; "));
    Fail::Fault(crate::fault::Fault::report_bug("put the steps of a plan in order", why))
}
