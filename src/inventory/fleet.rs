//! What was seen of one fleet.

use crate::model::Hour;
use crate::model::Member;
use crate::model::VersionId;
use serde::Deserialize;
use serde::Serialize;

/// A fleet as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetSeen {
    /// Its members. A proof may name fewer or more than were listed.
    #[serde(default)]
    pub members: Vec<MemberSeen>,
}

/// One member as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSeen {
    /// Its name.
    pub name: Member,
    /// The versions that it proved to know. Nothing where it proves nothing.
    #[serde(default)]
    pub knows: Option<Vec<VersionId>>,
    /// The version it says it writes under.
    #[serde(default)]
    pub writes: Option<VersionId>,
    /// When it started, by its own clock.
    #[serde(default)]
    pub started_at: Option<Hour>,
    /// Its sign of life as text: compared between two of our own looks, never with a clock.
    #[serde(default)]
    pub sign: Option<String>,
    /// Whether the sign changed since our last look.
    #[serde(default)]
    pub fresh: bool,
    /// Whether positive evidence says that it is gone for good.
    #[serde(default)]
    pub gone: bool,
}
