//! Acts on versions: made, switched, disabled, enabled, destroyed. The world must stand as this run's own acts
//! have left it, or as this very act leaves it; anything else was done by somebody else, and stops the run.

use crate::executor::Executor;
use crate::executor::perform::Chosen;
use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::executor::scene::differ;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::StepRecord;
use crate::model::Change;
use crate::model::Key;
use crate::plan::Kind;
use crate::plan::Part;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::world::World;

/// Chooses the version to make, or finds the one that an earlier attempt of ours has made.
pub(super) fn choose(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<Chosen, Fault> {
    let backend = world.backend(scene.name(), &scene.key.backend)?;
    let look = backend.look(&scene.key.at)?;
    if let Some(mark) = ours(&look, record) {
        return Ok(Chosen::Found(mark.clone()));
    }
    unchanged(scene, &scene.expected, &look.key)?;
    let prepared = backend.prepare(&scene.key.at, scene.key.algorithm).map_err(|failed| told(scene, failed))?;
    Ok(Chosen::Version(prepared))
}

/// Whether an earlier attempt of ours has made the version.
pub(super) fn is_made(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<bool, Fault> {
    let look = world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?;
    Ok(ours(&look, record).is_some())
}

/// The mark of an earlier attempt, by which its version is known.
fn ours<'a>(look: &Look, record: &'a StepRecord) -> Option<&'a Mark> {
    // Made by us and in the books, or made by us and not yet in the books: a crash fell between.
    let ours = |mark: &&Mark| {
        let Some(id) = mark.version.as_ref().filter(|_| mark.fingerprint.is_some()) else { return false };
        let booked = look.key.version(id).and_then(|version| version.fingerprint.as_ref());
        booked.or_else(|| look.strays.get(id)) == mark.fingerprint.as_ref()
    };
    record.marks.iter().find(ours)
}

/// Makes the chosen version.
pub(super) fn add(executor: &Executor<'_, '_>, scene: &Scene<'_>, chosen: Chosen) -> Result<Outcome, Fault> {
    let backend = executor.world.backend(scene.name(), &scene.key.backend)?;
    let promotes = scene.planned.base.able.promotes;
    let change = match &chosen {
        Chosen::Version(prepared) => {
            let change = prepared.add(promotes);
            let done = backend.change(&scene.key.at, &change, Some(prepared), executor.desk.now());
            done.map_err(|failed| told(scene, failed))?;
            change
        }
        Chosen::Found(mark) => {
            let version =
                mark.version.clone().ok_or_else(|| Fault::report_bug("go on with an add", "its mark is empty"))?;
            let change = Change::Add { version, fingerprint: mark.fingerprint.clone(), promotes };
            // Harmless where it is done already; where a crash fell into it, it is finished.
            let done = backend.change(&scene.key.at, &change, None, executor.desk.now());
            done.map_err(|failed| told(scene, failed))?;
            change
        }
        Chosen::Nothing => return Err(Fault::report_bug("make a version", "none was chosen")),
    };
    taken(executor, scene, &change)
}

/// What a step wants to be changed.
fn wanted(scene: &Scene<'_>) -> Result<Change, Fault> {
    Ok(match scene.step.part {
        Part::Switch => Change::Switch { to: scene.new_version()?.clone() },
        // Whoever goes back enables the version to go back to; else it is the old one, whose values turned up.
        Part::Enable if scene.planned.kind == Kind::Back => Change::Enable { version: scene.new_version()?.clone() },
        Part::Enable => Change::Enable { version: scene.old_version()?.clone() },
        Part::Retire => Change::Retire { version: scene.old_version()?.clone() },
        Part::Destroy => Change::Destroy { version: scene.old_version()?.clone() },
        _ => return Err(Fault::report_bug("change a version", "the step is not such an act")),
    })
}

/// Whether an earlier attempt of this act has left the world as the act would.
pub(super) fn is_done(world: &dyn World, scene: &Scene<'_>) -> Result<bool, Fault> {
    let seen = world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?.key;
    Ok(scene.expected.after(&wanted(scene)?).is_ok_and(|after| differ(able(scene), &after, &seen).is_empty()))
}

/// Switches, disables, enables or destroys.
pub(super) fn change(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    make(executor, scene, wanted(scene)?)
}

/// Enables the old version again.
pub(super) fn enable(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    make(executor, scene, Change::Enable { version: scene.old_version()?.clone() })
}

fn make(executor: &Executor<'_, '_>, scene: &Scene<'_>, change: Change) -> Result<Outcome, Fault> {
    let backend = executor.world.backend(scene.name(), &scene.key.backend)?;
    let seen = backend.look(&scene.key.at)?.key;
    let after = scene.expected.after(&change);
    // As we left it, or as an earlier attempt of this act left it; the backend sees to the rest.
    if after.is_err() || !differ(able(scene), after.as_ref().unwrap_or(&scene.expected), &seen).is_empty() {
        unchanged(scene, &scene.expected, &seen)?;
    }
    backend.change(&scene.key.at, &change, None, executor.desk.now()).map_err(|failed| told(scene, failed))?;
    taken(executor, scene, &change)
}

/// Looks whether a change took.
fn taken(executor: &Executor<'_, '_>, scene: &Scene<'_>, change: &Change) -> Result<Outcome, Fault> {
    let seen = executor.world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?.key;
    let after = scene.expected.after(change).unwrap_or_else(|_| scene.expected.clone());
    unchanged(scene, &after, &seen)?;
    let mut facts = Facts::new();
    if let Change::Add { version, .. } = change {
        facts.insert("version".into(), version.as_str().into());
    }
    Ok(Outcome::Done { facts, change: vec![(scene.name().clone(), change.clone())] })
}

fn able<'a>(scene: &Scene<'a>) -> &'a Able {
    &scene.planned.base.able
}

/// Refuses a world that somebody else has changed.
fn unchanged(scene: &Scene<'_>, expected: &Key, seen: &Key) -> Result<(), Fault> {
    let differences = differ(able(scene), expected, seen);
    if differences.is_empty() {
        return Ok(());
    }
    let doing = format!("go on with `{}`", scene.name());
    let why = format!("somebody else changed it: {}", differences.join("; "));
    let hint = "look who did; then `keyrota cancel` this run and plan anew";
    Err(Fault::give_up(doing, why).hint(hint))
}

fn told(scene: &Scene<'_>, failed: Failed) -> Fault {
    match failed {
        Failed::Fault(fault) => fault,
        Failed::Refused { why, hint } => {
            let fault = Fault::give_up(format!("change `{}`", scene.name()), why);
            match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        }
        Failed::Unmade(id) => {
            Fault::retry(format!("change `{}`", scene.name()), format!("version `{id}` was chosen and never made"))
        }
    }
}
