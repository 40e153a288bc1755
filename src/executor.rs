//! Carrying out what was approved: `run` does what `course::next` decides, writes the intent, acts, observes
//! and writes the outcome. It stops at the next gate.
//! Never here: deciding what comes next, drawing plans, naming an adapter.

pub mod cancel;
pub mod desk;
pub mod gates;
pub mod keep;
mod pace;
pub mod people;
pub mod perform;
pub mod rewrap;
pub mod scene;
pub mod told;
mod trace;
pub mod values;
pub mod versions;

pub use cancel::Left;
pub use cancel::cancel;
pub use desk::Desk;
pub use told::Ended;
pub use told::Held;
pub use told::Screen;
pub use told::Told;

use crate::approval::Approved;
use crate::course;
use crate::course::Door;
use crate::course::Next;
use crate::course::Stop;
use crate::course::Times;
use crate::course::facts::Fact;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Opened;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::model::Hour;
use crate::model::Risk;
use crate::model::Span;
use crate::plan::Gate;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::port::world::World;
use perform::Outcome;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// How often the world is asked again while a gate waits for more than the hour.
const ASK_AGAIN: Span = Span::seconds(15);

/// What an executor works with.
pub struct Executor<'a, 'd> {
    /// What was approved.
    pub approved: &'a Approved,
    /// The world.
    pub world: &'a dyn World,
    /// The journal.
    pub desk: &'a mut Desk<'d>,
    /// Who is told.
    pub screen: &'a mut dyn Screen,
    /// Whether to stay at gates until they open.
    pub wait: bool,
    /// The folder for pre-images.
    pub pre_images: &'a Path,
    /// Raised when somebody asks us to stop.
    pub stop: &'a AtomicBool,
}

/// Carries out a plan up to the next gate, or to its end.
///
/// # Errors
/// The journal failed, or the world is not the plan's own. A step that failed is not an error but an end.
pub fn run(executor: &mut Executor<'_, '_>) -> Result<Ended, Fault> {
    open(executor)?;
    trace::sign(executor)?;
    let plan = executor.approved.plan();
    let names: Vec<Vec<String>> = plan.units.iter().map(Unit::step_names).collect();
    // What failed in this attempt is not tried again in it; what failed in an earlier one is.
    let mut failed: BTreeMap<(usize, usize), Fault> = BTreeMap::new();
    loop {
        let now = executor.desk.now();
        let Some(standing) = executor.desk.standing(executor.approved.id()).cloned() else {
            return Err(Fault::report_bug("go on with a run", "the journal does not know it"));
        };
        let mut ready: Vec<(usize, usize)> = Vec::new();
        let (mut held, mut late, mut finished) = (Vec::new(), Vec::new(), true);
        for (at, unit) in plan.units.iter().enumerate() {
            let steps = names.get(at).map_or(&[][..], Vec::as_slice);
            let progress = progress(unit, steps, &standing, at, &failed);
            let facts = look_at_gates(executor, unit, &progress, &times(unit, steps, &standing), now)?;
            let doors: Vec<Door> = facts.iter().map(|fact| fact.door).collect();
            match course::next(unit, &progress, &doors) {
                Next::Finish => {}
                Next::Perform(steps) => ready.extend(steps.into_iter().map(|step| (at, step))),
                Next::Wait(steps) => held.extend(
                    steps.into_iter().filter_map(|step| hold(unit, step, &facts, steps_name(&names, at, step))),
                ),
                Next::Stop(Stop::Late(steps)) => late.extend(
                    steps.into_iter().filter_map(|step| hold(unit, step, &facts, steps_name(&names, at, step))),
                ),
                Next::Stop(Stop::Failed(_)) => {}
            }
            finished &= progress.finished();
        }
        let stopping = executor.stop.load(Ordering::SeqCst);
        if finished {
            return finish(executor);
        }
        if stopping || ready.is_empty() {
            if !stopping && executor.wait && late.is_empty() && !held.is_empty() && failed.is_empty() {
                executor.screen.tell(&Told::Waiting { held: &held });
                executor.world.clock().sleep_until(wake(&held, now));
                continue;
            }
            executor.desk.seal()?;
            let failed = failed.into_iter().map(|((unit, step), fault)| (steps_name(&names, unit, step), fault));
            return Ok(ended(stopping, failed.collect(), late, held));
        }
        perform_all(executor, &names, &standing, ready, &mut failed)?;
    }
}

fn steps_name(names: &[Vec<String>], unit: usize, step: usize) -> String {
    names.get(unit).and_then(|steps| steps.get(step)).cloned().unwrap_or_default()
}

fn ended(stopping: bool, failed: Vec<(String, Fault)>, late: Vec<Held>, held: Vec<Held>) -> Ended {
    match (stopping, failed.is_empty(), late.is_empty()) {
        (_, false, _) => Ended::Failed { failed, held },
        (_, _, false) => Ended::Late { late, held },
        (true, ..) => Ended::Stopped { held },
        _ => Ended::AtGate { held },
    }
}

fn wake(held: &[Held], now: Hour) -> Hour {
    let asks = held.iter().any(|held| held.opens.is_none() || held.opens.is_some_and(|opens| opens <= now));
    let opens = held.iter().filter_map(|held| held.opens).filter(|opens| *opens > now);
    let again = asks.then(|| ASK_AGAIN.after(now));
    opens
        .chain(again)
        .chain(held.iter().filter_map(|held| held.by).filter(|by| *by > now))
        .min()
        .unwrap_or(ASK_AGAIN.after(now))
}

fn hold(unit: &Unit, step: usize, facts: &[Fact], name: String) -> Option<Held> {
    let (planned, fact) = (unit.steps.get(step)?, facts.get(step)?);
    let title = crate::plan::phrase::title(&planned.part);
    Some(Held { step: name, title, opens: fact.opens, by: fact.by, waits_for: fact.waits_for.clone() })
}

/// Opens the run, unless it is open: the world must be as the plan found it.
fn open(executor: &mut Executor<'_, '_>) -> Result<(), Fault> {
    let id = executor.approved.id();
    if executor.desk.standing(id).is_some() {
        return executor.desk.go_on(id);
    }
    let plan: &Plan = executor.approved.plan();
    for planned in plan.units.iter().flat_map(|unit| &unit.keys) {
        let known = executor.desk.ledger().keys.get(&planned.name);
        if let Some(run) = known.and_then(|known| known.open_run.as_ref()) {
            let fault = Fault::give_up("open this plan", format!("`{}` is under way in `{run}`", planned.name));
            return Err(
                fault.hint(format!("go on with it by `keyrota apply`, or give it up by `keyrota cancel {run}`"))
            );
        }
    }
    scene::same_world(plan, executor.world)?;
    executor.desk.open(id, executor.approved.intent(), plan)
}

fn finish(executor: &mut Executor<'_, '_>) -> Result<Ended, Fault> {
    let run = executor.desk.run()?;
    executor.desk.say(vec![Event::RunFinished { run }])?;
    executor.desk.seal()?;
    Ok(Ended::Finished)
}

/// How far a unit has come, by the journal. What failed in an earlier attempt is ahead again.
pub fn progress(
    unit: &Unit,
    names: &[String],
    standing: &Standing,
    at: usize,
    failed: &BTreeMap<(usize, usize), Fault>,
) -> Progress {
    let mut progress = Progress::fresh(unit.steps.len());
    for (step, name) in names.iter().enumerate() {
        let Ok(name) = name.parse::<StepName>() else { continue };
        progress.put(
            step,
            match &standing.step(&name).stands {
                _ if failed.contains_key(&(at, step)) => At::Failed,
                Stands::Pending => At::Ahead,
                Stands::Begun { .. } | Stands::Failed { .. } => At::Begun,
                Stands::Done { .. } => At::Done,
            },
        );
    }
    progress
}

/// When a unit's steps were done, by the journal.
pub fn times(unit: &Unit, names: &[String], standing: &Standing) -> Times {
    let done = |name: &String| name.parse::<StepName>().ok().and_then(|name| standing.done_at(&name));
    let mut done: Vec<Option<Hour>> = names.iter().map(done).collect();
    done.resize(unit.steps.len(), None);
    Times { opened: standing.opened_at, done }
}

fn look_at_gates(
    executor: &mut Executor<'_, '_>,
    unit: &Unit,
    progress: &Progress,
    times: &Times,
    now: Hour,
) -> Result<Vec<Fact>, Fault> {
    let plan = executor.approved.plan();
    let seen = gates::observe(executor, unit, progress)?;
    Ok(course::facts(unit, progress, times, &seen, &plan.settings.calendar, now))
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

/// Performs every step that is ready: intents of all in one write, then one act after the other.
fn perform_all(
    executor: &mut Executor<'_, '_>,
    names: &[Vec<String>],
    standing: &Standing,
    ready: Vec<(usize, usize)>,
    failed: &mut BTreeMap<(usize, usize), Fault>,
) -> Result<(), Fault> {
    let plan = executor.approved.plan();
    let mut begun = Vec::new();
    let mut intents = Vec::new();
    for (at, index) in ready {
        let Some((unit, step)) = plan.units.get(at).and_then(|unit| Some((unit, unit.steps.get(index)?))) else {
            continue;
        };
        let name = steps_name(names, at, index);
        let Ok(step_name) = name.parse::<StepName>() else { continue };
        let attempt = standing.step(&step_name).attempts.saturating_add(1);
        let scene = scene::Scene::new(plan, unit, step, standing, names.get(at).map_or(&[], Vec::as_slice), index)?;
        match perform::prepare(executor.world, &scene, standing.step(&step_name)) {
            Ok(prepared) => {
                intents.extend(step.gates.iter().filter(|_| attempt == 1).map(|gate| waited(&step_name, gate)));
                intents.push(Event::Intent { step: step_name.clone(), attempt, mark: prepared.mark() });
                begun.push((at, index, scene, prepared, step_name, attempt));
            }
            Err(fault) => {
                intents.push(Event::Intent { step: step_name.clone(), attempt, mark: Default::default() });
                intents.push(Event::Failed { step: step_name, attempt, fault: fault.clone() });
                executor.screen.tell(&Told::Failed { step: &name, fault: &fault });
                failed.insert((at, index), fault);
            }
        }
    }
    executor.desk.say(intents)?;
    for (at, index, scene, prepared, step_name, attempt) in begun {
        if executor.stop.load(Ordering::SeqCst) {
            break;
        }
        if scene.step.risk != Risk::Safe {
            executor.desk.seal()?;
        }
        executor.screen.tell(&Told::Begins { step: step_name.as_str(), part: &scene.step.part });
        match perform::act(executor, &scene, &step_name, prepared)? {
            Outcome::Done { facts, change } => {
                executor.desk.say(vec![Event::Done {
                    step: step_name.clone(),
                    attempt,
                    facts: facts.clone(),
                    change,
                }])?;
                executor.screen.tell(&Told::Done { step: step_name.as_str(), part: &scene.step.part, facts: &facts });
            }
            Outcome::Stopped => break,
            Outcome::Failed(fault) => {
                executor.desk.say(vec![Event::Failed { step: step_name.clone(), attempt, fault: fault.clone() }])?;
                executor.screen.tell(&Told::Failed { step: step_name.as_str(), fault: &fault });
                failed.insert((at, index), fault);
            }
        }
    }
    Ok(())
}
