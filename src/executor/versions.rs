//! Acts on versions: made, switched, disabled, enabled, destroyed. The world must stand as this run's own acts
//! have left it, or as this very act leaves it; anything else was done by somebody else, and stops the run.

use crate::executor::Executor;
use crate::executor::perform::Chosen;
use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::executor::scene::differ;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::StepRecord;
use crate::model::Change;
use crate::model::Key;
use crate::model::State;
use crate::model::VersionId;
use crate::plan::Kind;
use crate::plan::Part;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::world::World;

/// Chooses the version to make, or finds the one that an earlier attempt of ours has made.
pub(super) fn choose(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<Chosen, Fault> {
    let backend = world.backend(scene.name(), &scene.key.backend)?;
    let look = backend.look(&scene.key.at)?;
    if let Some(mark) = ours(scene, &look, record) {
        return Ok(Chosen::Found(mark.clone()));
    }
    unchanged(scene, &scene.expected, &look.key)?;
    let prepared = backend.prepare(&scene.key.at, scene.key.algorithm).map_err(|failed| told(scene, failed))?;
    let newest = || scene.expected.versions.last().map(|version| version.id.clone());
    let base = if able(scene).marks { None } else { newest() };
    Ok(Chosen::Version(prepared, base))
}

/// Whether an earlier attempt of ours has made the version.
pub(super) fn is_made(world: &dyn World, scene: &Scene<'_>, record: &StepRecord) -> Result<bool, Fault> {
    let look = world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?;
    Ok(ours(scene, &look, record).is_some())
}

/// The mark of an earlier attempt, by which its version is known.
fn ours<'a>(scene: &Scene<'_>, look: &Look, record: &'a StepRecord) -> Option<&'a Mark> {
    // Made by us and in the books, or made by us and not yet in the books: a crash fell between.
    let ours = |mark: &&Mark| {
        let Some(id) = &mark.version else { return false };
        if mark.fingerprint.is_none() {
            // Where nothing tells one material from another, the version that comes next after the base is the one that was
            // asked for, whoever's answer it was. Two of them are one too many, and stop the run.
            return scene.expected.version(id).is_none() && look.key.version(id).is_some();
        }
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
        Chosen::Version(prepared, _) => {
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
    taken(executor, scene, &[change])
}

/// What a step wants to be changed. Where a floor disables, each version in its turn.
fn wanted(scene: &Scene<'_>) -> Result<Vec<Change>, Fault> {
    let falls = || scene.falls.iter().cloned();
    Ok(match scene.step.part {
        Part::Switch => vec![Change::Switch { to: scene.new_version()?.clone() }],
        // Whoever goes back enables the version to go back to; else it is the old one, whose values turned up.
        Part::Enable if scene.planned.kind == Kind::Back => going_back(scene, scene.new_version()?),
        Part::Enable => enabling(scene),
        Part::Retire => falls().map(|version| Change::Retire { version }).collect(),
        Part::Destroy => vec![Change::Destroy { version: scene.old_version()?.clone() }],
        _ => return Err(Fault::report_bug("change a version", "the step is not such an act")),
    })
}

/// What opens again whatever the retirement disabled, the newest first.
fn enabling(scene: &Scene<'_>) -> Vec<Change> {
    scene.falls.iter().rev().cloned().map(|version| Change::Enable { version }).collect()
}

/// What opens the version to go back to; where a floor shuts it, everything above it first.
fn going_back(scene: &Scene<'_>, to: &VersionId) -> Vec<Change> {
    let from = scene.expected.versions.iter().skip_while(|version| version.id != *to);
    let floor = able(scene).disables == Disables::Floor;
    let shut = from.filter(|version| version.id == *to || floor && version.state == State::Disabled);
    let mut opened: Vec<Change> = shut.map(|version| Change::Enable { version: version.id.clone() }).collect();
    opened.reverse();
    opened
}

/// The key after each of the changes, from where it stands: where an act of several dies, it stands at one of them.
fn stages(from: &Key, changes: &[Change]) -> Vec<Key> {
    let mut stages = vec![from.clone()];
    for change in changes {
        // One that is refused here is the backend's to refuse, in its own words.
        stages.extend(stages.last().and_then(|key| key.after(change).ok()));
    }
    stages
}

/// Whether an earlier attempt of this act has left the world as the act would.
pub(super) fn is_done(world: &dyn World, scene: &Scene<'_>) -> Result<bool, Fault> {
    let seen = world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?.key;
    let wanted = wanted(scene)?;
    let stages = stages(&scene.expected, &wanted);
    let last = stages.last().filter(|_| stages.len() > wanted.len());
    Ok(last.is_some_and(|after| differ(able(scene), after, &seen).is_empty()))
}

/// Switches, disables, enables or destroys.
pub(super) fn change(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    make(executor, scene, &wanted(scene)?)
}

/// Enables the old version again.
pub(super) fn enable(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    make(executor, scene, &enabling(scene))
}

fn make(executor: &Executor<'_, '_>, scene: &Scene<'_>, changes: &[Change]) -> Result<Outcome, Fault> {
    let backend = executor.world.backend(scene.name(), &scene.key.backend)?;
    let seen = backend.look(&scene.key.at)?.key;
    // As we left it, or as an earlier attempt of this act left it; the backend sees to the rest.
    let stages = stages(&scene.expected, changes);
    if !stages.iter().any(|stage| differ(able(scene), stage, &seen).is_empty()) {
        unchanged(scene, &scene.expected, &seen)?;
    }
    for change in changes {
        backend.change(&scene.key.at, change, None, executor.desk.now()).map_err(|failed| told(scene, failed))?;
    }
    taken(executor, scene, changes)
}

/// Looks whether the changes took.
fn taken(executor: &Executor<'_, '_>, scene: &Scene<'_>, changes: &[Change]) -> Result<Outcome, Fault> {
    let seen = executor.world.backend(scene.name(), &scene.key.backend)?.look(&scene.key.at)?.key;
    let after = stages(&scene.expected, changes).pop();
    unchanged(scene, after.as_ref().unwrap_or(&scene.expected), &seen)?;
    let mut facts = Facts::new();
    if let [Change::Add { version, .. }] = changes {
        facts.insert("version".into(), version.as_str().into());
    }
    let change = changes.iter().map(|change| (scene.name().clone(), change.clone())).collect();
    Ok(Outcome::Done { facts, change })
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
