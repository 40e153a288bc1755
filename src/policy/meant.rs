//! A policy as meant: every default filled in, every name parsed, every environment value resolved. These
//! types are what a plan carries, so they serialise and hold no secret: only where secrets come from.

pub mod backend;
pub mod check;
pub mod fleet;
pub mod key;
pub mod project;
pub mod store;

pub use backend::Backend;
pub use check::Check;
pub use fleet::Fleet;
pub use key::Key;
pub use project::Project;
pub use store::Store;

use crate::digest::Digest;
use crate::model::KeyName;
use crate::model::Name;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// One policy file: a namespace of keys, with the places and people they concern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its namespace.
    pub name: Name,
    /// The file it was read from, relative to the project.
    pub file: String,
    /// The digest of that file's bytes.
    pub digest: Digest,
    /// Whom to ask.
    pub owner: String,
    /// What it is about, in a line.
    pub about: Option<String>,
    /// The controls it is evidence for, quoted in reports.
    pub controls: Vec<String>,
    /// Where key material lives.
    pub backends: BTreeMap<Name, Backend>,
    /// Where sealed things live.
    pub stores: BTreeMap<Name, Store>,
    /// The processes that hold keys.
    pub fleets: BTreeMap<Name, Fleet>,
    /// The keys, one per value of `each` where a key has that.
    pub keys: BTreeMap<Name, Key>,
    /// Who can open pre-images that hold key material: `age` recipients by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipients: BTreeMap<Name, Vec<String>>,
}

impl Policy {
    /// A key's whole name.
    #[must_use]
    pub fn key_name(&self, key: &Name) -> KeyName {
        KeyName::new(self.name.clone(), key.clone())
    }
}

/// A program to run, without a shell: its name and its arguments, which may hold `{{ placeholders }}`.
pub type Command = Vec<crate::template::Template>;

/// A place in a small configuration file that names a version, such as
/// `{ file = "site/{{ member }}.toml", at = "master_key.path", is = "/etc/{{ id }}.key" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The file: TOML, JSON or YAML, by its ending.
    pub file: crate::template::Template,
    /// The dotted path to the one value inside it.
    pub at: String,
    /// How the version is written down there.
    pub is: crate::template::Template,
}

/// How to reach a server over TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authority to trust instead of the system's.
    pub ca: Option<crate::secret::Source>,
    /// Our certificate.
    pub cert: Option<crate::secret::Source>,
    /// Its key.
    pub key: Option<crate::secret::Source>,
}

/// An address or another value that may be a secret as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Address {
    /// Anybody may read it.
    Plain(String),
    /// Where the secret comes from.
    Secret(crate::secret::Source),
}

/// How to log in to a server: words that the adapter knows, each a plain text or a secret's source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Auth(pub BTreeMap<String, AuthValue>);

/// One word of a login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AuthValue {
    /// Something that may be read by anybody, such as a role's name.
    Plain(String),
    /// Where a secret comes from.
    Secret(crate::secret::Source),
    /// A login for one use (`read`, `write`).
    Within(Auth),
}
