//! An entry: an event with its hour, who caused it and its place in the chain.

use chrono::SubsecRound;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serializer;
use serde::de;

use crate::digest::Digest;
use crate::journal::event::Event;
use crate::journal::name::RunId;
use crate::model::Hour;

/// How hours are written: always this long, so that two of them compare as text.
const HOUR: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

/// A line of the journal, read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counted from 1.
    pub n: u64,
    /// When it was written, to the millisecond.
    #[serde(deserialize_with = "read_hour")]
    pub at: Hour,
    /// Who caused it.
    pub actor: String,
    /// The run it belongs to.
    #[serde(default)]
    pub run: Option<RunId>,
    /// What happened.
    #[serde(rename = "what")]
    pub event: Event,
    /// The digest of the entry before.
    pub before: Digest,
    /// Its own digest.
    pub own: Digest,
}

/// An entry that is not yet written: it has no place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// When.
    pub at: Hour,
    /// Who caused it.
    pub actor: String,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// What happened.
    pub event: Event,
}

impl Draft {
    /// An event that belongs to no run.
    #[must_use]
    pub fn new(at: Hour, actor: impl Into<String>, event: Event) -> Self {
        Self { at, actor: actor.into(), run: None, event }
    }

    /// The same, within a run.
    #[must_use]
    pub fn of(mut self, run: &RunId) -> Self {
        self.run = Some(run.clone());
        self
    }
}

/// The hour as it will be read back.
pub(super) fn rounded(hour: Hour) -> Hour {
    hour.trunc_subsecs(3)
}

pub(super) fn write_hour<S: Serializer>(hour: &Hour, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&hour.format(HOUR))
}

fn read_hour<'de, D: Deserializer<'de>>(from: D) -> Result<Hour, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    let hour = text.parse::<Hour>().map_err(de::Error::custom)?;
    // One hour has one spelling: the chain compares hours as text.
    if hour.format(HOUR).to_string() == text {
        Ok(hour)
    } else {
        Err(de::Error::custom(format!("`{}` is not written as `2026-01-31T12:00:00.000Z`", text.escape_default())))
    }
}
