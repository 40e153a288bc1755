//! What a plan would do, without when: the digest that stays when only dates, counts and estimates moved.

use crate::digest;
use crate::digest::Digest;
use crate::digest::Hasher;
use crate::inventory::Able;
use crate::model::Risk;
use crate::plan::Bound;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Proof;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::document::ascii::append;
use crate::plan::document::line::RowKey;
use crate::plan::document::shapes;
use crate::plan::step::Need;
use crate::policy::Policy;
use serde::Serialize;

/// The domain of the digest; another number where what goes into it changes.
const DOMAIN: &str = "keyrota-plan-intent/1";

#[derive(Serialize)]
struct StepIntent<'a> {
    key: usize,
    part: &'a Part,
    needs: &'a [Need],
    gates: Vec<GateIntent<'a>>,
    risk: Risk,
    turn: bool,
}

/// A gate. How long a window must stay open follows from an estimate, and is left out.
#[derive(Serialize)]
#[serde(untagged)]
enum GateIntent<'a> {
    Window { window: &'a crate::model::Name },
    Other(&'a Gate),
}

#[derive(Serialize)]
struct ProofIntent<'a> {
    assumptions: &'a [String],
    accepted: &'a [String],
}

/// The digest of what a plan would do.
pub(super) fn intent(plan: &Plan) -> Digest {
    // Every field by name: a new one does not compile before somebody says whether it belongs here.
    let Plan { tool: _, made: _, expires: _, settings, policies, decisions: _, unmanaged: _, leaks, units } = plan;
    let mut hasher = Hasher::new(DOMAIN);
    let mut line = Vec::new();
    let mut part = |value: &dyn Fn(&mut Vec<u8>)| {
        line.clear();
        value(&mut line);
        hasher.part(&line);
    };
    part(&|out| append(out, settings));
    part(&|out| append(out, &policies.len()));
    for policy in policies {
        let bare = bare(policy);
        part(&|out| append(out, &bare));
    }
    // What would break is told in counts; which version it is about is written down by whoever opens the plan.
    for leak in leaks {
        part(&|out| append(out, &("leak", &leak.key, &leak.version)));
    }
    part(&|out| append(out, &units.len()));
    let shapes = shapes(units);
    let told: Vec<Digest> = shapes.first.iter().filter_map(|first| units.get(*first)).map(shape).collect();
    for (unit, shape) in units.iter().zip(&shapes.of) {
        let keys: Vec<RowKey<'_>> = unit.keys.iter().map(RowKey::of).collect();
        part(&|out| append(out, &(&keys, told.get(*shape))));
    }
    hasher.finish()
}

/// What units of one shape would do. Two shapes that differ in the figures of their proofs are one here.
fn shape(unit: &Unit) -> Digest {
    let Unit { keys, steps, bounds, proof } = unit;
    let keys: Vec<(Kind, Able)> = keys.iter().map(|key| (key.kind, key.base.able)).collect();
    let steps: Vec<StepIntent<'_>> = steps.iter().map(step).collect();
    let bounds: &[Bound] = bounds;
    let proof = proof.as_ref().map(|proof| {
        let Proof { shape: _, states: _, depth: _, bound: _, assumptions, accepted } = proof;
        ProofIntent { assumptions, accepted }
    });
    let mut line = Vec::new();
    append(&mut line, &(&keys, &steps, bounds, &proof));
    digest::of(DOMAIN, &[&line])
}

/// A policy without the traces of how its file is laid out: a new comment changes nothing that is done.
fn bare(policy: &Policy) -> Policy {
    let mut bare = Policy { digest: Digest([0; 32]), ..policy.clone() };
    for key in bare.keys.values_mut() {
        key.line = (0, 0);
    }
    bare
}

fn step(step: &Step) -> StepIntent<'_> {
    let Step { key, part, needs, gates, risk, turn, estimate: _ } = step;
    let gates = gates.iter().map(|gate| match gate {
        Gate::Window { window, lasts: _ } => GateIntent::Window { window },
        other => GateIntent::Other(other),
    });
    StepIntent { key: *key, part, needs, gates: gates.collect(), risk: *risk, turn: *turn }
}
