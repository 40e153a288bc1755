//! Keys as meant: what seals what, how often it must change, and when the old version may go.

use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::Span;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use serde::Deserialize;
use serde::Serialize;

/// A named thing with versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its backend.
    pub backend: Name,
    /// Its place in the backend, with `{{ each }}` filled in.
    pub at: String,
    /// What kind of key it is.
    pub algorithm: Algorithm,
    /// The stores with values sealed by it.
    pub seals: Vec<Name>,
    /// The fleets that hold it.
    pub used_by: Vec<Name>,
    /// How long a version may be current.
    pub rotate_every: Span,
    /// How long the new version is there before anybody may write under it.
    pub grace: Span,
    /// What becomes of the old version.
    pub retire: Retire,
    /// How much earlier than necessary to begin.
    pub early_by: Span,
    /// When its first version was made, where nothing else tells.
    pub born: Option<Hour>,
    /// How many seals one version may make.
    pub max_uses: Option<u64>,
    /// Who counts them, where it is not the census.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<Command>,
    /// The calendar window in which its turn may happen.
    pub window: Option<Name>,
    /// Keys whose rotation comes first.
    pub after: Vec<KeyName>,
    /// Keys that this one wraps.
    pub wraps: Vec<KeyName>,
    /// A program told of every event.
    pub notify: Option<Command>,
    /// What to ask the world, and when.
    pub checks: Vec<Check>,
    /// Hazards accepted by name.
    pub accepts: Vec<Accept>,
    /// Whether pre-images are kept, where and how long.
    pub pre_images: Option<PreImages>,
    /// The value of `each` it was made for.
    pub each: Option<String>,
    /// Where it stands in the policy: line and column.
    pub line: (u32, u32),
}

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// AES with 128 bits.
    #[serde(rename = "aes-128")]
    Aes128,
    /// AES with 256 bits.
    #[serde(rename = "aes-256")]
    Aes256,
    /// RSA with 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl Algorithm {
    /// The word for it, as policies write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Algorithm::Aes128 => "aes-128",
            Algorithm::Aes256 => "aes-256",
            Algorithm::Rsa2048 => "rsa-2048",
            Algorithm::Rsa3072 => "rsa-3072",
            Algorithm::Rsa4096 => "rsa-4096",
        }
    }
}

/// What becomes of an old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retire {
    /// It is kept for ever.
    Never,
    /// It is disabled after normal traffic on the new version, and perhaps destroyed.
    After {
        /// How long normal traffic runs first.
        after: Span,
        /// How long it stays disabled before it may be destroyed; nothing: it is never destroyed.
        destroy_after: Option<Span>,
    },
}

/// One hazard accepted by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The hazard's code.
    pub risk: String,
    /// The fleet it concerns.
    pub fleet: Option<Name>,
    /// How long it may last.
    pub at_most: Option<Span>,
    /// Until when it is accepted.
    pub until: Hour,
    /// Why.
    pub because: String,
}

impl Accept {
    /// The hazard, and the fleet that it is accepted for.
    #[must_use]
    pub fn name(&self) -> String {
        risk_name(&self.risk, self.fleet.as_ref())
    }
}

/// A hazard's name: its code, and the fleet that it concerns. A proof lists by it what it took as accepted.
#[must_use]
pub fn risk_name(risk: &str, fleet: Option<&Name>) -> String {
    match fleet {
        Some(fleet) => format!("{risk} for `{fleet}`"),
        None => risk.to_owned(),
    }
}

/// Whether old values are kept while a rotation runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreImages {
    /// Where to: `file`, `history` (the backend's own) or `age:NAME`.
    pub to: String,
    /// How long.
    pub keep: Span,
}
