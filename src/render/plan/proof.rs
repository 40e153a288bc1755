//! What was proved, what it rests on, and what is left to doubt.

use crate::course::span::mixed;
use crate::decision::lead::learn_span;
use crate::model::Span;
use crate::policy::meant::fleet::Learns;
use crate::render::plan::group::Case;
use crate::render::words;
use serde::Serialize;

/// A proof as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct ProofView {
    /// Whether there is one.
    pub proved: bool,
    /// It in a line.
    pub line: String,
    /// The line's tone.
    pub tone: &'static str,
    /// The digest of the shape that was checked.
    pub shape: Option<String>,
    /// How many states were looked at.
    pub states: Option<u64>,
    /// How many events the longest of the shortest ways has.
    pub depth: Option<u64>,
    /// What it holds for, and what it rests on.
    pub told: Vec<String>,
    /// What a reviewer accepts with it.
    pub doubts: Vec<String>,
}

/// A fleet whose members' knowledge rests on a declared delay alone.
pub(super) struct Timed {
    /// `policy/fleet`.
    pub(super) name: String,
    /// Its name in the policy.
    fleet: String,
    /// The delay.
    span: Span,
}

/// The fleets of a case that are timed, not proven.
pub(super) fn timed(case: &Case<'_>) -> Vec<Timed> {
    let mut timed: Vec<Timed> = Vec::new();
    for key in &case.keys {
        let (Some(policy), Some(meant)) = (key.policy, key.key) else { continue };
        for (name, fleet) in meant.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
            let whole = format!("{}/{name}", policy.name);
            let by_time = fleet.proof.is_none() && matches!(fleet.learns, Learns::Every { .. });
            if by_time && !timed.iter().any(|other| other.name == whole) {
                timed.push(Timed { name: whole, fleet: name.to_string(), span: learn_span(fleet) });
            }
        }
    }
    timed
}

/// The risks that a case's proof takes as accepted.
pub(super) fn accepted(case: &Case<'_>) -> Vec<String> {
    case.unit.proof.as_ref().map(|proof| proof.accepted.clone()).unwrap_or_default()
}

/// The proof of a case.
pub(super) fn proof(case: &Case<'_>, timed: &[Timed]) -> ProofView {
    let proof = case.unit.proof.as_ref();
    let line = match proof {
        Some(proof) => format!(
            "Proved safe: all {} states that can be reached, up to {} events deep (shape {})",
            words::number(proof.states),
            words::number(proof.depth),
            proof.shape.short()
        ),
        None => "NOT PROVED: nobody looked whether these steps are safe".to_owned(),
    };
    let mut told = Vec::new();
    if let Some(proof) = proof {
        told.push(format!("looked at: {}", proof.bound));
        told.extend(proof.assumptions.iter().map(|text| format!("relies on: {text}")));
    }
    let in_time = case.unit.bounds.iter().filter(|bound| bound.holds());
    told.extend(in_time.map(|bound| format!("timing: {bound}: {}", bound.about)));
    told.extend(windows(case));
    ProofView {
        proved: proof.is_some(),
        line,
        tone: if proof.is_some() { "good" } else { "bad" },
        shape: proof.map(|proof| proof.shape.hex()),
        states: proof.map(|proof| proof.states),
        depth: proof.map(|proof| proof.depth),
        told,
        doubts: doubts(case, timed),
    }
}

/// The spans in which values are new and members old.
fn windows(case: &Case<'_>) -> Vec<String> {
    let names = case.unit.step_names();
    let name = |at: usize| names.get(at).and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let window = |key: usize| {
        let mixed = mixed(case.unit, key)?;
        let (from, to, moves, restarts) = (name(mixed.from), name(mixed.to), mixed.moves, mixed.restarts);
        let most = moves.plus(restarts);
        Some(format!(
            "mixed window: from {from} to {to} values are new while members hold the old version: at most about {most} \
             ({moves} to move the values, {restarts} for the restarts)"
        ))
    };
    (0..case.unit.keys.len()).filter_map(window).collect()
}

fn doubts(case: &Case<'_>, timed: &[Timed]) -> Vec<String> {
    let by_time = timed.iter().map(|fleet| {
        let (name, span) = (&fleet.fleet, fleet.span);
        format!("timed, not proven: `{name}` has no proof; after {span} its members are taken to know the new version")
    });
    let late = case.unit.bounds.iter().filter(|bound| !bound.holds());
    let late = late.map(|bound| format!("NOT IN TIME: {bound}, and this must hold: {}", bound.about));
    let mut doubts: Vec<String> = late.chain(by_time).collect();
    let proved = accepted(case);
    let accepts = case.keys.iter().filter_map(|key| key.key).flat_map(|key| &key.accepts);
    for accept in accepts {
        if proved.contains(&accept.name()) {
            let (told, risk) = (words::acceptance(accept), &accept.risk);
            doubts.push(format!("accepted risk: {told} (`keyrota explain {risk}`)"));
        }
    }
    doubts
}
