//! What a backend can do. Planning reads these and never an adapter's name.

use crate::model::State;
use serde::Deserialize;
use serde::Serialize;

/// A backend's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Able {
    /// Whether a new version is current at once.
    pub promotes: bool,
    /// Whether an old version can be made current again.
    pub demotes: bool,
    /// How versions are disabled.
    pub disables: Disables,
    /// Whether one version can be destroyed.
    pub destroys: bool,
    /// Whether material may leave it, to be delivered.
    pub exports: bool,
    /// Who opens what it sealed.
    pub reopens: Reopens,
    /// What a fingerprint is made of there.
    pub fingerprints: Fingerprints,
    /// Whether an `add` can be told from a rival's by a mark of ours.
    pub marks: bool,
    /// Whether it keeps dates, ended versions, and which version was ever current. Where it does not, a look shows what lies
    /// there, and our journal alone remembers the rest.
    #[serde(default = "remembers", skip_serializing_if = "is_so")]
    pub remembers: bool,
}

impl Able {
    /// Whether a version that should stand in one state may be the one that a look shows in another (or not at all): a place
    /// that remembers nothing shows what is current and what lies there beside it, and no more.
    #[must_use]
    pub fn may_show(&self, should: State, seen: Option<State>) -> bool {
        let beside = |state| matches!(state, State::Staged | State::DecryptOnly);
        match seen {
            None => should == State::Destroyed && !self.remembers,
            Some(seen) => should == seen || !self.remembers && beside(should) && beside(seen),
        }
    }
}

/// What a plan need not say: most backends keep books.
const fn remembers() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_so(said: &bool) -> bool {
    *said
}

/// How versions are disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disables {
    /// Each by itself.
    Each,
    /// All below a floor.
    Floor,
    /// Not at all.
    No,
}

/// Who opens what a backend's versions sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reopens {
    /// We do, with the material.
    Local,
    /// The service does.
    Service,
    /// Nobody that we can ask.
    None,
}

/// What a fingerprint is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fingerprints {
    /// The key's bytes.
    Bytes,
    /// The public half.
    Public,
    /// A check value.
    CheckValue,
    /// There is none.
    None,
}
