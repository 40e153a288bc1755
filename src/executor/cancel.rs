//! Giving up a run: what it made and nobody can have used is taken away again, and everything else stays readable.

use crate::digest::Digest;
use crate::executor::Desk;
use crate::executor::values;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Mark;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::model::Change;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::State;
use crate::model::VersionId;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Unit;
use crate::plan::step::Why;
use crate::policy::Policy;
use crate::policy::meant;
use crate::port::world::World;

/// How one key was left.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Left {
    /// The key.
    pub key: KeyName,
    /// Its versions, as they are now.
    pub versions: Key,
    /// The version that was taken away: nobody had used it.
    pub discarded: Option<VersionId>,
    /// The staged version that was left there, and why.
    pub kept: Option<(VersionId, String)>,
    /// The fleets that were given the version that was taken away.
    pub delivered: Vec<Name>,
    /// The fleets that still hold a version which the backend destroyed in this run: no later plan takes it from them.
    pub holding: Vec<Name>,
    /// Why nothing was looked at.
    pub unknown: Option<String>,
}

/// Gives up an open run.
///
/// # Errors
/// The journal failed. A world that cannot be asked is told and stops nothing: a run can always be given up.
pub fn cancel(plan: &Plan, id: Digest, world: &dyn World, desk: &mut Desk<'_>, why: &str) -> Result<Vec<Left>, Fault> {
    desk.go_on(id)?;
    let mut all = Vec::new();
    for unit in &plan.units {
        for (at, planned) in unit.keys.iter().enumerate() {
            all.push(one(plan, unit, at, planned, id, world, desk)?);
        }
    }
    let run = desk.run()?;
    desk.say(vec![Event::RunCancelled { run, why: why.to_owned() }])?;
    desk.seal()?;
    Ok(all)
}

fn one(
    plan: &Plan,
    unit: &Unit,
    at: usize,
    planned: &Planned,
    id: Digest,
    world: &dyn World,
    desk: &mut Desk<'_>,
) -> Result<Left, Fault> {
    let mut left = Left {
        key: planned.name.clone(),
        versions: Key::default(),
        discarded: None,
        kept: None,
        delivered: Vec::new(),
        holding: Vec::new(),
        unknown: None,
    };
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
    let key = policy.and_then(|policy| Some((policy, policy.keys.get(planned.name.key())?)));
    let (Some((policy, key)), Some(standing)) = (key, desk.standing(id).cloned()) else { return Ok(left) };
    left.holding = holding(unit, at, &standing);
    let looked = world.backend(&planned.name, &key.backend).and_then(|backend| backend.look(&key.at));
    match looked {
        Ok(look) => left.versions = look.key,
        Err(fault) => {
            left.unknown = Some(fault.to_string());
            return Ok(left);
        }
    }
    let Some(made) = staged(unit, at, planned, &standing, &left.versions) else { return Ok(left) };
    match unused(unit, at, &standing, &made, (world, policy, &planned.name, key, &left.versions)) {
        Err(why) => left.kept = Some((made, why)),
        Ok(()) => match discard(unit, at, planned, key, &made, &standing, world, desk)? {
            Err(fault) => left.kept = Some((made, fault.to_string())),
            Ok(()) => {
                left.versions.versions.retain(|version| version.id != made);
                left.delivered = delivered(unit, at, &standing);
                left.discarded = Some(made);
            }
        },
    }
    Ok(left)
}

fn steps<'a>(
    unit: &'a Unit,
    at: usize,
    standing: &'a Standing,
) -> impl Iterator<Item = (&'a crate::plan::Step, &'a Stands)> {
    let named = unit.step_names().into_iter().zip(&unit.steps).filter(move |(_, step)| step.key == at);
    named.filter_map(|(name, step)| Some((step, &standing.step(&name.parse::<StepName>().ok()?).stands)))
}

/// The version that this run made, where it is still staged: known by the mark that was written before it was made.
fn staged(unit: &Unit, at: usize, planned: &Planned, standing: &Standing, seen: &Key) -> Option<VersionId> {
    let names = unit.step_names().into_iter().zip(&unit.steps);
    let adds = names.filter(|(_, step)| step.key == at && step.part == Part::Add);
    let marks: Vec<Mark> = adds
        .filter_map(|(name, _)| Some(standing.step(&name.parse::<StepName>().ok()?).marks.clone()))
        .flatten()
        .collect();
    let base = &planned.base.key;
    let ours = seen.versions.iter().find(|version| {
        let mark = marks.iter().find(|mark| mark.version.as_ref() == Some(&version.id));
        let same = mark.is_some_and(|mark| mark.fingerprint == version.fingerprint);
        version.state == State::Staged && same && base.version(&version.id).is_none()
    });
    ours.map(|version| version.id.clone())
}

type Place<'a> = (&'a dyn World, &'a Policy, &'a KeyName, &'a meant::Key, &'a Key);

/// Whether it is certain that nothing was sealed under it, or why not.
fn unused(unit: &Unit, at: usize, standing: &Standing, made: &VersionId, place: Place<'_>) -> Result<(), String> {
    for (step, stands) in steps(unit, at, standing) {
        let writes = match &step.part {
            Part::Rewrap { .. } | Part::Sweep { .. } | Part::Point { .. } | Part::Close => true,
            Part::Restart { why: Why::Follow, .. } => true,
            // The backend shows whether its own switch took: the version is staged, so it did not. One that keeps no books shows
            // only where the pointer stands now.
            Part::Switch => matches!(stands, Stands::Done { .. }),
            _ => step.turn,
        };
        if writes && *stands != Stands::Pending {
            return Err("a step that lets members write with it was begun".into());
        }
    }
    let (world, policy, name, key, versions) = place;
    let counted = values::lots_of(world, policy, name, key, versions, made).and_then(|lots| {
        let mut found = 0_u64;
        for lot in &lots {
            for census in lot.recount()? {
                let inexact = u64::from(!census.exact);
                found = found.saturating_add(census.of(made)).saturating_add(census.strange).saturating_add(inexact);
            }
        }
        Ok(found)
    });
    match counted {
        Ok(0) => Ok(()),
        Ok(found) => Err(format!("{found} values are, or may be, under it")),
        Err(fault) => Err(format!("whether values are under it could not be counted: {fault}")),
    }
}

#[expect(clippy::too_many_arguments, reason = "one act, told from where it stands")]
fn discard(
    unit: &Unit,
    at: usize,
    planned: &Planned,
    key: &meant::Key,
    made: &VersionId,
    standing: &Standing,
    world: &dyn World,
    desk: &mut Desk<'_>,
) -> Result<Result<(), Fault>, Fault> {
    let name = unit.name_beside(at, crate::model::Act::Discard);
    let step: StepName = name.parse().map_err(|why: String| Fault::report_bug(format!("name step `{name}`"), why))?;
    let attempt = standing.step(&step).attempts.saturating_add(1);
    let change = Change::Discard { version: made.clone() };
    let mark = Mark { version: Some(made.clone()), ..Mark::default() };
    desk.say(vec![Event::Intent { step: step.clone(), attempt, mark }])?;
    desk.seal()?;
    let backend = match world.backend(&planned.name, &key.backend) {
        Ok(backend) => backend,
        Err(fault) => return Ok(Err(fault)),
    };
    backend.sign_as(desk.run()?.as_str());
    if let Err(failed) = backend.change(&key.at, &change, None, desk.now()) {
        let fault = Fault::ask_operator(format!("discard version `{made}` of `{}`", planned.name), failed);
        desk.say(vec![Event::Failed { step, attempt, fault: fault.clone() }])?;
        return Ok(Err(fault));
    }
    let change = vec![(planned.name.clone(), change)];
    desk.say(vec![Event::Done { step, attempt, facts: Default::default(), change, undone: Vec::new() }])?;
    Ok(Ok(()))
}

/// Whom the removal of a destroyed version had not reached yet.
fn holding(unit: &Unit, at: usize, standing: &Standing) -> Vec<Name> {
    let of = || steps(unit, at, standing);
    let destroyed = of().any(|(step, stands)| step.part == Part::Destroy && *stands != Stands::Pending);
    let unreached = of().filter_map(|(step, stands)| match &step.part {
        Part::Withdraw { fleet } if !matches!(stands, Stands::Done { .. }) => Some(fleet.clone()),
        _ => None,
    });
    if destroyed { unreached.collect() } else { Vec::new() }
}

fn delivered(unit: &Unit, at: usize, standing: &Standing) -> Vec<Name> {
    let given = steps(unit, at, standing).filter_map(|(step, stands)| match &step.part {
        Part::Deliver { fleet } if *stands != Stands::Pending => Some(fleet.clone()),
        _ => None,
    });
    given.collect()
}
