//! The project file as meant: the journal's home, who acts, what may run, when.

use crate::model::Name;
use crate::model::Risk;
use crate::model::Span;
use crate::policy::Policy;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// A project: its settings and its policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its settings.
    pub settings: Settings,
    /// Its policies, in the order of their names.
    pub policies: Vec<Policy>,
}

/// What `keyrota.toml` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where journal, plans and locks live.
    pub home: Home,
    /// Who acts, in journal and report, where it is not the user's name.
    pub actor: Option<String>,
    /// Who must say yes.
    pub approval: Option<Approval>,
    /// The programs that policies may run.
    pub allow: Vec<String>,
    /// When turns may happen.
    pub calendar: Calendar,
    /// What every policy must meet.
    pub guard: Vec<Guard>,
    /// How long a saved plan may be opened.
    pub plans_expire: Option<Span>,
    /// Who can open pre-images that hold key material: `age` recipients by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipients: BTreeMap<Name, Vec<String>>,
}

/// Where journal, plans and locks live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Home {
    /// A folder beside the policies.
    Local {
        /// The folder.
        path: String,
    },
    /// A PostgreSQL database.
    Postgres {
        /// Its address.
        url: crate::policy::meant::Address,
        /// How to reach it over TLS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<crate::policy::meant::Tls>,
        /// The schema that it has for itself.
        schema: Name,
    },
}

impl Default for Home {
    fn default() -> Self {
        Home::Local { path: ".keyrota".into() }
    }
}

/// Who must say yes to a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// An OpenSSH `allowed_signers` file.
    pub signers: String,
    /// How many distinct voices each class of step needs.
    pub need: BTreeMap<Risk, u32>,
}

/// When turns may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The zone that windows are read in: `UTC` or a fixed offset such as `+02:00`.
    pub zone: Option<String>,
    /// Windows by name.
    pub windows: BTreeMap<Name, Vec<Window>>,
    /// Spans in which nothing begins that changes anything.
    pub freezes: Vec<Freeze>,
    /// How many keys may be under way at once.
    pub at_once: Option<u32>,
}

/// One weekly opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days it opens on (`mon`..`sun`); empty: every day.
    pub days: Vec<String>,
    /// When it opens, in minutes after midnight.
    pub from_minute: u32,
    /// How long it stays open.
    pub lasts: Span,
}

/// A span in which turns wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its beginning.
    pub from: crate::model::Hour,
    /// Its end.
    pub to: crate::model::Hour,
    /// Why.
    pub because: String,
}

/// A rule that every policy must meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The keys it is for (a name with `*`); empty: all.
    pub keys: String,
    /// The longest `rotate_every` allowed.
    pub rotate_every_at_most: Option<Span>,
    /// The longest a version may be current before `enforce` and `status` call it a violation.
    pub current_at_most: Option<Span>,
    /// Whether every fleet must have a proof.
    pub proof: bool,
}
