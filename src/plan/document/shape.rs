//! Shapes: units whose steps are equal but for names and estimates are written, and shown, once.

use crate::plan::Step;
use crate::plan::Unit;
use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

/// Which units have the same shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shapes {
    /// For each shape the first unit that has it.
    pub first: Vec<usize>,
    /// For each unit its shape.
    pub of: Vec<usize>,
}

/// The shapes of units, in the order of their first appearance.
#[must_use]
pub fn shapes(units: &[Unit]) -> Shapes {
    let mut shapes = Shapes { first: Vec::new(), of: Vec::with_capacity(units.len()) };
    let mut known: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, unit) in units.iter().enumerate() {
        let alike = |shape: usize, first: &[usize]| {
            first.get(shape).and_then(|first| units.get(*first)).is_some_and(|first| same(first, unit))
        };
        // Equal keys mostly stand beside each other: look at the last one before anything is hashed.
        if let Some(last) = shapes.of.last().copied().filter(|last| alike(*last, &shapes.first)) {
            shapes.of.push(last);
            continue;
        }
        let candidates = known.entry(hash(unit)).or_default();
        let shape = candidates.iter().copied().find(|shape| alike(*shape, &shapes.first)).unwrap_or_else(|| {
            shapes.first.push(at);
            candidates.push(shapes.first.len() - 1);
            shapes.first.len() - 1
        });
        shapes.of.push(shape);
    }
    shapes
}

/// Whether two units have the same shape.
fn same(a: &Unit, b: &Unit) -> bool {
    let keys = a.keys.len() == b.keys.len()
        && a.keys.iter().zip(&b.keys).all(|(a, b)| a.kind == b.kind && a.base.able == b.base.able);
    let steps = || a.steps.len() == b.steps.len() && a.steps.iter().zip(&b.steps).all(|(a, b)| same_step(a, b));
    keys && steps() && a.bounds == b.bounds && a.proof == b.proof
}

/// Every field but the estimate, which tells one key's counts.
fn same_step(a: &Step, b: &Step) -> bool {
    let Step { key, part, needs, gates, risk, turn, estimate: _ } = a;
    *key == b.key && *risk == b.risk && *turn == b.turn && *part == b.part && *needs == b.needs && *gates == b.gates
}

fn hash(unit: &Unit) -> u64 {
    let mut hasher = DefaultHasher::new();
    unit.keys.len().hash(&mut hasher);
    for step in &unit.steps {
        (step.key, &step.part, &step.gates, step.turn).hash(&mut hasher);
    }
    hasher.finish()
}
