//! Checks as meant: what to ask the world, when, and what it should answer.

use crate::model::Name;
use crate::policy::meant::Command;
use crate::template::Template;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name.
    pub name: Name,
    /// When to ask. A fleet's `healthy` checks are asked after a restart and carry none.
    pub when: Vec<When>,
    /// What to ask.
    pub ask: Ask,
    /// What the answer should be.
    pub expect: Expect,
    /// How long the answer may take, in seconds.
    pub timeout_seconds: u64,
}

/// A moment in a key's rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before anything changes, and again before the turn, the first rewrap and every irreversible act.
    Before,
    /// The new version is there.
    Added,
    /// Every member can read the new version.
    Readable,
    /// The turn is done.
    Switched,
    /// Every member writes under the new version.
    Written,
    /// Everything is sealed under the new version.
    Moved,
    /// The old version is disabled.
    Retired,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// A GET of this address, with these headers.
    Http {
        /// The address.
        url: Template,
        /// Headers; a value may be a secret.
        headers: BTreeMap<String, HeaderValue>,
    },
    /// A program.
    Command {
        /// The program and its arguments.
        command: Command,
        /// The variables it sees; it sees no others.
        env: BTreeMap<String, HeaderValue>,
    },
    /// A query in a store.
    Sql {
        /// The store.
        store: Name,
        /// The query; its first column of its first row is the answer.
        query: String,
    },
}

/// The value of a header or variable.
pub type HeaderValue = crate::policy::meant::Address;

/// What an answer should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The status of an HTTP answer (default: any 2xx).
    pub status: Option<u16>,
    /// The exit code of a command (default: 0).
    pub exit: Option<i32>,
    /// A text that must stand in the answer.
    pub contains: Option<Template>,
    /// A text that must not.
    pub absent: Option<Template>,
    /// Dotted paths into a JSON answer and the values there.
    pub json: BTreeMap<String, serde_json::Value>,
}
