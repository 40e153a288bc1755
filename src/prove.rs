//! The plan as a model, checked: every state that can be reached in a small world of the plan's own shape,
//! with members that refresh, restart and write as their fleet allows, and an executor that may die between
//! and inside steps. It asks the same `course::next` as the real executor.
//! Never here: time. Timing is arithmetic on declared delays; what they promise is what the model assumes.

pub mod act;
pub mod event;
pub mod judge;
pub mod model;
pub mod shape;
pub mod state;
pub mod story;
pub mod timing;
pub mod world;

pub use judge::Breach;
pub use story::Violation;

use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::Proof;
use crate::plan::Unit;
use crate::policy::Policy;
use std::collections::BTreeMap;
use world::World;

/// Proves every unit of a plan, and writes the proofs into it. Equal shapes are checked once.
///
/// # Errors
/// The first violation that was found, with the story that leads there.
pub fn check(mut plan: Plan) -> Result<Plan, Box<Violation>> {
    let mut known: BTreeMap<Digest, Proof> = BTreeMap::new();
    let hour = plan.made;
    for unit in &mut plan.units {
        let mut proofs = Vec::new();
        for slot in 0..unit.keys.len() {
            let Some(world) = World::of(unit, slot, &plan.policies, hour) else { continue };
            let shape = shape::digest(&world);
            let proof = match known.get(&shape) {
                Some(proof) => proof.clone(),
                None => {
                    let proof = model::check(&world, shape)?;
                    known.insert(shape, proof.clone());
                    proof
                }
            };
            proofs.push(proof);
        }
        unit.proof = join(proofs);
    }
    Ok(plan)
}

/// Proves one key of a unit.
///
/// # Errors
/// The violation that was found, with the story that leads there.
pub fn check_key(
    unit: &Unit,
    slot: usize,
    policies: &[Policy],
    hour: crate::model::Hour,
) -> Result<Option<Proof>, Box<Violation>> {
    match World::of(unit, slot, policies, hour) {
        Some(world) => model::check(&world, shape::digest(&world)).map(Some),
        None => Ok(None),
    }
}

/// The proof of a unit: its keys' proofs, told together. The order between keys is in the graph itself.
fn join(proofs: Vec<Proof>) -> Option<Proof> {
    proofs.into_iter().reduce(|mut all, one| {
        all.states = all.states.saturating_add(one.states);
        all.depth = all.depth.max(one.depth);
        for text in one.assumptions.into_iter().filter(|text| !all.assumptions.contains(text)).collect::<Vec<_>>() {
            all.assumptions.push(text);
        }
        for text in one.accepted.into_iter().filter(|text| !all.accepted.contains(text)).collect::<Vec<_>>() {
            all.accepted.push(text);
        }
        all
    })
}
