//! One step, performed: what is chosen before its intent, and the act itself.

use crate::executor::Executor;
use crate::executor::counting;
use crate::executor::keep;
use crate::executor::moving;
use crate::executor::people;
use crate::executor::scene::Scene;
use crate::executor::turns;
use crate::executor::values;
use crate::executor::versions;
use crate::fault::Fault;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::StepName;
use crate::journal::StepRecord;
use crate::model::Change;
use crate::model::KeyName;
use crate::model::VersionId;
use crate::plan::Kind;
use crate::plan::Part;
use crate::policy::meant::check::When;
use crate::port::backend::Prepared;
use crate::port::world::World;

/// What was chosen before a step's intent was written.
#[derive(Debug)]
pub(super) enum Chosen {
    /// Nothing.
    Nothing,
    /// A version that will be made, and the newest one before it where nothing can be marked.
    Version(Prepared, Option<VersionId>),
    /// A version that an earlier attempt of ours made: it is found and not made again.
    Found(Mark),
}

impl Chosen {
    /// What the intent says of it.
    pub(super) fn mark(&self) -> Mark {
        match self {
            Chosen::Nothing => Mark::default(),
            Chosen::Version(prepared, base) => Mark {
                base: base.clone(),
                version: Some(prepared.version.clone()),
                fingerprint: prepared.fingerprint.clone(),
                ..Mark::default()
            },
            Chosen::Found(mark) => mark.clone(),
        }
    }
}

/// How an act ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done.
    Done {
        /// What came of it.
        facts: Facts,
        /// What it did to versions.
        change: Vec<(KeyName, Change)>,
    },
    /// It was stopped in the middle, at our own wish; it goes on from the data.
    Stopped,
    /// It failed.
    Failed(Fault),
    /// It looked, and found what must not be: the retirement before it is taken back, or a service has to move more.
    Late(Fault),
}

impl Outcome {
    /// Done, with nothing to tell.
    pub(super) const fn done() -> Self {
        Outcome::Done { facts: Facts::new(), change: Vec::new() }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Outcome::Failed(fault)
    }
}

/// Chooses what must be known before the intent is written.
pub(super) fn prepare(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<Chosen, Fault> {
    match scene.step.part {
        Part::Add => versions::choose(world, scene, record),
        _ => Ok(Chosen::Nothing),
    }
}

/// Whether an act that was begun in an earlier attempt took, by what the world shows. Then it is written down, and nothing
/// is repeated. What cannot be seen did not.
pub(super) fn took(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<bool, Fault> {
    match &scene.step.part {
        Part::Add => versions::is_made(world, scene, record),
        // Where no books are kept a look does not show whether copies are left, as in older documents: it is done once more.
        Part::Destroy if !scene.planned.base.able.remembers => Ok(false),
        Part::Enable | Part::Switch | Part::Retire | Part::Destroy => versions::is_done(world, scene),
        Part::Point { fleet, member } => people::is_pointed(world, scene, fleet, member.as_ref()),
        Part::Rewrap { service: false } => counting::is_moved(world, scene),
        _ => Ok(false),
    }
}

/// Does it. An error means that the journal failed, and the run with it.
pub(super) fn act(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    step: &StepName,
    chosen: Chosen,
) -> Result<Outcome, Fault> {
    let world = executor.world;
    let outcome = match &scene.step.part {
        Part::Wait { .. } => Ok(Outcome::done()),
        Part::Check { when, .. } => people::check(world, scene, *when).map(|passed| match passed {
            Ok(facts) => Outcome::Done { facts, change: Vec::new() },
            Err(fault) if *when == When::Retired => Outcome::Late(fault),
            Err(fault) => Outcome::Failed(fault),
        }),
        Part::Add => versions::add(executor, scene, chosen),
        Part::Enable | Part::Switch => versions::change(executor, scene),
        Part::Retire | Part::Destroy => match versions::is_done(world, scene) {
            Ok(true) => versions::change(executor, scene),
            Ok(false) => match look_again(executor, scene, step)? {
                Outcome::Done { facts, .. } if moving::moved(&facts) => return Ok(anew(scene, "disable")),
                Outcome::Done { .. } => versions::change(executor, scene),
                other => return Ok(other),
            },
            Err(fault) => Err(fault),
        },
        Part::Deliver { fleet } => scene.new_version().and_then(|new| people::deliver(world, scene, fleet, new)),
        Part::Withdraw { fleet } => match look_again(executor, scene, step)? {
            Outcome::Done { facts, .. } if moving::moved(&facts) => return Ok(anew(scene, "take away")),
            Outcome::Done { .. } => people::withdraw(world, scene, fleet),
            other => return Ok(other),
        },
        Part::Restart { fleet, member, .. } => turns::restart(executor, scene, step, fleet, member.as_ref()),
        Part::Point { fleet, member } => people::point(world, scene, fleet, member.as_ref()),
        Part::Open { .. } => return values::open(executor, scene),
        Part::Keep => values::keep(executor, scene),
        Part::Rewrap { .. } | Part::Sweep { .. } => return moving::rewrap(executor, scene, step),
        Part::Close => return moving::close(executor, scene, step),
        Part::Recount => {
            return Ok(match (counting::left(executor, scene)?, &scene.planned.kind) {
                (Ok(None), _) => Outcome::done(),
                (Ok(Some(found)), Kind::Destroy) => Outcome::Failed(found.fault),
                (Ok(Some(found)), _) => Outcome::Late(found.fault),
                (Err(fault), _) => Outcome::Failed(fault),
            });
        }
        Part::Discard { runs } => keep::discard(executor.pre_images, scene.name(), runs),
    };
    Ok(outcome.unwrap_or_else(Outcome::Failed))
}

/// Values turned up: what rests on there being none begins again.
fn anew(scene: &Scene<'_>, act: &str) -> Outcome {
    let why = "values turned up under it after the closing round, and were moved just now";
    let fault = Fault::retry(format!("{act} a version of `{}`", scene.name()), why);
    Outcome::Late(fault.hint("it is waited for anew before that"))
}

/// So often a retirement is taken back in one run; after that a person has to say what still needs the version.
const UNDONE_MAX: u32 = 3;

fn needed(scene: &Scene<'_>, undone: u32) -> Fault {
    let (name, old) = (scene.name(), scene.old.as_ref().map(ToString::to_string).unwrap_or_default());
    let why = format!("it was disabled {undone} times, and enabled again each time because something still needed it");
    let hint = format!(
        "`{old}` stays enabled; `keyrota why {name}@{old}` tells what needs it, `keyrota cancel` keeps it as it is"
    );
    Fault::give_up(format!("disable `{old}` of `{name}`"), why).hint(hint)
}

/// The last look before a version is taken out of use, or from its members. The step that moved or counted may have been
/// done weeks ago: a run
/// stops where it is stopped, and meanwhile a backup may come back or a late writer land.
fn look_again(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    let when = if scene.step.part == Part::Destroy { When::Before } else { When::Retired };
    let undone = executor.desk.standing(executor.approved.id()).map_or(0, |standing| standing.step(step).undone);
    if undone >= UNDONE_MAX {
        return Ok(needed(scene, undone).into());
    }
    // What failed while the version was disabled has to pass before it is disabled again.
    if (when == When::Before || undone > 0)
        && let Err(fault) = people::check(executor.world, scene, when).unwrap_or_else(Err)
    {
        return Ok(fault.into());
    }
    match (&scene.step.part, scene.sees_values) {
        (_, false) => Ok(Outcome::done()),
        // What is left can still be moved.
        (Part::Retire | Part::Withdraw { .. }, true) if scene.planned.kind != Kind::Destroy => {
            moving::close(executor, scene, step)
        }
        (part, true) => Ok(match (part, counting::recount(executor, scene)?) {
            // Members are the last that have it.
            (Part::Withdraw { .. }, Outcome::Failed(fault)) => Outcome::Failed(fault.hint(LAST_COPIES)),
            (_, outcome) => outcome,
        }),
    }
}

const LAST_COPIES: &str = "the version is gone from its backend, and members still hold it: nothing is taken from them \
     until what is left is moved, mended or removed";
