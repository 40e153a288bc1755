//! Fleets as meant: who holds a key, how they come to know a version, and what makes them write with it.

use crate::model::Member;
use crate::model::Name;
use crate::model::Span;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use crate::policy::meant::Pointer;
use crate::template::Template;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// The processes that hold a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Who they are.
    pub members: Members,
    /// How they come to know a version.
    pub learns: Learns,
    /// What makes them write with it.
    pub writes: Writes,
    /// From when they count, where that makes them write with it after a while.
    #[serde(default, skip_serializing_if = "Counts::is_seen")]
    pub counts: Counts,
    /// How they learn which version is current, where that differs from `learns`.
    pub follows: Option<Learns>,
    /// A pointer of their own to the current version.
    pub point: Option<Pointer>,
    /// How many versions one of them holds.
    pub holds: Holds,
    /// When they open values.
    pub opens: Opens,
    /// How long a write may linger.
    pub in_flight: Span,
    /// How long an old sealed value may linger in a member.
    pub caches: Span,
    /// How new members join.
    pub joins: Joins,
    /// How a version reaches a member.
    pub deliver: Option<Deliver>,
    /// How a version leaves a member.
    pub withdraw: Option<Command>,
    /// How they are restarted.
    pub restart: Option<Restart>,
    /// What shows one of them well after a restart.
    pub healthy: Vec<Check>,
    /// The fleets whose turn comes first.
    pub after: Vec<Name>,
    /// How they prove what they know.
    pub proof: Option<Proof>,
}

/// Who the members are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Members {
    /// These.
    Listed(Vec<Member>),
    /// Those that the proof names.
    FromProof {
        /// How many there must be.
        at_least: u32,
    },
    /// Those that a command prints, one a line.
    FromCommand {
        /// The program.
        command: Command,
        /// How many there must be.
        at_least: u32,
    },
}

/// How a member comes to know something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learns {
    /// It looks again every so often, give or take a margin.
    Every {
        /// How often.
        every: Span,
        /// How late it may be.
        margin: Span,
    },
    /// Only when it starts.
    Restart,
    /// At once, whenever it needs it.
    Always,
}

impl Learns {
    /// The longest it may take a running member, where it needs no restart.
    #[must_use]
    pub const fn at_most(self) -> Option<Span> {
        match self {
            Learns::Every { every, margin } => Some(every.plus(margin)),
            Learns::Always => Some(Span::ZERO),
            Learns::Restart => None,
        }
    }
}

/// What makes a member write with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// That it is current.
    Current,
    /// That it has known it as the newest for so long.
    NewestAfter(Span),
    /// Nothing: it only keeps or reads.
    Never,
}

/// From when a member counts that writes with the newest version after a while.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// From when it first saw the version: one that restarts counts anew, and writes under an older one until then.
    #[default]
    Seen,
    /// From the hour that the version itself bears: a restart changes nothing.
    Made,
}

impl Counts {
    const fn is_seen(&self) -> bool {
        matches!(self, Counts::Seen)
    }
}

/// How many versions a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// All it knows.
    Many,
    /// One at a time.
    One,
}

/// When a member opens values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// Whenever it reads.
    AnyTime,
    /// All of them when it starts, and none after.
    AtStart,
}

/// How new members join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Joins {
    /// A joiner catches up before it serves.
    Waits,
    /// A joiner may serve with what it was given.
    Any,
}

/// How a version reaches a member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliver {
    /// The program.
    pub command: Command,
    /// What it is handed.
    pub gives: Gives,
    /// Whether it prints the full SHA-256 of the key bytes that the member now holds.
    pub proves: bool,
}

/// What a delivery command is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gives {
    /// Nothing: it fetches the material itself.
    Nothing,
    /// The material on its standard input.
    Stdin,
    /// The path of a private file with the material.
    Path,
}

/// How members are restarted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// One at a time by this command, or all at once by it.
    pub how: RestartHow,
    /// The program.
    pub command: Command,
    /// How long it may take until they are well again.
    pub within: Span,
}

/// Whether a restart command is for one member or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartHow {
    /// One member; `{{ member }}` stands in the command.
    Each,
    /// All of them.
    All,
}

/// How members prove what they know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Where the proofs are read.
    pub from: ProofFrom,
    /// The field that names the member.
    pub member: String,
    /// The field that lists the versions it knows.
    pub knows: Field,
    /// The field that names the version it writes under.
    pub writes: Option<Field>,
    /// The field with the hour it started, by its own clock.
    pub started_at: Option<String>,
    /// The field that changes with every sign of life.
    pub seen_at: Option<String>,
    /// A command that says whether a silent member is gone for good (exit 0: it is).
    pub gone: Option<Command>,
    /// Whether each member must open a probe sealed under the new version.
    pub canary: bool,
}

/// Where proofs are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofFrom {
    /// Rows of a store.
    Store {
        /// The store.
        store: Name,
        /// Its table or collection.
        table: String,
    },
    /// What a program prints: one JSON object a line.
    Command {
        /// The program.
        command: Command,
    },
    /// An address to ask each member.
    Http {
        /// The address, with `{{ member }}`.
        url: Template,
        /// Headers.
        headers: BTreeMap<String, crate::policy::meant::check::HeaderValue>,
    },
}

/// A field and how a version is written down in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The field or column.
    pub field: String,
    /// How a version is written there.
    pub is: Template,
}
