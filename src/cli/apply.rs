//! `keyrota apply`: go on to the next gate, with this plan or with every open run.

use crate::approval;
use crate::approval::Approved;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::list;
use crate::cli::lost;
use crate::cli::notice;
use crate::cli::notice::Notices;
use crate::cli::plan::PLAN_BYTES_MAX;
use crate::cli::project;
use crate::cli::show::unreadable;
use crate::cli::wire;
use crate::disk;
use crate::executor;
use crate::executor::Desk;
use crate::executor::Ended;
use crate::executor::Executor;
use crate::fault::Fault;
use crate::journal::Clock as JournalClock;
use crate::journal::Standing;
use crate::model::KeyName;
use crate::model::VersionId;
use crate::plan::Document;
use crate::plan::Plan;
use crate::port::home::Home;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// The arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan's file. Without one, every open run goes on.
    plan: Option<PathBuf>,
    /// Stay at gates until they open.
    #[arg(long)]
    wait: bool,
    /// Exit with 3 when it stops at a gate.
    #[arg(long)]
    exit_code: bool,
    /// Name what a destroy plan destroys, again.
    #[arg(long, value_name = "POLICY/KEY@VERSION")]
    destroy: Vec<String>,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let settings = &read.project.settings;
    let named = args.destroy.iter().map(|text| version(text)).collect::<Result<Vec<_>, _>>()?;
    let handed = match &args.plan {
        Some(file) => Some(Document::read(disk::read(file, PLAN_BYTES_MAX)?).map_err(unreadable)?),
        None => None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let doing = "listen for a request to stop";
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Fault::io(doing, &error))?;
    }
    let mut home = wire::home(folder, settings)?;
    let wired = wire::Wired::new(folder, &read.project.policies, &settings.allow, Arc::clone(&stop))?;
    lost::refuse_at(&wired, &read.project.policies, &crate::journal::ledger(&home.read()?)?)?;
    let clock = crate::cli::wire::clock(&stop);
    let documents = match handed {
        Some(document) => vec![Ok(document)],
        None => open_runs(home.as_ref())?,
    };
    if documents.is_empty() {
        console.out("No run is open. `keyrota plan` says what is due.");
        return Ok(Exit::Done);
    }
    // One run that cannot go on keeps no other from it: each is tried, each is told, and the worst is the exit code.
    let mut exit = Exit::Done;
    let mut sound = Vec::new();
    for document in documents {
        let document = document.and_then(|document| {
            same_policies(&read.project.policies, document.plan())?;
            Ok(document)
        });
        match document {
            Ok(document) => sound.push(document),
            Err(fail) => exit = exit.max(console.fail(&fail)),
        }
    }
    if sound.is_empty() {
        return Ok(exit);
    }
    let mut desk = Desk::take(home.as_mut(), clock.as_ref(), JournalClock::Real, &wire::actor(settings))?;
    for document in sound {
        let ended = one(folder, args, console, (document, &named), &mut desk, &stop);
        exit = exit.max(ended.unwrap_or_else(|fail| console.fail(&fail)));
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    Ok(exit)
}

fn one(
    folder: &Path,
    args: &Args,
    console: &mut Console,
    (document, named): (Document, &[(KeyName, VersionId)]),
    desk: &mut Desk<'_>,
    stop: &Arc<AtomicBool>,
) -> Result<Exit, Fail> {
    let now = desk.now();
    let approved = approval::grant(document, desk.ledger(), now, named)?;
    // Only what may be carried out is kept beside the journal.
    desk.home().save_plan(&approved.id(), approved.bytes())?;
    carry_out(folder, args, console, &approved, desk, stop)
}

fn carry_out(
    folder: &Path,
    args: &Args,
    console: &mut Console,
    approved: &Approved,
    desk: &mut Desk<'_>,
    stop: &Arc<AtomicBool>,
) -> Result<Exit, Fail> {
    let plan = approved.plan();
    let wired = wire::Wired::new(folder, &plan.policies, &plan.settings.allow, Arc::clone(stop))?;
    let mut untold = Vec::new();
    let mut screen = Notices::new(list::Progress::new(console), folder, plan, &mut untold);
    let pre_images = wire::pre_images(folder, &plan.settings);
    let mut executor =
        Executor { approved, world: &wired, desk, screen: &mut screen, wait: args.wait, pre_images: &pre_images, stop };
    let ended = executor::run(&mut executor)?;
    drop(screen);
    notice::complain(console, &untold);
    let head = desk.head()?;
    list::ended(console, approved, desk, &ended);
    console.say(&head.to_string());
    Ok(match ended {
        Ended::Finished | Ended::Stopped { .. } => Exit::Done,
        Ended::AtGate { .. } if args.exit_code => Exit::AtGate,
        Ended::AtGate { .. } => Exit::Done,
        Ended::Late { .. } => Exit::Refused,
        Ended::Failed { failed, .. } => {
            failed.into_iter().map(|(_, fault)| Fail::Fault(fault).exit()).max().unwrap_or(Exit::Failed)
        }
    })
}

/// The plans of every open run, as the home keeps them.
fn open_runs(home: &dyn Home) -> Result<Vec<Result<Document, Fail>>, Fail> {
    let ledger = crate::journal::ledger(&home.read()?)?;
    let plan = |standing: &Standing| -> Result<Document, Fail> {
        let Some(bytes) = home.plan(&standing.plan)? else {
            let why = format!("run `{}` is open, and its plan is not in the home", standing.run);
            return Err(Fail::refused(why, "hand it over again: `keyrota apply PLAN`"));
        };
        Document::read(bytes).map_err(unreadable)
    };
    Ok(ledger.open().map(plan).collect())
}

/// A policy that changed since the plan was drawn stops it: what was reviewed is not what is meant today.
fn same_policies(today: &[crate::policy::Policy], plan: &Plan) -> Result<(), Fail> {
    for planned in &plan.policies {
        let changed = match today.iter().find(|policy| policy.name == planned.name) {
            None => format!("policy `{}` is gone", planned.name),
            Some(policy) if policy.digest != planned.digest => format!("`{}` changed", policy.file),
            Some(_) => continue,
        };
        return Err(Fail::refused(
            format!("{changed} since the plan was drawn; what was reviewed is not what is meant today"),
            "put it back, or `keyrota cancel` the run and plan anew",
        ));
    }
    Ok(())
}

/// `policy/key@version`.
pub(super) fn version(text: &str) -> Result<(KeyName, VersionId), Fail> {
    let wrong = |why: String| Fail::refused(why, "write it as `policy/key@version`");
    let (key, version) = text.split_once('@').ok_or_else(|| wrong(format!("`{text}` names no version")))?;
    let key = key.parse().map_err(|bad| wrong(format!("`{key}`: {bad}")))?;
    let version = version.parse().map_err(|bad| wrong(format!("`{version}`: {bad}")))?;
    Ok((key, version))
}
