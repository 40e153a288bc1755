//! The steps that are ready, performed: their intents in one write and one sync, then one act after the other, then their
//! outcomes in one sync. An outcome is written as soon as it is known; a power cut may take it, and then the next attempt looks
//! whether the act took, as after a crash between the two.
//! Never here: deciding which steps are ready.

use crate::course::facts::in_time;
use crate::executor::Executor;
use crate::executor::along::Attempt;
use crate::executor::along::Place;
use crate::executor::along::progress;
use crate::executor::perform;
use crate::executor::perform::Chosen;
use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::executor::told::Told;
use crate::executor::undo;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Opened;
use crate::journal::Standing;
use crate::journal::StepName;
use crate::model::Risk;
use crate::plan::Gate;
use crate::plan::phrase::told;
use std::sync::atomic::Ordering;

/// A step that is ready.
pub(super) struct Ready {
    /// Where it stands.
    pub(super) place: Place,
    /// Whether an earlier attempt of it took: then its gates were not asked.
    pub(super) took: bool,
}

/// A step whose intent is written.
struct Begun<'a> {
    place: Place,
    took: bool,
    scene: Scene<'a>,
    chosen: Chosen,
    step: StepName,
    attempt: u32,
}

/// Performs every step that is ready.
pub(super) fn perform_all(
    executor: &mut Executor<'_, '_>,
    names: &[Vec<String>],
    standing: &Standing,
    ready: Vec<Ready>,
    attempt: &mut Attempt,
) -> Result<(), Fault> {
    let mut begun = Vec::new();
    let mut intents = Vec::new();
    for ready in ready {
        begun.extend(begin(executor, names, standing, &ready, &mut intents, attempt)?);
    }
    executor.desk.say(intents)?;
    let mut sealed = false;
    for (number, begun) in begun.into_iter().enumerate() {
        if executor.stop.load(Ordering::SeqCst) {
            break;
        }
        // Hours may have passed in the acts before: the calendar is asked again.
        if number > 0 && !begun.took && !is_in_time(executor, names, standing, begun.place) {
            continue;
        }
        // All their intents are written: one head has seen them all.
        if begun.scene.step.risk != Risk::Safe && !sealed {
            executor.desk.seal()?;
            sealed = true;
        }
        if !act(executor, begun, attempt)? {
            break;
        }
    }
    executor.desk.sync()
}

fn is_in_time(executor: &Executor<'_, '_>, names: &[Vec<String>], standing: &Standing, (at, index): Place) -> bool {
    let plan = executor.approved.plan();
    let found = plan.units.get(at).zip(names.get(at));
    found.is_some_and(|(unit, names)| {
        let progress = progress(unit, names, standing);
        in_time(unit, &progress, index, &plan.settings.calendar, executor.desk.now())
    })
}

/// Chooses what must be known before a step's intent is written, and says what will be written.
fn begin<'a>(
    executor: &mut Executor<'a, '_>,
    names: &[Vec<String>],
    standing: &Standing,
    ready: &Ready,
    intents: &mut Vec<Event>,
    this: &mut Attempt,
) -> Result<Option<Begun<'a>>, Fault> {
    let plan = executor.approved.plan();
    let (at, index) = ready.place;
    let Some((unit, step)) = plan.units.get(at).and_then(|unit| Some((unit, unit.steps.get(index)?))) else {
        return Ok(None);
    };
    let names = names.get(at).map_or(&[][..], Vec::as_slice);
    let Some(name) = names.get(index).and_then(|name| name.parse::<StepName>().ok()) else { return Ok(None) };
    let record = standing.step(&name);
    let attempt = record.attempts.saturating_add(1);
    let scene = Scene::new(plan, unit, step, standing, names, index)?;
    let chosen = match perform::prepare(executor.world, &scene, record) {
        Ok(chosen) => chosen,
        Err(fault) => {
            intents.push(Event::Intent { step: name.clone(), attempt, mark: Default::default() });
            intents.push(Event::Failed { step: name.clone(), attempt, fault: fault.clone() });
            executor.screen.tell(&Told::Failed { step: name.as_str(), fault: &fault });
            this.failed.insert(ready.place, fault);
            return Ok(None);
        }
    };
    intents.extend(step.gates.iter().filter(|_| !ready.took).map(|gate| waited(&name, gate)));
    intents.push(Event::Intent { step: name.clone(), attempt, mark: chosen.mark() });
    Ok(Some(Begun { place: ready.place, took: ready.took, scene, chosen, step: name, attempt }))
}

/// A gate that stands open as its step begins.
fn waited(step: &StepName, gate: &Gate) -> Event {
    let because = match gate {
        Gate::After { .. } | Gate::NotAfter { .. } | Gate::Window { .. } => Opened::Time,
        Gate::Proof { .. } => Opened::Proof,
        Gate::Approval { .. } => Opened::Hand,
    };
    Event::Waited { step: step.clone(), gate: crate::plan::phrase::gate(gate), because }
}

/// Acts, and writes the outcome down. Says whether the next act may follow.
fn act(executor: &mut Executor<'_, '_>, begun: Begun<'_>, this: &mut Attempt) -> Result<bool, Fault> {
    let Begun { place, scene, chosen, step, attempt, .. } = begun;
    let title = told(Some(scene.planned), &scene.step.part);
    executor.screen.tell(&Told::Begins { step: step.as_str(), part: &scene.step.part, title: &title });
    match perform::act(executor, &scene, &step, chosen)? {
        Outcome::Done { facts, change } => {
            let done = Event::Done { step: step.clone(), attempt, facts: facts.clone(), change, undone: Vec::new() };
            executor.desk.jot(vec![done])?;
            executor.screen.tell(&Told::Done {
                step: step.as_str(),
                part: &scene.step.part,
                title: &title,
                facts: &facts,
            });
        }
        Outcome::Stopped => return Ok(false),
        Outcome::Late(fault) => undo::found_late(executor, (place, &scene, &step, attempt), fault, this)?,
        Outcome::Failed(fault) => {
            executor.desk.jot(vec![Event::Failed { step: step.clone(), attempt, fault: fault.clone() }])?;
            executor.screen.tell(&Told::Failed { step: step.as_str(), fault: &fault });
            this.failed.insert(place, fault);
        }
    }
    Ok(true)
}
