//! Carrying out what was approved: `run` does what `course::next` decides, writes the intent, acts, observes
//! and writes the outcome. It stops at the next gate.
//! Never here: deciding what comes next, drawing plans, naming an adapter.

pub mod along;
pub mod asking;
mod batch;
pub mod cancel;
mod counting;
pub mod desk;
pub mod gates;
pub mod keep;
mod moving;
pub mod pace;
pub mod people;
pub mod perform;
pub mod removal;
pub mod rewrap;
pub mod scene;
pub mod told;
mod trace;
mod turns;
mod undo;
pub mod values;
pub mod versions;

pub use along::progress;
pub use along::times;
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
use crate::course::Stop;
use crate::course::facts::Fact;
use crate::course::span::enters;
use crate::course::span::turns_left;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Standing;
use crate::model::Hour;
use crate::model::Span;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::port::world::World;
use along::Attempt;
use along::Place;
use batch::Ready;
use std::collections::BTreeSet;
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
    let names: Vec<Vec<String>> = executor.approved.plan().units.iter().map(Unit::step_names).collect();
    let mut attempt = Attempt::default();
    loop {
        let now = executor.desk.now();
        let Some(standing) = executor.desk.standing(executor.approved.id()).cloned() else {
            return Err(Fault::report_bug("go on with a run", "the journal does not know it"));
        };
        let next = look(executor, &names, &standing, &mut attempt, now)?;
        let stopping = executor.stop.load(Ordering::SeqCst);
        if next.finished {
            return finish(executor);
        }
        if !stopping && !next.back.is_empty() {
            for place in next.back {
                undo::take_back(executor, &names, &standing, place, &mut attempt)?;
            }
            continue;
        }
        if stopping || next.ready.is_empty() {
            let Next { held, .. } = &next;
            if !stopping && executor.wait && next.late.is_empty() && !held.is_empty() && attempt.failed.is_empty() {
                executor.screen.tell(&Told::Waiting { held });
                executor.world.clock().sleep_until(wake(held, now));
                continue;
            }
            executor.desk.seal()?;
            return Ok(ended(executor, stopping, next, &names, attempt));
        }
        batch::perform_all(executor, &names, &standing, next.ready, &mut attempt)?;
    }
}

/// What `course` says of all units together.
#[derive(Default)]
struct Next {
    ready: Vec<Ready>,
    /// Retirements that are taken back before anything else.
    back: Vec<Place>,
    held: Vec<Held>,
    late: Vec<Held>,
    /// Proofs that could not be read, by the step that waits for them.
    unread: Vec<(String, Fault)>,
    finished: bool,
    /// The units in which members take turns now.
    inside: BTreeSet<usize>,
}

impl Next {
    /// Members that hold one version take turns in one unit at a time, and nothing else is done meanwhile: what it does
    /// beside them would make the span longer in which others of them cannot start.
    fn one_span_at_a_time(&mut self, plan: &Plan) {
        let enters = |ready: &Ready| plan.units.get(ready.place.0).is_some_and(|unit| enters(unit, ready.place.1));
        let goes_on = self.ready.iter().map(|ready| ready.place.0).find(|unit| self.inside.contains(unit));
        if let Some(unit) = goes_on {
            self.ready.retain(|ready| ready.place.0 == unit);
        } else if self.ready.iter().all(enters) {
            self.ready.truncate(1);
        } else {
            self.ready.retain(|ready| !enters(ready));
        }
    }
}

fn look(
    executor: &mut Executor<'_, '_>,
    names: &[Vec<String>],
    standing: &Standing,
    attempt: &mut Attempt,
    now: Hour,
) -> Result<Next, Fault> {
    let plan = executor.approved.plan();
    let mut next = Next { finished: true, ..Next::default() };
    for (at, unit) in plan.units.iter().enumerate() {
        let steps = names.get(at).map_or(&[][..], Vec::as_slice);
        let mut progress = progress(unit, steps, standing);
        attempt.overlay(at, &mut progress);
        let (seen, unread) = gates::observe(executor, unit, &progress)?;
        next.unread.extend(unread.into_iter().map(|(step, fault)| (steps_name(names, at, step), fault)));
        let facts = course::facts(unit, &progress, &times(unit, steps, standing), &seen, &plan.settings.calendar, now);
        let doors: Vec<Door> = facts.iter().map(|fact| fact.door).collect();
        attempt.settle(executor, (at, unit, steps), standing, &mut progress, &doors)?;
        let hold = |step: usize| hold(unit, step, &facts, steps_name(names, at, step), attempt.unseen(at, step));
        match course::next(unit, &progress, &doors) {
            course::Next::Finish | course::Next::Stop(Stop::Failed(_)) => {}
            course::Next::Perform(steps) => {
                let took = |step| progress.at(step) == At::Took;
                next.ready.extend(steps.into_iter().map(|step| Ready { place: (at, step), took: took(step) }));
            }
            course::Next::TakeBack(steps) => next.back.extend(steps.into_iter().map(|step| (at, step))),
            course::Next::Wait(steps) => next.held.extend(steps.into_iter().filter_map(hold)),
            course::Next::Stop(Stop::Late(steps)) => next.late.extend(steps.into_iter().filter_map(hold)),
        }
        next.finished &= progress.finished();
        if !turns_left(unit, &progress).is_empty() {
            next.inside.insert(at);
        }
    }
    next.one_span_at_a_time(plan);
    Ok(next)
}

fn steps_name(names: &[Vec<String>], unit: usize, step: usize) -> String {
    names.get(unit).and_then(|steps| steps.get(step)).cloned().unwrap_or_default()
}

fn ended(
    executor: &mut Executor<'_, '_>,
    stopping: bool,
    next: Next,
    names: &[Vec<String>],
    attempt: Attempt,
) -> Ended {
    let Next { held, late, unread, .. } = next;
    let failed = attempt.failed.into_iter().map(|((unit, step), fault)| (steps_name(names, unit, step), fault));
    let mut failed: Vec<(String, Fault)> = failed.collect();
    // A proof that could not be read keeps its gate shut: where nothing worse happened, that is how the attempt failed.
    let nothing_else = failed.is_empty() && late.is_empty() && !stopping;
    for (step, fault) in unread.into_iter().filter(|_| nothing_else) {
        executor.screen.tell(&Told::Failed { step: &step, fault: &fault });
        failed.push((step, fault));
    }
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

fn hold(unit: &Unit, step: usize, facts: &[Fact], name: String, unseen: Option<&str>) -> Option<Held> {
    let (planned, fact) = (unit.steps.get(step)?, facts.get(step)?);
    let title = crate::plan::phrase::told(unit.keys.get(planned.key), &planned.part);
    let mut waits_for = fact.waits_for.clone();
    waits_for.extend(unseen.map(|why| format!("a look whether it took before, which failed: {why}")));
    Some(Held { step: name, title, opens: fact.opens, by: fact.by, waits_for })
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
    scene::fit(plan, executor.world)?;
    executor.desk.open(id, executor.approved.intent(), plan)
}

fn finish(executor: &mut Executor<'_, '_>) -> Result<Ended, Fault> {
    let run = executor.desk.run()?;
    executor.desk.say(vec![Event::RunFinished { run }])?;
    executor.desk.seal()?;
    Ok(Ended::Finished)
}
