//! What was seen of one store on behalf of one key.

use crate::model::Hour;
use crate::model::VersionId;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// A store as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSeen {
    /// Which world it is (database id, file id).
    #[serde(default)]
    pub world: String,
    /// Who moves its values from one version to another.
    pub mover: Mover,
    /// Whether all of its values change in one transaction when asked to.
    #[serde(default)]
    pub atomic: bool,
    /// What was counted. Nothing where nothing was counted.
    #[serde(default)]
    pub census: Option<Census>,
    /// Groups of sealed things that two keys may share: `world/table.column`.
    #[serde(default)]
    pub blocks: Vec<String>,
}

/// Who moves a store's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mover {
    /// We do, by compare-and-set, having opened the new value again.
    Us,
    /// We do, and only a service can open what was sealed.
    UsByService,
    /// A service moves its own values when asked.
    Itself,
    /// Nobody: they are neither seen nor moved.
    Nobody,
}

/// How many values are sealed under which version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Census {
    /// By the version that they name.
    #[serde(default)]
    pub under: BTreeMap<VersionId, u64>,
    /// Those that name no version of this key, or one that is not there.
    #[serde(default)]
    pub strange: u64,
    /// Those that name none by design: which version sealed them is known once they are opened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by_trial: u64,
    /// Whether the numbers are exact or estimated.
    #[serde(default)]
    pub exact: bool,
    /// When it was counted.
    #[serde(default)]
    pub at: Option<Hour>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Census {
    /// All values.
    #[must_use]
    pub fn total(&self) -> u64 {
        let unnamed = self.strange.saturating_add(self.by_trial);
        self.under.values().fold(unnamed, |sum, count| sum.saturating_add(*count))
    }

    /// The values under one version.
    #[must_use]
    pub fn of(&self, version: &VersionId) -> u64 {
        self.under.get(version).copied().unwrap_or(0)
    }

    /// The values under any other version than this one.
    #[must_use]
    pub fn not_under(&self, version: &VersionId) -> u64 {
        self.under.iter().filter(|(id, _)| *id != version).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}
