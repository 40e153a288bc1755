//! Fleets as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::meant::fleet::Counts;
use crate::policy::meant::fleet::Gives;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Joins;
use crate::policy::meant::fleet::Opens;
use crate::policy::written::backend::Pointer;
use crate::policy::written::check::Check;
use crate::policy::written::defaults;
use crate::policy::written::value::Count;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Table;
use crate::policy::written::value::Text;

/// The processes that hold a key. An escrow is a fleet that never writes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fleet {
    /// Who they are: their names, or where those come from.
    #[schemars(required)]
    pub(crate) members: Option<Members>,
    /// How a member comes to know a version.
    #[schemars(required)]
    pub(crate) learns: Option<Learns>,
    /// What makes a member write with the new version.
    #[schemars(required)]
    pub(crate) writes: Option<Writes>,
    /// How a member learns which version is current, where that differs from `learns`.
    pub(crate) follows: Option<Learns>,
    /// A pointer of their own to the current version, which we move; `{{ member }}` may stand in it.
    pub(crate) point: Option<Pointer>,
    /// How many versions a member holds.
    #[schemars(extend("default" = "many"))]
    pub(crate) holds: Option<Holds>,
    /// When a member opens values.
    #[schemars(extend("default" = "any-time"))]
    pub(crate) opens: Option<Opens>,
    /// How long a write may linger.
    #[schemars(extend("default" = defaults::IN_FLIGHT))]
    pub(crate) in_flight: Option<Text>,
    /// How long an old sealed value may linger in a member.
    #[schemars(extend("default" = defaults::NOTHING))]
    pub(crate) caches: Option<Text>,
    /// How new members join.
    #[schemars(extend("default" = "waits"))]
    pub(crate) joins: Option<Joins>,
    /// How a version reaches a member.
    pub(crate) deliver: Option<Deliver>,
    /// How a version leaves a member.
    pub(crate) withdraw: Option<Withdraw>,
    /// How members are restarted.
    pub(crate) restart: Option<Restart>,
    /// What shows a member well after a restart.
    #[serde(default)]
    pub(crate) healthy: Vec<Check>,
    /// The fleets whose turn comes first.
    #[serde(default)]
    pub(crate) after: Vec<String>,
    /// How members prove what they know.
    pub(crate) proof: Option<Proof>,
}

/// Who the members are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Members {
    /// These.
    Listed(Vec<Text>),
    /// Those that something else names.
    From(MembersFrom),
}

/// Where the names of members come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersFrom {
    /// `proof`, or the command that prints them, one a line.
    pub(crate) from: ProofOrCommand,
    /// How many there must be: an empty list never opens a gate.
    pub(crate) at_least: Count,
}

/// `proof`, or a command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ProofOrCommand {
    /// Those that the proof names.
    Proof(ProofWord),
    /// Those that a command prints.
    Command(Vec<Text>),
}

/// The word `proof`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProofWord {
    /// Those that the proof names.
    Proof,
}

/// How a member comes to know something.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Learns {
    /// When it starts, or at once.
    Word(LearnsWord),
    /// It looks again every so often.
    Every(Every),
}

/// How a member comes to know something, without a number.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LearnsWord {
    /// Only when it starts.
    Restart,
    /// At once, whenever it needs it.
    Always,
}

/// It looks again every so often, give or take a margin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Every {
    /// How often it looks again.
    pub(crate) every: Text,
    /// How late it may be.
    #[schemars(extend("x-default" = "10 % of `every`, at least 1m"))]
    pub(crate) margin: Option<Text>,
}

/// What makes a member write with a version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Writes {
    /// That it is current, or nothing.
    Word(WritesWord),
    /// That it has known it as the newest for so long.
    Newest(NewestAfter),
}

/// What makes a member write with a version, without a number.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WritesWord {
    /// That it is current.
    Current,
    /// Nothing: it only keeps or reads.
    Never,
}

/// A member writes by itself with the newest version it has known for so long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewestAfter {
    /// How long a member knows a newer version before it writes with it, by itself.
    pub(crate) newest_after: Text,
    /// From when it counts: `seen`, so that a member that restarts counts anew; or `made`, the hour that the version itself bears.
    #[schemars(extend("x-default" = "`seen`"))]
    pub(crate) counts: Option<Counts>,
}

/// How a version reaches a member. Material never stands on a command line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deliver {
    /// The program and its arguments.
    pub(crate) command: Vec<Text>,
    /// What it is handed: `nothing` where it fetches the material itself.
    pub(crate) gives: Gives,
    /// What the program proves: with `fingerprint` it prints the SHA-256 of the key bytes that the member now holds, in hex.
    pub(crate) proves: Option<Proves>,
}

/// What a delivery proves.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proves {
    /// The program prints the full SHA-256 of the key bytes that the member now holds, in hex.
    Fingerprint,
}

/// How a version leaves a member.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdraw {
    /// The program and its arguments.
    pub(crate) command: Vec<Text>,
}

/// How members are restarted: exactly one of `each` and `all`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    /// The program that restarts one of them; `{{ member }}` may stand in it.
    pub(crate) each: Option<Vec<Text>>,
    /// The program that restarts all of them.
    pub(crate) all: Option<Vec<Text>>,
    /// How long it may take until they are well again.
    #[schemars(extend("default" = defaults::WITHIN))]
    pub(crate) within: Option<Text>,
}

/// How members prove what they know.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    /// Where proofs are read: the name of a store, or a command that prints one JSON object a line.
    pub(crate) from: Option<StoreOrCommand>,
    /// An address to ask each member, with `{{ member }}`; instead of `from`.
    pub(crate) http: Option<Text>,
    /// Headers of that request; secret ones by reference.
    #[serde(default)]
    pub(crate) headers: Table<Reach>,
    /// How a command prints: one JSON object a line.
    #[serde(rename = "as")]
    #[schemars(extend("default" = "jsonl"))]
    pub(crate) printed: Option<Printed>,
    /// The table, in a database of tables.
    pub(crate) table: Option<Text>,
    /// The collection, in a database of documents.
    pub(crate) collection: Option<Text>,
    /// The field that names the member.
    #[schemars(extend("default" = defaults::MEMBER))]
    pub(crate) member: Option<String>,
    /// The field that lists the versions it knows: best by fingerprint.
    #[schemars(required)]
    pub(crate) knows: Option<Field>,
    /// The field that names the version it writes under.
    pub(crate) writes: Option<Field>,
    /// The field with the hour it started, by its own clock.
    pub(crate) started_at: Option<String>,
    /// The field that changes with every sign of life.
    pub(crate) seen_at: Option<String>,
    /// A program that says whether a silent member is gone for good: exit code 0 where it is.
    pub(crate) gone: Option<Vec<Text>>,
    /// Whether each member must open a probe sealed under the new version and answer for it.
    #[serde(default)]
    pub(crate) canary: bool,
}

/// The name of a store, or a command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StoreOrCommand {
    /// The name of a store.
    Store(String),
    /// A command.
    Command(Vec<Text>),
}

/// How a command prints proofs.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Printed {
    /// One JSON object a line.
    Jsonl,
}

/// A field and how a version is written down in it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// The field or column.
    pub(crate) field: String,
    /// How a version is written down there.
    #[schemars(extend("default" = defaults::IS))]
    pub(crate) is: Option<Text>,
}
