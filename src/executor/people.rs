//! Acts on fleets, and questions to the world.

use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::fault::Fault;
use crate::journal::DELIVERED_PROVEN;
use crate::journal::Facts as Told;
use crate::model::Member;
use crate::model::Name;
use crate::model::VersionId;
use crate::plan::Kind;
use crate::policy::meant::check::When;
use crate::policy::meant::fleet::Gives;
use crate::port::backend::Failed;
use crate::port::world::World;

/// Asks the key's checks of a moment: what passed, or the first that did not.
///
/// # Errors
/// One could not be asked, which says nothing about the key.
pub(super) fn check(world: &dyn World, scene: &Scene<'_>, when: When) -> Result<Result<Told, Fault>, Fault> {
    let probe = world.probe(scene.name())?;
    let mut told = Told::new();
    for check in scene.key.checks.iter().filter(|check| check.when.contains(&when)) {
        let answer = probe.ask(check, &scene.plain_facts())?;
        if !answer.passed {
            let doing = format!("pass check `{}` of `{}`", check.name, scene.name());
            let fault = Fault::ask_operator(doing, answer.saw);
            return Ok(Err(fault.hint("mend what it names, then run `keyrota apply` again")));
        }
        told.insert(check.name.to_string(), "passed".into());
    }
    Ok(Ok(told))
}

/// Brings a version to every member of a fleet.
pub(super) fn deliver(
    world: &dyn World,
    scene: &Scene<'_>,
    name: &Name,
    version: &VersionId,
) -> Result<Outcome, Fault> {
    let fleet = scene.fleet(name)?;
    let port = world.fleet(scene.name(), name)?;
    let gives = fleet.deliver.as_ref().is_some_and(|deliver| deliver.gives != Gives::Nothing);
    let expected = scene.fingerprint(version);
    let mut told = Told::new();
    for member in members(world, scene, name)? {
        let material = match gives {
            true => Some(
                world
                    .backend(scene.name(), &scene.key.backend)?
                    .encoded(&scene.key.at, version)
                    .map_err(|f| refused(scene, f))?,
            ),
            false => None,
        };
        let delivered = port.deliver(&member, &scene.facts(version).with_member(&member), material.as_ref())?;
        let fingerprint = delivered.proven.as_ref();
        if fingerprint.is_some() && expected.is_some() && fingerprint != expected {
            let why = "what it says it holds now is another";
            return Err(Fault::ask_operator(format!("deliver `{version}` to `{member}`"), why));
        }
        told.insert(
            member.to_string(),
            if fingerprint.is_some() { DELIVERED_PROVEN } else { "delivered, not proven" }.into(),
        );
    }
    Ok(Outcome::Done { facts: told, change: Vec::new() })
}

/// Takes the old version from every member of a fleet.
pub(super) fn withdraw(world: &dyn World, scene: &Scene<'_>, name: &Name) -> Result<Outcome, Fault> {
    let version = scene.old_version()?;
    let port = world.fleet(scene.name(), name)?;
    for member in members(world, scene, name)? {
        port.withdraw(&member, &scene.facts(version).with_member(&member))?;
    }
    Ok(Outcome::done())
}

/// Moves a fleet's or a member's own pointer.
pub(super) fn point(
    world: &dyn World,
    scene: &Scene<'_>,
    name: &Name,
    member: Option<&Member>,
) -> Result<Outcome, Fault> {
    let version = scene.new_version()?;
    let port = world.fleet(scene.name(), name)?;
    for member in chosen(world, scene, name, member)? {
        port.point(&member, &scene.facts(version).with_member(&member))?;
    }
    let change = turned(scene, version);
    Ok(Outcome::Done { facts: Told::new(), change })
}

/// Whether a fleet's or a member's own pointer names the new version already.
pub(super) fn is_pointed(
    world: &dyn World,
    scene: &Scene<'_>,
    name: &Name,
    member: Option<&Member>,
) -> Result<bool, Fault> {
    let version = scene.new_version()?;
    let Some(pointer) = &scene.fleet(name)?.point else { return Ok(false) };
    let port = world.fleet(scene.name(), name)?;
    for member in chosen(world, scene, name, member)? {
        let wanted = scene.facts(version).with_member(&member).fill(&pointer.is).ok();
        if wanted.is_none() || port.pointed(&member)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The turn says `switch` also where it is a pointer or a rewrap: the cryptoperiod counts from it.
pub(super) fn turned(scene: &Scene<'_>, version: &VersionId) -> Vec<(crate::model::KeyName, crate::model::Change)> {
    let rotates = matches!(scene.planned.kind, Kind::Rotate | Kind::First | Kind::Back);
    let turn = scene.step.turn && rotates;
    turn.then(|| (scene.name().clone(), crate::model::Change::Switch { to: version.clone() })).into_iter().collect()
}

/// A fleet's members, who must be at least as many as the policy says.
pub(super) fn members(world: &dyn World, scene: &Scene<'_>, name: &Name) -> Result<Vec<Member>, Fault> {
    use crate::policy::meant::fleet::Members;
    let fleet = scene.fleet(name)?;
    let port = world.fleet(scene.name(), name)?;
    let (members, at_least) = match &fleet.members {
        Members::Listed(members) => (members.clone(), 1),
        Members::FromCommand { at_least, .. } => (port.members()?, *at_least),
        Members::FromProof { at_least } => {
            let field = fleet.proof.as_ref().map(|proof| proof.member.clone()).unwrap_or_default();
            let rows = port.proofs()?;
            let named = rows.iter().filter_map(|row| row.get(&field)?.as_str()?.parse().ok());
            (named.collect(), *at_least)
        }
    };
    let enough = usize::try_from(at_least.max(1)).unwrap_or(usize::MAX);
    if members.len() < enough {
        let why = format!("there are {}, and the policy asks for at least {enough}", members.len());
        return Err(Fault::ask_operator(format!("find the members of fleet `{name}`"), why)
            .hint("an empty list is never taken for everybody; see whether the list is read from the right place"));
    }
    Ok(members)
}

pub(super) fn chosen(
    world: &dyn World,
    scene: &Scene<'_>,
    name: &Name,
    member: Option<&Member>,
) -> Result<Vec<Member>, Fault> {
    member.map_or_else(|| members(world, scene, name), |member| Ok(vec![member.clone()]))
}

fn refused(scene: &Scene<'_>, failed: Failed) -> Fault {
    match failed {
        Failed::Fault(fault) => fault,
        other => Fault::give_up(format!("read the material of `{}`", scene.name()), other),
    }
}
