//! One step, performed: what is chosen before its intent, and the act itself.

use crate::executor::Executor;
use crate::executor::keep;
use crate::executor::people;
use crate::executor::scene::Scene;
use crate::executor::values;
use crate::executor::versions;
use crate::fault::Fault;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::StepName;
use crate::journal::StepRecord;
use crate::model::Change;
use crate::model::KeyName;
use crate::plan::Part;
use crate::policy::meant::check::When;
use crate::port::backend::Prepared;
use crate::port::world::World;

/// What was chosen before a step's intent was written.
#[derive(Debug)]
pub(super) enum Chosen {
    /// Nothing.
    Nothing,
    /// A version that will be made.
    Version(Prepared),
    /// A version that an earlier attempt of ours made: it is found and not made again.
    Found(Mark),
}

impl Chosen {
    /// What the intent says of it.
    pub(super) fn mark(&self) -> Mark {
        match self {
            Chosen::Nothing => Mark::default(),
            Chosen::Version(prepared) => Mark {
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
        Part::Check { when, .. } => people::check(world, scene, *when),
        Part::Add => versions::add(executor, scene, chosen),
        Part::Enable | Part::Switch => versions::change(executor, scene),
        Part::Retire | Part::Destroy => match versions::is_done(world, scene) {
            Ok(true) => versions::change(executor, scene),
            Ok(false) => match look_again(executor, scene, step)? {
                Outcome::Done { .. } => versions::change(executor, scene),
                other => return Ok(other),
            },
            Err(fault) => Err(fault),
        },
        Part::Deliver { fleet } => people::deliver(world, scene, fleet),
        Part::Withdraw { fleet } => people::withdraw(world, scene, fleet),
        Part::Restart { fleet, member, .. } => people::restart(executor, scene, step, fleet, member.as_ref()),
        Part::Point { fleet, member } => people::point(world, scene, fleet, member.as_ref()),
        Part::Open => return values::open(executor, scene),
        Part::Keep => values::keep(executor, scene),
        Part::Discard { runs } => keep::discard(executor.pre_images, scene.name(), runs),
        Part::Rewrap { .. } | Part::Sweep { .. } => return values::rewrap(executor, scene, step),
        Part::Close => return values::close(executor, scene, step),
        Part::Recount => return values::recount(executor, scene),
    };
    Ok(outcome.unwrap_or_else(Outcome::Failed))
}

/// The last look before a version is taken out of use. The step that moved or counted may have been done weeks ago: a run
/// stops where it is stopped, and meanwhile a backup may come back or a late writer land.
fn look_again(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    if scene.step.part == Part::Destroy
        && let Err(fault) = people::check(executor.world, scene, When::Before)
    {
        return Ok(fault.into());
    }
    match (&scene.step.part, scene.sees_values) {
        (_, false) => Ok(Outcome::done()),
        // What is left can still be moved.
        (Part::Retire, true) => values::close(executor, scene, step),
        (_, true) => values::recount(executor, scene),
    }
}
