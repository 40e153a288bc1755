//! What events are made of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::model::Fingerprint;
use crate::model::Key;
use crate::model::Name;
use crate::model::VersionId;

/// Whose hours stand in a journal. A real `apply` refuses a virtual one, whose hours a simulation made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The machine's.
    Real,
    /// A simulation's.
    Virtual,
}

/// Small facts by name: counts, ids, yes and no.
pub type Facts = BTreeMap<String, Fact>;

/// One small fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Yes(bool),
    /// How many.
    Count(u64),
    /// A name, an id or a digest.
    Text(String),
}

impl From<bool> for Fact {
    fn from(yes: bool) -> Self {
        Self::Yes(yes)
    }
}

impl From<u64> for Fact {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// By what a retry after a crash knows its own work from a rival's. Written before the act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The id of the version to be made, where we choose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// The fingerprint of the material to be written, where we make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// A tag or label that the new thing will bear, where the backend takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The version that was the newest before the act, where nothing can be marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<VersionId>,
    /// Whatever else the act needs to know its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: Facts,
}

/// What a run found of one key when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its versions, oldest first.
    pub versions: Key,
    /// Every store with values sealed by it: a version is clean when each of these was counted clean.
    #[serde(default)]
    pub stores: Vec<Name>,
}

/// What opened a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opened {
    /// The hour came.
    Time,
    /// Every member proved it.
    Proof,
    /// A person did it.
    Hand,
}

/// What a delivery says of a member that proved by its answer that it holds these very bytes.
pub const DELIVERED_PROVEN: &str = "holds it, proven";

/// One sealed value, by where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The store, as the policy names it.
    pub store: Name,
    /// The table, collection or folder.
    pub table: String,
    /// The column or field.
    pub column: String,
    /// The row's key columns, as text, in their order.
    pub row: Vec<String>,
}

/// How a quarantined value was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// Somebody accepts that it never opens again.
    Accepted,
    /// It opened after all, and was moved.
    Retried,
}
