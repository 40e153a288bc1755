//! `keyrota demo`: a rotation from beginning to end in a small true world, told to somebody who never saw the tool.
//! The hours are simulated; nothing else is, but the members of the fleet.

mod killed;
mod screen;
mod stage;
mod words;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::wire;
use crate::decision::Wish;
use crate::disk;
use crate::executor::Ended;
use crate::fault::Fault;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::VersionId;
use crate::plan::rule::Code;
use killed::Midway;
use screen::Narrator;
use screen::day;
use stage::DESTROY;
use stage::PLAN;
use stage::Stage;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An empty folder for it, or one to be made.
    #[arg(default_value = "keyrota-demo")]
    folder: PathBuf,
    /// Goes on with a demo's own plan, to be killed in the middle of it.
    #[arg(long, hide = true)]
    midway: bool,
}

const POLICY: &str = include_str!("demo/policy.toml");
/// How old the key is when the story begins.
const DAYS: u64 = 85;
/// How long the whole story takes: it ends before now.
const STORY: Span = Span::days(DAYS + 44);
/// The policy and its folder are for everybody who may look.
const OPEN_FILE: u32 = 0o644;
const OPEN_FOLDER: u32 = 0o755;
/// No plan of a demo has more gates.
const GATES_MAX: usize = 20;

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let folder = &args.folder;
    if args.midway {
        return killed::child(folder).map(|()| Exit::Done);
    }
    refuse_full(folder)?;
    disk::make_folder(&folder.join("policies"), OPEN_FOLDER)?;
    disk::create_new(&folder.join("policies/demo.toml"), POLICY.as_bytes(), OPEN_FILE)?;
    let mut stage = Stage::open(folder, begin())?;
    let mut narrator = Narrator::new(console);
    narrator.console.out(words::OPENING);
    the_world(&stage, &mut narrator)?;
    the_plan(&stage, &mut narrator)?;
    a_wrong_plan(&stage, &mut narrator)?;
    up_to_the_rewrap(&mut stage, &mut narrator)?;
    a_kill(&mut stage, &mut narrator)?;
    to_the_end(&mut stage, &mut narrator)?;
    the_end_of_the_old_key(&mut stage, &mut narrator)?;
    what_came_of_it(&stage, &mut narrator)
}

/// An hour far enough in the past that the story ends before now.
fn begin() -> Hour {
    let now = wire::clock(&Arc::default()).now();
    let morning = now.date_naive().and_hms_opt(9, 0, 0).map_or(now, |morning| morning.and_utc());
    STORY.before(morning)
}

fn refuse_full(folder: &Path) -> Result<(), Fail> {
    let doing = || format!("look into `{}`", folder.display());
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::io(doing(), &error).into()),
        Ok(true) => Ok(()),
        Ok(false) => Err(Fail::refused(
            format!("`{}` is not empty, and a demo makes a world of its own", folder.display()),
            "take it away, or name another folder: `keyrota demo FOLDER`",
        )),
    }
}

fn the_world(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    stage.furnish(DAYS)?;
    narrator.section("A small world");
    narrator.say(&words::world(&stage.folder));
    narrator.command("validate", stage.time.hour());
    narrator.printed(&match stage.doubts() {
        0 => "1 key in 1 policy read well".to_owned(),
        some => format!("1 key in 1 policy read well; {some} things to think about"),
    });
    Ok(())
}

fn the_plan(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("The plan");
    stage.time.pass(Span::minutes(60).after(stage.time.hour()));
    narrator.say(words::PLAN);
    narrator.command(&format!("plan -o {PLAN}"), stage.time.hour());
    let document = stage.plan(&Wish::WhatIsDue, PLAN)?;
    let paper = narrator.console.paper();
    narrator.printed(&crate::render::plan::text(&document, paper));
    narrator.say(words::PLAN_END);
    Ok(())
}

fn a_wrong_plan(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("What if the plan were wrong?");
    narrator.say(words::WRONG);
    match stage.without(Code::R20)? {
        Some(violation) => narrator.printed(&format!("refused: {violation}")),
        None => return Err(Fault::report_bug("refuse a wrong plan", "it was proved").into()),
    }
    narrator.say(words::WRONG_END);
    Ok(())
}

/// Goes through gates until something is to be done that takes the turn; the child does that.
fn up_to_the_rewrap(stage: &mut Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("To the first gate");
    narrator.say(words::APPLY);
    for _ in 0..GATES_MAX {
        narrator.command(&format!("apply {PLAN}"), stage.time.hour());
        let ended = stage.apply(PLAN, &[], narrator)?;
        narrator.ended(&ended);
        let Some(opens) = opens(&ended) else { break };
        stage.time.pass(opens);
        if stage.turn_is_next(&ended)? {
            break;
        }
    }
    Ok(())
}

fn a_kill(stage: &mut Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("Killed in the middle");
    narrator.say(words::CUT);
    narrator.command("apply", stage.time.hour());
    let midway = Midway::start(&stage.folder, stage.time.hour())?;
    let (old, new) = (stage.rows("v1")?, stage.rows("v2")?);
    narrator.printed(&format!("moving every value to the new version: {new} rows are under v2, {old} still under v1"));
    // For ten minutes both work at once; then there is nobody but the servers.
    let before = stage.tally();
    stage.time.pass(Span::minutes(10).after(stage.time.hour()));
    narrator.command_of(&format!("kill -9 {}", midway.id()), stage.time.hour());
    midway.kill()?;
    stage.time.pass(Span::minutes(180).after(stage.time.hour()));
    let after = stage.tally();
    narrator.say(&words::meanwhile(after.opened.saturating_sub(before.opened), after.failures.len()));
    Ok(())
}

/// Goes through every gate of a plan to its end.
fn through(
    stage: &mut Stage,
    narrator: &mut Narrator<'_>,
    (file, named): (&str, &[(KeyName, VersionId)]),
    first: &str,
) -> Result<(), Fail> {
    let mut command = first;
    for _ in 0..GATES_MAX {
        narrator.command(command, stage.time.hour());
        let ended = stage.apply(file, named, narrator)?;
        narrator.ended(&ended);
        let Some(opens) = opens(&ended) else { break };
        stage.time.pass(opens);
        command = "apply";
    }
    Ok(())
}

fn to_the_end(stage: &mut Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("Going on");
    narrator.say(words::GO_ON);
    through(stage, narrator, (PLAN, &[]), "apply")?;
    narrator.command("verify", stage.time.hour());
    narrator.printed(&killed::asked(&stage.folder, &["verify"])?);
    Ok(())
}

fn the_end_of_the_old_key(stage: &mut Stage, narrator: &mut Narrator<'_>) -> Result<(), Fail> {
    narrator.section("The end of the old key");
    narrator.say(words::DESTROY);
    stage.time.pass(Span::days(41).after(stage.time.hour()));
    narrator.command(&format!("plan --destroy -o {DESTROY}"), stage.time.hour());
    let document = stage.plan(&Wish::Destroy, DESTROY)?;
    let paper = narrator.console.paper();
    narrator.printed_first(&crate::render::plan::text(&document, paper));
    let named = [(Stage::key()?, Stage::version("v1")?)];
    through(stage, narrator, (DESTROY, &named), &format!("apply {DESTROY} --destroy {}@v1", Stage::key()?))
}

fn what_came_of_it(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<Exit, Fail> {
    stage.time.ask(|crowd| crowd.read_all());
    let tally = stage.tally();
    narrator.section("What came of it");
    narrator.say(&words::sum(&tally, day(stage.time.hour())));
    if let Some(first) = tally.failures.first() {
        let why = format!("{} times, first {first}", tally.failures.len());
        return Err(Fault::report_bug("keep every value readable in the demo", why).into());
    }
    narrator.command("report", stage.time.hour());
    let report = killed::asked(&stage.folder, &["report"])?;
    narrator.printed_between(&report, "Every version", "  proved before");
    narrator.console.out(&words::closing(&program(), &stage.folder));
    Ok(Exit::Done)
}

fn opens(ended: &Ended) -> Option<Hour> {
    match ended {
        Ended::AtGate { held } => screen::next(held).and_then(|held| held.opens),
        _ => None,
    }
}

/// This program as it was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "keyrota".into())
}
