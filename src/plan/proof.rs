//! What a model check found. The room `prove` makes it; the plan carries it.

use crate::digest::Digest;
use serde::Deserialize;
use serde::Serialize;

/// The outcome of a model check that found nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The digest of the shape that was checked: equal shapes share one proof.
    pub shape: Digest,
    /// How many states were visited: all that can be reached.
    pub states: u64,
    /// How many acts and events the longest of the shortest ways has.
    pub depth: u64,
    /// What it holds for.
    pub bound: String,
    /// What it rests on: the declared delays, in words.
    pub assumptions: Vec<String>,
    /// The hazards that the policy accepts by name.
    pub accepted: Vec<String>,
}
