//! Checks as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::meant::check::When;
use crate::policy::written::defaults;
use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Table;
use crate::policy::written::value::Text;

/// A question to the world before or after an act: exactly one of `http`, `command` and `sql`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// Its name.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// When to ask, or several such moments. A fleet's `healthy` checks are asked after a restart and have none.
    pub(crate) when: Option<OneOrMany<When>>,
    /// An address to GET.
    pub(crate) http: Option<Text>,
    /// A program and its arguments, run without a shell.
    pub(crate) command: Option<Vec<Text>>,
    /// A query; the first column of its first row is the answer.
    pub(crate) sql: Option<String>,
    /// The store that the query is for; not needed where the key seals one store only.
    pub(crate) store: Option<String>,
    /// Headers of the request; secret ones by reference.
    #[serde(default)]
    pub(crate) headers: Table<Reach>,
    /// The variables that the program sees; it sees no others. Secret ones by reference.
    #[serde(default)]
    pub(crate) env: Table<Reach>,
    /// What the answer should be.
    #[schemars(extend("x-default" = "any 2xx status, exit code 0"))]
    pub(crate) expect: Option<Expect>,
    /// How long the answer may take.
    #[schemars(extend("default" = defaults::TIMEOUT))]
    pub(crate) timeout: Option<Text>,
}

/// What an answer should be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The status of an HTTP answer.
    #[schemars(extend("x-default" = "any 2xx"))]
    pub(crate) status: Option<u16>,
    /// The exit code of a program.
    #[schemars(extend("default" = 0))]
    pub(crate) exit: Option<i32>,
    /// A text that must stand in the answer.
    pub(crate) contains: Option<Text>,
    /// A text that must not.
    pub(crate) absent: Option<Text>,
    /// Dotted paths into a JSON answer, and the values there.
    #[serde(default)]
    pub(crate) json: Table<serde_json::Value>,
}
