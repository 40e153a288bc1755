//! How far a unit has come: one small value a step. Journal and model both make it; `course` reads it.

use serde::Deserialize;
use serde::Serialize;

/// Where one step stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Not begun.
    #[default]
    Ahead,
    /// Its intent is written, or it failed in an earlier attempt; whether it took is not known. It is tried anew.
    Begun,
    /// Begun in an earlier attempt, and the world shows that it took, or that it must not be left where it is.
    Took,
    /// Done.
    Done,
    /// Tried in this attempt, and failed.
    Failed,
    /// Done, and found to have been too early: it is taken back before anything else happens.
    Back,
}

/// Where every step of a unit stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Progress(pub Vec<At>);

impl Progress {
    /// Nothing begun.
    #[must_use]
    pub fn fresh(steps: usize) -> Self {
        Self(vec![At::Ahead; steps])
    }

    /// Where a step stands.
    #[must_use]
    pub fn at(&self, step: usize) -> At {
        self.0.get(step).copied().unwrap_or_default()
    }

    /// Puts a step somewhere.
    pub fn put(&mut self, step: usize, at: At) {
        if let Some(slot) = self.0.get_mut(step) {
            *slot = at;
        }
    }

    /// Whether every step is done.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.0.iter().all(|at| *at == At::Done)
    }
}
