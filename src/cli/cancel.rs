//! `keyrota cancel RUN`: give up a run and leave everything readable.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::project::nearest;
use crate::cli::runs;
use crate::cli::wire;
use crate::executor;
use crate::executor::Desk;
use crate::executor::Left;
use crate::journal::Clock as JournalClock;
use crate::journal::Ended;
use crate::journal::Event;
use crate::journal::Ledger;
use crate::journal::RunId;
use crate::journal::Standing;
use crate::model::State;
use crate::policy::visible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `keyrota status` names it.
    run: RunId,
    /// Why, for the journal and the report.
    #[arg(long, value_name = "TEXT", default_value = "a person asked for it")]
    because: String,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    // Nothing is asked of the policies: a run can be given up while they are being edited.
    let settings = project::settings(folder)?;
    let mut home = wire::home(folder, &settings)?;
    let stop = Arc::new(AtomicBool::new(false));
    let clock = wire::clock(&stop);
    let mut desk = Desk::take(home.as_mut(), clock.as_ref(), JournalClock::Real, &wire::actor(&settings))?;
    let standing = open(desk.ledger(), &args.run)?.clone();
    let document = runs::plan(desk.home(), &standing.plan)?;
    let left = match &document {
        Some(document) => {
            let plan = document.plan();
            let wired = wire::Wired::new(folder, &plan.policies, &plan.settings.allow, stop)?;
            executor::cancel(plan, standing.plan, &wired, &mut desk, &args.because)?
        }
        None => {
            desk.go_on(standing.plan)?;
            desk.say(vec![Event::RunCancelled { run: args.run.clone(), why: args.because.clone() }])?;
            Vec::new()
        }
    };
    let head = desk.head()?;
    match console.json {
        true => console.out_json(&serde_json::json!({ "run": args.run, "cancelled": true, "keys": left })),
        false => {
            console.out(&format!("{} is cancelled; its plan is used.", args.run));
            if document.is_none() {
                console.out(
                    "Its plan is not in the home, so nothing was looked at: `keyrota status` tells how things are.",
                );
            }
            left.iter().for_each(|left| tell(left, console));
            console.out("What is left to do is found again by `keyrota plan -o FILE`.");
        }
    }
    console.say(&head.to_string());
    Ok(Exit::Done)
}

fn open<'a>(ledger: &'a Ledger, run: &RunId) -> Result<&'a Standing, Fail> {
    let Some(standing) = ledger.runs.get(run) else {
        let near = nearest(run.as_str(), ledger.open().map(|run| run.run.as_str())).unwrap_or_default();
        return Err(Fail::refused(
            format!("the journal knows no run `{run}`"),
            format!("{near}`keyrota status` names every open run"),
        ));
    };
    let Some((how, at)) = standing.ended else { return Ok(standing) };
    let how = match how {
        Ended::Finished => "finished",
        Ended::Cancelled => "cancelled",
    };
    let why = format!("{run} was {how} on {}", crate::cli::list::hour(at));
    Err(Fail::refused(why, "`keyrota status` names every open run"))
}

fn tell(left: &Left, console: &mut Console) {
    if let Some(unknown) = &left.unknown {
        console.out(&format!("  {}: could not be looked at: {}", left.key, visible(unknown)));
        return;
    }
    let of = |state: State| left.versions.versions.iter().filter(move |version| version.state == state);
    let current: Vec<String> = of(State::Current).map(|version| format!("`{}` is current", version.id)).collect();
    let readable: Vec<String> =
        of(State::DecryptOnly).map(|version| format!("`{}` stays readable", version.id)).collect();
    let disabled: Vec<String> = of(State::Disabled).map(|version| format!("`{}` stays disabled", version.id)).collect();
    let all: Vec<String> = current.into_iter().chain(readable).chain(disabled).collect();
    let all = if all.is_empty() { "it has no version in use".to_owned() } else { all.join(", ") };
    console.out(&format!("  {}: {all}", left.key));
    if let Some(version) = &left.discarded {
        console.out(&format!("    `{version}` was discarded: it was staged, and nothing is sealed under it"));
    }
    for fleet in &left.holding {
        console.out(&format!(
            "    `{fleet}` still holds the version that was destroyed, and no later plan takes it from there: run its `deliver` or `withdraw` command by hand"
        ));
    }
    for fleet in &left.delivered {
        console.out(&format!("    `{fleet}` was given it; the copies there open nothing and can be taken away"));
    }
    if let Some((version, why)) = &left.kept {
        let why = visible(why);
        console.out(&format!(
            "    `{version}` stays staged, because {why}; it is readable, and the next rotation makes another version"
        ));
    }
}
