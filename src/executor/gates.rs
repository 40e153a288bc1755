//! What gates ask of the world: how far each fleet's members have proved that they know the new version.

use crate::course::Observation;
use crate::course::facts::Proven;
use crate::executor::Executor;
use crate::fault::Fault;
use crate::journal::Event;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Which;
use crate::plan::Gate;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::policy::meant::fleet::Members;
use crate::port::facts::Facts;
use crate::port::fleet::seen;
use std::collections::BTreeMap;

/// Looks at every fleet whose proof a step waits for now.
pub(super) fn observe(executor: &mut Executor<'_, '_>, unit: &Unit, progress: &Progress) -> Result<Observation, Fault> {
    let mut observation = Observation::default();
    for (index, step) in unit.steps.iter().enumerate() {
        let next = progress.at(index) == At::Ahead && step.needs.iter().all(|need| progress.at(need.step) == At::Done);
        for fleet in step.gates.iter().filter(|_| next).filter_map(|gate| match gate {
            Gate::Proof { fleet, .. } => Some(fleet),
            _ => None,
        }) {
            let Some(planned) = unit.keys.get(step.key) else { continue };
            let standing = executor.desk.standing(executor.approved.id());
            let new = match &planned.new {
                Which::New => standing.and_then(|standing| standing.made(&planned.name).cloned()),
                Which::Id(id) => Some(id.clone()),
                Which::Nothing => None,
            };
            let Some(new) = new else { continue };
            let proven = proven(executor, &planned.name, fleet, &new)?;
            observation.proofs.insert((step.key, fleet.clone()), proven);
        }
    }
    Ok(observation)
}

fn proven(
    executor: &mut Executor<'_, '_>,
    key: &KeyName,
    name: &Name,
    new: &crate::model::VersionId,
) -> Result<Proven, Fault> {
    let plan = executor.approved.plan();
    let policy = plan.policies.iter().find(|policy| policy.name == *key.policy());
    let Some((policy, fleet)) = policy.and_then(|policy| Some((policy, policy.fleets.get(name)?))) else {
        return Ok(Proven::default());
    };
    let (Some(proof), Some(meant)) = (&fleet.proof, policy.keys.get(key.key())) else { return Ok(Proven::default()) };
    let look = executor.world.backend(key, &meant.backend)?.look(&meant.at)?;
    let versions = look.key.versions.iter().map(|version| (version.id.clone(), Facts::of(version)));
    let versions: Vec<_> = versions.collect();
    let port = executor.world.fleet(key, name)?;
    let mut known = BTreeMap::new();
    let mut signs = BTreeMap::new();
    for row in port.proofs()? {
        let member = seen(proof, &row, &versions)
            .map_err(|why| Fault::ask_operator(format!("read the proof of fleet `{name}`"), why))?;
        if let Some(sign) = &member.sign {
            signs.insert(member.name.clone(), crate::digest::of("sign of life", &[sign.as_bytes()]));
        }
        known.insert(member.name.clone(), member);
    }
    let listed = match &fleet.members {
        Members::Listed(members) => members.clone(),
        Members::FromProof { .. } => Vec::new(),
        Members::FromCommand { .. } => port.members()?,
    };
    let all: std::collections::BTreeSet<Member> = listed.into_iter().chain(known.keys().cloned()).collect();
    note(executor, key, &look.key, name, &signs)?;
    let mut proven = Proven::default();
    for member in all {
        let knows = known.get(&member).and_then(|seen| seen.knows.as_ref()).is_some_and(|knows| knows.contains(new));
        let alive = !proof_has_sign(proof) || fresh(executor, key, name, &member);
        if knows && alive {
            proven.know = proven.know.saturating_add(1);
        } else if !executor.world.fleet(key, name)?.gone(&member)? {
            proven.missing.push(member.to_string());
        }
    }
    Ok(proven)
}

const fn proof_has_sign(proof: &crate::policy::meant::fleet::Proof) -> bool {
    proof.seen_at.is_some()
}

/// Whether a member's sign of life changed between two of our own looks.
fn fresh(executor: &Executor<'_, '_>, key: &KeyName, fleet: &Name, member: &Member) -> bool {
    let look = executor.desk.ledger().keys.get(key).and_then(|known| known.look.as_ref());
    let opened = executor.desk.standing(executor.approved.id()).map(|standing| standing.opened_at);
    let sign = look.and_then(|look| look.signs.get(fleet)).and_then(|signs| signs.get(member));
    sign.zip(opened).is_some_and(|(sign, opened)| sign.changed && sign.since >= opened)
}

/// Writes down what was seen, so that the next look has something to compare with.
fn note(
    executor: &mut Executor<'_, '_>,
    key: &KeyName,
    versions: &crate::model::Key,
    fleet: &Name,
    signs: &BTreeMap<Member, crate::digest::Digest>,
) -> Result<(), Fault> {
    let known = executor.desk.ledger().keys.get(key).and_then(|known| known.look.as_ref());
    let before = known.and_then(|look| look.signs.get(fleet));
    let same = |(member, sign): (&Member, &crate::digest::Digest)| {
        before.and_then(|signs| signs.get(member)).is_some_and(|known| known.digest == *sign)
    };
    if signs.iter().all(same) {
        return Ok(());
    }
    let members = [(fleet.clone(), signs.clone())].into();
    executor.desk.jot(vec![Event::Observation { key: key.clone(), versions: versions.clone(), members }])
}
