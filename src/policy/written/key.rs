//! Keys as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::meant::key::Algorithm;
use crate::policy::written::check::Check;
use crate::policy::written::defaults;
use crate::policy::written::value::Count;
use crate::policy::written::value::Text;

/// A named thing with versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The backend where its material lives.
    #[schemars(required)]
    pub(crate) backend: Option<String>,
    /// Its place in the backend; `{{ each }}` may stand in it. Two keys on one place is a problem.
    #[schemars(required)]
    pub(crate) at: Option<Text>,
    /// What kind of key it is.
    #[schemars(required)]
    pub(crate) algorithm: Option<Algorithm>,
    /// The stores with values sealed by it: a key that seals nothing known could be retired by a forgotten line.
    #[schemars(required)]
    pub(crate) seals: Option<Vec<String>>,
    /// The fleets that hold it.
    #[schemars(required)]
    pub(crate) used_by: Option<Vec<String>>,
    /// How long a version may be current: nobody writes under one for longer.
    #[schemars(required)]
    pub(crate) rotate_every: Option<Text>,
    /// How long the new version is there, at least, before anybody may write under it.
    #[schemars(extend("default" = defaults::NOTHING))]
    pub(crate) grace: Option<Text>,
    /// What becomes of the old version.
    #[schemars(required)]
    pub(crate) retire: Option<Retire>,
    /// How much earlier than necessary to begin.
    #[schemars(extend("default" = defaults::NOTHING))]
    pub(crate) early_by: Option<Text>,
    /// When its first version was made, where nothing else tells (RFC 3339).
    pub(crate) born: Option<Text>,
    /// How many seals one version may make; a rotation is due at that.
    pub(crate) max_uses: Option<MaxUses>,
    /// The calendar window in which its turn may happen.
    #[schemars(extend("x-default" = "any time"))]
    pub(crate) window: Option<String>,
    /// The keys whose rotation comes first: `policy/key`, or `key` of this policy.
    #[serde(default)]
    pub(crate) after: Vec<Text>,
    /// The keys that this one wraps.
    #[serde(default)]
    pub(crate) wraps: Vec<Text>,
    /// A program told of every event.
    pub(crate) notify: Option<Vec<Text>>,
    /// One key per value, named `key/value`; `{{ each }}` stands for the value.
    pub(crate) each: Option<Each>,
    /// What to ask the world, and when.
    #[serde(default)]
    pub(crate) check: Vec<Check>,
    /// Hazards accepted by name.
    #[serde(default)]
    pub(crate) accepts: Vec<Accept>,
    /// Whether old values are kept while a rotation runs, where and how long.
    pub(crate) pre_images: Option<PreImages>,
}

/// What becomes of an old version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Retire {
    /// It is kept for ever.
    Word(RetireWord),
    /// It is disabled, and perhaps destroyed.
    After(RetireAfter),
}

/// The word `never`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RetireWord {
    /// It is kept for ever.
    Never,
}

/// It is disabled after normal traffic on the new version, and perhaps destroyed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetireAfter {
    /// How long normal traffic runs on the new version before the old one is disabled.
    pub(crate) after: Text,
    /// How long the old version stays disabled before it may be destroyed.
    #[schemars(extend("x-default" = "it is never destroyed"))]
    pub(crate) destroy_after: Option<Text>,
}

/// How many seals one version may make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum MaxUses {
    /// So many, by the census of what is sealed.
    Census(Count),
    /// So many, by a counter.
    Counted(Counted),
}

/// A limit on seals, and who counts them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counted {
    /// How many seals one version may make.
    pub(crate) at_most: Count,
    /// The program that prints how many there were, one whole number; `{{ id }}` is the version.
    pub(crate) counter: Vec<Text>,
}

/// The values that a key is repeated for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Each {
    /// These.
    Listed(Vec<String>),
    /// Those in a file.
    File(EachFile),
}

/// A file of values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EachFile {
    /// The file, one value a line; empty lines and lines that begin with `#` are passed over.
    pub(crate) file: Text,
}

/// One hazard named by the prover, accepted until a day. Any other still refuses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// The hazard's code, such as `K207`.
    #[schemars(required)]
    pub(crate) risk: Option<String>,
    /// The fleet it concerns.
    #[schemars(extend("x-default" = "every fleet of the key"))]
    pub(crate) fleet: Option<String>,
    /// How long the hazard may last: a plan in which it may last longer is refused.
    pub(crate) at_most: Option<Text>,
    /// Until when it is accepted: a date or an RFC 3339 hour. Judged when a plan is drawn and when it is opened.
    #[schemars(required)]
    pub(crate) until: Option<Text>,
    /// Why.
    #[schemars(required)]
    pub(crate) because: Option<String>,
}

/// Whether old values are kept while a rotation runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreImages {
    /// Where to: `file` (wrapped values only), `history` (the backend's own) or `age:NAME`.
    pub(crate) to: String,
    /// How long they are kept after the run; until a plan has deleted them, nothing that they may be under is destroyed.
    pub(crate) keep: Text,
}
