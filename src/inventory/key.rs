//! What was seen of one key.

use crate::inventory::Able;
use crate::inventory::FleetSeen;
use crate::inventory::StoreSeen;
use crate::model::Hour;
use crate::model::Key;
use crate::model::Name;
use crate::model::Span;
use crate::model::VersionId;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// One key as it was seen: its versions, the places that hold it, and what our own journal knows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySeen {
    /// Its versions, oldest first.
    pub key: Key,
    /// What its backend can do. Nothing where the backend could not be asked.
    pub able: Option<Able>,
    /// Which world its backend is (cluster id, vault address, folder id).
    #[serde(default)]
    pub world: String,
    /// The stores with values sealed by it, as the policy names them.
    pub stores: BTreeMap<Name, StoreSeen>,
    /// The fleets that hold it.
    pub fleets: BTreeMap<Name, FleetSeen>,
    /// What could not be looked at, and why (`backend files: connection refused`).
    #[serde(default)]
    pub unreachable: Vec<Unreachable>,
    /// What the journal knows.
    #[serde(default)]
    pub past: Past,
    /// What is not as we left it (a version added by hand, current moved by hand, a key file gone).
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// How many values the current version has sealed, where the policy names who counts them and they were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,
    /// What kind of key the current version is, as policies write it, where that can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The run of ours that changed it last, where its backend keeps such a mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreachable {
    /// What: `backend files`.
    pub what: String,
    /// Why.
    pub why: String,
    /// The way out.
    #[serde(default)]
    pub hint: Option<String>,
}

/// What a counter of seals said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uses {
    /// So many.
    Counted(u64),
    /// It could not be asked.
    Unknown(Unreachable),
}

/// What our journal knows of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// The open run that works on it.
    #[serde(default)]
    pub open_run: Option<String>,
    /// When each version was first there to be written with, by our own switches.
    #[serde(default)]
    pub current_since: BTreeMap<VersionId, Hour>,
    /// When each version was disabled by us.
    #[serde(default)]
    pub retired_at: BTreeMap<VersionId, Hour>,
    /// The versions whose material we ended: a backend that keeps no books shows them no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<VersionId>,
    /// When each version was last verified clean (nothing under it).
    #[serde(default)]
    pub clean_at: BTreeMap<VersionId, Hour>,
    /// The versions that the journal has seen.
    #[serde(default)]
    pub known: Vec<VersionId>,
    /// The version that was current when we last acted.
    #[serde(default)]
    pub left_current: Option<VersionId>,
    /// Whether the last run was rolled back and nobody has planned since.
    #[serde(default)]
    pub rolled_back: bool,
    /// Quarantined values, by the version they name.
    #[serde(default)]
    pub quarantined: BTreeMap<VersionId, u64>,
    /// Values that do not open and that somebody accepted as lost, by the version they name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<VersionId, u64>,
    /// Versions said to be known to others.
    #[serde(default)]
    pub compromised: Vec<VersionId>,
    /// Wrapped values as they were before a run replaced them, kept and not yet deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_images: Vec<PreImages>,
}

/// The wrapped values that one run replaced, as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreImages {
    /// The run.
    pub run: String,
    /// The versions that they may be under.
    pub under: Vec<VersionId>,
    /// When the run ended: they are kept from then on for as long as the policy says. Nothing while it is open.
    #[serde(default)]
    pub since: Option<Hour>,
}

impl PreImages {
    /// Until when they are kept, by what the policy says today: a policy that no longer asks for them keeps them no longer.
    /// Nothing while their run is open.
    #[must_use]
    pub fn until(&self, keep: Option<Span>) -> Option<Hour> {
        self.since.map(|since| keep.unwrap_or(Span::ZERO).after(since))
    }
}

/// Something that is not as we left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "drift")]
pub enum Drift {
    /// A version that we did not make.
    VersionAppeared {
        /// Which.
        version: VersionId,
    },
    /// A version whose material is gone though nobody destroyed it.
    MaterialGone {
        /// Which.
        version: VersionId,
    },
    /// Another version than the one we left is current.
    CurrentMoved {
        /// The one we left.
        from: VersionId,
        /// The one it is now.
        to: VersionId,
    },
    /// A version's fingerprint changed.
    MaterialChanged {
        /// Which.
        version: VersionId,
    },
    /// A run of ours changed it that our journal does not know.
    UnknownRun {
        /// Which.
        run: String,
    },
    /// The backend rotates by itself.
    RotatesItself {
        /// How often, in words.
        every: String,
    },
}
