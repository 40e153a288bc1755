//! Open runs: the plans that the home keeps for them, and where each stands now.

use crate::cli::exit::Fail;
use crate::cli::leave;
use crate::cli::show::unreadable;
use crate::cli::stands;
use crate::course;
use crate::course::Door;
use crate::course::Observation;
use crate::course::facts::Proven;
use crate::digest::Digest;
use crate::executor;
use crate::journal::Ledger;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::model::Hour;
use crate::plan::Document;
use crate::plan::Gate;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::phrase;
use crate::plan::progress::At;
use crate::port::home::Home;
use crate::render::status;
use crate::render::status::Next;

/// The plan of a run, as the home keeps it.
pub(super) fn plan(home: &dyn Home, id: &Digest) -> Result<Option<Document>, Fail> {
    home.plan(id)?.map(|bytes| Document::read(bytes).map_err(unreadable)).transpose()
}

/// Every open run.
pub(super) fn open(home: &dyn Home, ledger: &Ledger, now: Hour) -> Result<Vec<status::Run>, Fail> {
    let mut runs = Vec::new();
    for standing in ledger.open() {
        let document = plan(home, &standing.plan)?;
        runs.push(one(standing, document.as_ref().map(Document::plan), now));
    }
    Ok(runs)
}

fn one(standing: &Standing, plan: Option<&Plan>, now: Hour) -> status::Run {
    let mut run = status::Run {
        run: standing.run.to_string(),
        plan: standing.plan,
        opened_at: standing.opened_at,
        opened_by: standing.opened_by.clone(),
        keys: standing.keys.keys().cloned().collect(),
        steps: 0,
        done: 0,
        fleets: Vec::new(),
        next: Vec::new(),
        failed: Vec::new(),
        late: false,
        safe_to_leave: String::new(),
    };
    let Some(plan) = plan else {
        run.safe_to_leave =
            "Safe to leave: unknown; its plan is not in the home, hand it over again: `keyrota apply PLAN`".into();
        return run;
    };
    for unit in &plan.units {
        steps(&mut run, plan, unit, standing, now);
        run.fleets.extend(stands::fleets(plan, unit, standing));
    }
    run.safe_to_leave = leave::line(plan, Some(standing), now);
    run
}

fn steps(run: &mut status::Run, plan: &Plan, unit: &Unit, standing: &Standing, now: Hour) {
    let names = unit.step_names();
    let progress = executor::progress(unit, &names, standing);
    let times = executor::times(unit, &names, standing);
    let facts = course::facts(unit, &progress, &times, &unasked(unit), &plan.settings.calendar, now);
    run.steps += unit.steps.len();
    for (index, (step, name)) in unit.steps.iter().zip(&names).enumerate() {
        let (Some(fact), Ok(known)) = (facts.get(index), name.parse::<StepName>()) else { continue };
        // A retirement that is to be taken back shows as its undo.
        let part = if progress.at(index) == At::Back { &Part::Enable } else { &step.part };
        let title = phrase::told(unit.keys.get(step.key), part);
        let held = |opens, by, waits_for| Next { step: name.clone(), title: title.clone(), opens, by, waits_for };
        match progress.at(index) {
            At::Done => run.done += 1,
            // What was begun or failed is a new attempt, which waits for its gates like any other.
            at if course::may_begin(unit, &progress, index) => {
                let mut waits_for = fact.waits_for.clone();
                waits_for.extend(step.gates.iter().filter_map(proof));
                run.late |= fact.door == Door::Late || fact.by.is_some_and(|by| now >= by);
                let opens = fact.opens.filter(|opens| *opens > now);
                let held = held(opens, fact.by, waits_for);
                match &standing.step(&known).stands {
                    Stands::Failed { fault, .. } if at != At::Ahead => {
                        run.failed.push((held, fault.to_string(), fault.hint.clone()));
                    }
                    _ => run.next.push(held),
                }
            }
            _ => {}
        }
    }
}

/// Members' proofs are asked for when a run goes on, not here: the other gates are looked at as if all had proved it.
fn unasked(unit: &Unit) -> Observation {
    let mut seen = Observation::default();
    for step in &unit.steps {
        for fleet in step.gates.iter().filter_map(|gate| match gate {
            Gate::Proof { fleet, .. } => Some(fleet),
            _ => None,
        }) {
            seen.proofs.insert((step.key, fleet.clone()), Proven { know: u32::MAX, missing: Vec::new() });
        }
    }
    seen
}

fn proof(gate: &Gate) -> Option<String> {
    match gate {
        Gate::Proof { fleet, at_least } => {
            Some(format!("every member of `{fleet}` (at least {at_least}) to prove that it knows the new version"))
        }
        _ => None,
    }
}
