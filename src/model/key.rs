//! A key: its versions and their states.

use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::VersionId;
use std::fmt;

/// Where a version stands. The states map to NIST SP 800-57's: staged = pre-activation, current = active,
/// decrypt-only and disabled = deactivated (or suspended), destroyed = destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there, and nobody seals under it yet.
    Staged,
    /// It is the one to seal under.
    Current,
    /// It opens what was sealed under it.
    DecryptOnly,
    /// It is kept and opens nothing.
    Disabled,
    /// Its material is gone for good.
    Destroyed,
}

impl State {
    /// All of them, in the order of a version's life.
    pub const ALL: [State; 5] = [State::Staged, State::Current, State::DecryptOnly, State::Disabled, State::Destroyed];

    /// Whether a version in this state opens what was sealed under it.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, State::Staged | State::Current | State::DecryptOnly)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Staged => "staged",
            State::Current => "current",
            State::DecryptOnly => "decrypt-only",
            State::Disabled => "disabled",
            State::Destroyed => "destroyed",
        })
    }
}

/// One generation of a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// What its backend calls it.
    pub id: VersionId,
    /// Where it stands.
    pub state: State,
    /// What tells its material from any other, where the backend lets that be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Since when it has existed, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Hour>,
    /// Since when the first member may have written with it, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_since: Option<Hour>,
    /// Since when it has been in its state, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Hour>,
    /// Whether somebody said that its material is known to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
}

impl Version {
    /// A version of this id in this state, and nothing else known of it.
    #[must_use]
    pub fn new(id: VersionId, state: State) -> Self {
        Self { id, state, fingerprint: None, born: None, current_since: None, since: None, compromised: false }
    }
}

/// A key's versions, oldest first. At most one is current.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Key {
    /// The versions, oldest first.
    pub versions: Vec<Version>,
}

impl Key {
    /// The version that is sealed under today.
    #[must_use]
    pub fn current(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.state == State::Current)
    }

    /// The version of this id.
    #[must_use]
    pub fn version(&self, id: &VersionId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == *id)
    }

    /// The versions that still open something.
    pub fn opening(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.state.opens())
    }
}
