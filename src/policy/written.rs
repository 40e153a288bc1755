//! A policy as written: the shapes that TOML is read into, and that the schema and the table of words are drawn from.
//! Never here: meaning. A name may still be wrong, a span may still be nonsense; `meaning` judges them.
//!
//! Words that must be there are `Option`s marked `required`: so that one missing word does not hide the other problems.

pub(super) mod backend;
pub(super) mod check;
pub(super) mod defaults;
pub(super) mod fleet;
pub(super) mod key;
pub(super) mod project;
pub(super) mod seal;
pub(super) mod store;
pub(super) mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::written::backend::Backend;
use crate::policy::written::fleet::Fleet;
use crate::policy::written::key::Key;
use crate::policy::written::seal::Seal;
use crate::policy::written::store::Store;

/// A keyrota policy file, `policies/*.toml`.
#[derive(JsonSchema)]
#[schemars(title = "keyrota policy", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used: the blocks are read one by one, so that one does not hide another"
)]
pub(super) struct PolicyFile {
    /// What this policy is.
    policy: About,
    /// Where key material lives, by name.
    backend: Option<BTreeMap<String, Backend>>,
    /// Where sealed values live, by name.
    store: Option<BTreeMap<String, Store>>,
    /// How values are sealed, by name.
    seal: Option<BTreeMap<String, Seal>>,
    /// The processes that hold keys, by name.
    fleet: Option<BTreeMap<String, Fleet>>,
    /// The keys, by name.
    key: Option<BTreeMap<String, Key>>,
    /// Who can open pre-images that hold key material: `age` recipients by name, for `to = "age:NAME"`.
    recipients: Option<BTreeMap<String, Vec<String>>>,
}

/// What this policy is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    /// The namespace of its keys: key `kek` in policy `app` is `app/kek`.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Whom to ask.
    #[schemars(required)]
    pub(super) owner: Option<String>,
    /// What it is about, in a line.
    pub(super) about: Option<String>,
    /// The controls it is evidence for, quoted in reports.
    #[serde(default)]
    pub(super) controls: Vec<String>,
}
