//! What gates ask of the world: how far each fleet's members have proved that they know the new version.

use crate::course::Observation;
use crate::course::facts::Proven;
use crate::course::may_begin;
use crate::digest::Digest;
use crate::executor::Executor;
use crate::fault::Fault;
use crate::inventory::MemberSeen;
use crate::journal::Event;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::VersionId;
use crate::model::Which;
use crate::plan::Gate;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use crate::policy::meant;
use crate::policy::meant::Fleet;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::Proof;
use crate::port::facts::Facts;
use crate::port::fleet::seen;
use crate::port::world::World;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Looks at every fleet whose proof a step waits for now. A proof that cannot be read shuts the gate that asks for it and
/// no other: it is named, with the steps behind it.
///
/// # Errors
/// The journal failed.
pub(super) fn observe(
    executor: &mut Executor<'_, '_>,
    unit: &Unit,
    progress: &Progress,
) -> Result<(Observation, Vec<(usize, Fault)>), Fault> {
    let mut observation = Observation::default();
    let mut unread = Vec::new();
    for (index, step) in unit.steps.iter().enumerate() {
        let asked = matches!(progress.at(index), At::Ahead | At::Begun) && may_begin(unit, progress, index);
        for fleet in step.gates.iter().filter(|_| asked).filter_map(|gate| match gate {
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
            let place = (step.key, fleet.clone());
            match proven(executor, &planned.name, fleet, &new)? {
                Ok(proven) => drop(observation.proofs.insert(place, proven)),
                Err(fault) => {
                    observation.unread.insert(place, fault.to_string());
                    unread.push((index, fault));
                }
            }
        }
    }
    Ok((observation, unread))
}

/// How far a fleet's members have proved it, or why that cannot be known now.
///
/// # Errors
/// The journal failed.
fn proven(
    executor: &mut Executor<'_, '_>,
    key: &KeyName,
    name: &Name,
    new: &VersionId,
) -> Result<Result<Proven, Fault>, Fault> {
    let plan = executor.approved.plan();
    let policy = plan.policies.iter().find(|policy| policy.name == *key.policy());
    let Some((policy, fleet)) = policy.and_then(|policy| Some((policy, policy.fleets.get(name)?))) else {
        return Ok(Ok(Proven::default()));
    };
    let (Some(proof), Some(meant)) = (&fleet.proof, policy.keys.get(key.key())) else {
        return Ok(Ok(Proven::default()));
    };
    let rows = match Rows::read(executor.world, (key, meant), (name, fleet), proof) {
        Ok(rows) => rows,
        Err(fault) => return Ok(Err(fault)),
    };
    note(executor, key, &rows.versions, name, &rows.signs)?;
    Ok(judge(executor, key, (name, proof), new, &rows))
}

/// What a fleet's proof says.
struct Rows {
    versions: Key,
    known: BTreeMap<Member, MemberSeen>,
    signs: BTreeMap<Member, Digest>,
    /// Everybody: those that the policy lists and those that the proof names.
    all: BTreeSet<Member>,
}

impl Rows {
    fn read(
        world: &dyn World,
        (key, meant): (&KeyName, &meant::Key),
        (name, fleet): (&Name, &Fleet),
        proof: &Proof,
    ) -> Result<Self, Fault> {
        let look = world.backend(key, &meant.backend)?.look(&meant.at)?;
        let versions = look.key.versions.iter().map(|version| (version.id.clone(), Facts::of(version)));
        let versions: Vec<_> = versions.collect();
        let port = world.fleet(key, name)?;
        let (mut known, mut signs) = (BTreeMap::new(), BTreeMap::new());
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
        let all = listed.into_iter().chain(known.keys().cloned()).collect();
        Ok(Self { versions: look.key, known, signs, all })
    }
}

fn judge(
    executor: &Executor<'_, '_>,
    key: &KeyName,
    (name, proof): (&Name, &Proof),
    new: &VersionId,
    rows: &Rows,
) -> Result<Proven, Fault> {
    let mut proven = Proven::default();
    for member in &rows.all {
        let seen = rows.known.get(member);
        let knows = seen.and_then(|seen| seen.knows.as_ref()).is_some_and(|knows| knows.contains(new));
        let alive = !proof_has_sign(proof) || fresh(executor, key, name, member);
        if knows && alive {
            proven.know = proven.know.saturating_add(1);
        } else if !executor.world.fleet(key, name)?.gone(member)? {
            proven.missing.push(member.to_string());
        }
    }
    Ok(proven)
}

const fn proof_has_sign(proof: &Proof) -> bool {
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
    versions: &Key,
    fleet: &Name,
    signs: &BTreeMap<Member, Digest>,
) -> Result<(), Fault> {
    let known = executor.desk.ledger().keys.get(key).and_then(|known| known.look.as_ref());
    let before = known.and_then(|look| look.signs.get(fleet));
    let same = |(member, sign): (&Member, &Digest)| {
        before.and_then(|signs| signs.get(member)).is_some_and(|known| known.digest == *sign)
    };
    if signs.iter().all(same) {
        return Ok(());
    }
    let members = [(fleet.clone(), signs.clone())].into();
    executor.desk.jot(vec![Event::Observation { key: key.clone(), versions: versions.clone(), members }])
}
