//! The plan as a model, checked: every state that can be reached in a small world of the plan's own shape,
//! with members that refresh, restart and write as their fleet allows, and an executor that may die between
//! and inside steps. It asks the same `course::next` as the real executor.
//! Never here: time. Timing is arithmetic on declared delays; what they promise is what the model assumes.

pub mod accepted;
pub mod act;
mod alike;
mod before;
pub mod event;
mod gate;
pub mod judge;
mod keys;
pub mod model;
pub mod shape;
pub mod state;
pub mod story;
mod structure;
pub mod timing;
mod undo;
pub mod world;

pub use judge::Breach;
pub use story::Violation;

use crate::digest::Digest;
use crate::plan::Plan;
use crate::plan::Proof;
use crate::plan::Unit;
use model::Visited;
use std::collections::BTreeMap;
use world::Flaws;
use world::World;

/// Proves every unit of a plan, and writes the proofs into it. Equal shapes are checked once.
///
/// # Errors
/// The first violation that was found, with the story that leads there.
pub fn check(plan: Plan) -> Result<Plan, Box<Violation>> {
    check_with(plan, Flaws::default())
}

/// As [`check`], in a world where plans are carried out with these faults: so tests see that each is noticed.
///
/// # Errors
/// As [`check`].
pub fn check_with(mut plan: Plan, flaws: Flaws) -> Result<Plan, Box<Violation>> {
    keys::check(&plan)?;
    let mut known: BTreeMap<Digest, Visited> = BTreeMap::new();
    let mut proofs: Vec<Option<Proof>> = Vec::with_capacity(plan.units.len());
    let mut before: Option<&Unit> = None;
    for unit in &plan.units {
        let proof = match before.filter(|before| alike::alike(&plan, before, unit)).and(proofs.last()) {
            Some(proof) => proof.clone(),
            None => unit_proof(&plan, unit, flaws, &mut known)?,
        };
        proofs.push(proof);
        before = Some(unit);
    }
    for (unit, proof) in plan.units.iter_mut().zip(proofs) {
        unit.proof = proof;
    }
    Ok(plan)
}

fn unit_proof(
    plan: &Plan,
    unit: &Unit,
    flaws: Flaws,
    known: &mut BTreeMap<Digest, Visited>,
) -> Result<Option<Proof>, Box<Violation>> {
    let mut proofs = Vec::new();
    for slot in 0..unit.keys.len() {
        for from in 0..world::pairs(plan, unit, slot) {
            let Some(world) = World::of(plan, unit, slot, from).map(|world| world.with(flaws)) else { continue };
            structure::check(plan, unit, slot, &world)?;
            let shape = shape::digest(&world);
            let visited = match known.get(&shape) {
                Some(visited) => *visited,
                None => model::check(&world)?,
            };
            known.insert(shape, visited);
            if from == 0 {
                proofs.push(story::proof(&world, shape, visited));
            }
        }
    }
    Ok(join(proofs))
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
