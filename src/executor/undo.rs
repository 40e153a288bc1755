//! What turns up late, after the last round or after the retirement: the retirement is taken back, as the plan draws its
//! undo, and another round is opened.
//! Never here: deciding that it is taken back; that is `course`.

use crate::course;
use crate::executor::Executor;
use crate::executor::along::Attempt;
use crate::executor::along::Place;
use crate::executor::along::undo_name;
use crate::executor::people;
use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::executor::told::Told;
use crate::executor::turns;
use crate::executor::versions;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::model::Change;
use crate::model::KeyName;
use crate::plan::Part;
use crate::plan::Unit;
use crate::plan::phrase;
use crate::plan::step::Why;

/// So many rounds in one attempt find that a service has to move more.
const ROUNDS_MAX: u32 = 3;

/// A step looked and found what must not be.
pub(super) fn found_late(
    executor: &mut Executor<'_, '_>,
    (place, scene, step, attempt): (Place, &Scene<'_>, &StepName, u32),
    fault: Fault,
    this: &mut Attempt,
) -> Result<(), Fault> {
    executor.screen.tell(&Told::Failed { step: step.as_str(), fault: &fault });
    let plan = executor.approved.plan();
    let Some(unit) = plan.units.get(place.0) else { return Ok(()) };
    let retire = unit.steps.iter().position(|other| other.key == scene.step.key && other.part == Part::Retire);
    let rounds = this.rounds.entry(place).or_default();
    *rounds = rounds.saturating_add(1);
    let before = matches!(scene.step.part, Part::Close | Part::Retire | Part::Withdraw { .. });
    let again = before && *rounds <= ROUNDS_MAX;
    match retire.filter(|_| !before) {
        // One line says both: that it looked, and that another round is needed.
        None if again => {
            let (facts, undone) = (found(&fault), named(unit, &course::round(unit, place.1)));
            executor.desk.say(vec![Event::Done { step: step.clone(), attempt, facts, change: Vec::new(), undone }])
        }
        retire => {
            executor.desk.say(vec![Event::Failed { step: step.clone(), attempt, fault: fault.clone() }])?;
            match retire {
                Some(retire) => drop(this.back.insert((place.0, retire))),
                None => drop(this.failed.insert(place, fault)),
            }
            Ok(())
        }
    }
}

fn found(fault: &Fault) -> Facts {
    [("found".to_owned(), fault.to_string().into())].into()
}

fn named(unit: &Unit, steps: &[usize]) -> Vec<StepName> {
    let names = unit.step_names();
    steps.iter().filter_map(|step| names.get(*step)?.parse().ok()).collect()
}

/// Takes a retirement back: the version is enabled, copies that were taken away are brought back, members that forgot it
/// are restarted; and the round is open again. Each part may be repeated, so one that was begun is begun anew.
pub(super) fn take_back(
    executor: &mut Executor<'_, '_>,
    names: &[Vec<String>],
    standing: &Standing,
    place: Place,
    this: &mut Attempt,
) -> Result<(), Fault> {
    let plan = executor.approved.plan();
    let (at, retire) = place;
    let Some((unit, step)) = plan.units.get(at).and_then(|unit| Some((unit, unit.steps.get(retire)?))) else {
        return Ok(());
    };
    let names = names.get(at).map_or(&[][..], Vec::as_slice);
    let Some(name) = undo_name(unit, retire) else { return Ok(()) };
    let scene = Scene::new(plan, unit, step, standing, names, retire)?;
    let attempt = standing.step(&name).attempts.saturating_add(1);
    let mark = Mark { version: scene.old.clone(), ..Mark::default() };
    executor.desk.say(vec![Event::Intent { step: name.clone(), attempt, mark }])?;
    executor.desk.seal()?;
    let title = phrase::told(Some(scene.planned), &Part::Enable);
    executor.screen.tell(&Told::Begins { step: name.as_str(), part: &Part::Enable, title: &title });
    match enable(executor, &scene, unit, standing, names, &name) {
        Ok((facts, change)) => {
            let undone = named(unit, &course::round(unit, retire));
            let done = Event::Done { step: name.clone(), attempt, facts: facts.clone(), change, undone };
            executor.desk.say(vec![done])?;
            let told = Told::Done { step: name.as_str(), part: &Part::Enable, title: &title, facts: &facts };
            executor.screen.tell(&told);
            this.back.remove(&place);
        }
        Err(fault) => {
            executor.desk.say(vec![Event::Failed { step: name.clone(), attempt, fault: fault.clone() }])?;
            executor.screen.tell(&Told::Failed { step: name.as_str(), fault: &fault });
            this.failed.insert(place, fault);
        }
    }
    Ok(())
}

fn enable(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    unit: &Unit,
    standing: &Standing,
    names: &[String],
    undo: &StepName,
) -> Result<(Facts, Vec<(KeyName, Change)>), Fault> {
    let Outcome::Done { change, .. } = versions::enable(executor, scene)? else {
        return Err(Fault::report_bug("enable a version again", "it neither took nor failed"));
    };
    let old = scene.old_version()?.clone();
    let begun =
        |name: &String| name.parse::<StepName>().is_ok_and(|name| standing.step(&name).stands != Stands::Pending);
    let mine = unit.steps.iter().zip(names).filter(|(step, name)| step.key == scene.step.key && begun(name));
    let mine: Vec<&Part> = mine.map(|(step, _)| &step.part).collect();
    let mut facts = Facts::new();
    for part in &mine {
        let Part::Withdraw { fleet } = part else { continue };
        let told = match scene.fleet(fleet)?.deliver {
            Some(_) => {
                people::deliver(executor.world, scene, fleet, &old)?;
                "brought back"
            }
            None => "taken away, and nothing in the policy brings it back",
        };
        facts.insert(fleet.to_string(), told.into());
    }
    for part in &mine {
        if let Part::Restart { fleet, member, why: Why::Forget } = part {
            turns::restart(executor, scene, undo, fleet, member.as_ref())?;
        }
    }
    Ok((facts, change))
}
