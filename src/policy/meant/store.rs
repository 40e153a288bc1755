//! Stores as meant: where things sealed by a key live, and how each is sealed.

use crate::envelope::Seal;
use crate::model::Span;
use crate::policy::meant::Address;
use crate::policy::meant::Auth;
use crate::policy::meant::Command;
use crate::policy::meant::Tls;
use crate::template::Template;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where sealed values live.
// Not `deny_unknown_fields`: serde cannot have that beside `flatten`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Store {
    /// How to reach it.
    #[serde(flatten)]
    pub place: Place,
    /// What in it is sealed.
    pub sealed: Vec<Sealed>,
    /// How long a backup of it may come back; nothing where that was not said.
    pub restorable_for: Option<Span>,
    /// Whether all of it changes in one transaction.
    pub atomic: bool,
    /// How gently to move.
    pub pace: Option<Pace>,
}

/// How to reach a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Place {
    /// A SQLite file.
    Sqlite {
        /// Its path, relative to the project; may hold `{{ each }}`.
        path: Template,
    },
    /// A PostgreSQL database.
    Postgres {
        /// Its address.
        url: Address,
        /// How to reach it over TLS.
        tls: Option<Tls>,
    },
    /// A MongoDB database.
    Mongodb {
        /// Its address.
        url: Address,
        /// The database.
        database: String,
        /// How to reach it over TLS.
        tls: Option<Tls>,
    },
    /// A Cosmos DB database.
    Cosmos {
        /// Its address.
        addr: String,
        /// How to log in.
        auth: Auth,
        /// The database.
        database: String,
    },
    /// A service that seals its own rows anew when asked by gRPC.
    Grpc(Box<Grpc>),
    /// Values that we neither see nor move.
    Unseen,
}

/// A service's own rewrap, by one gRPC method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    /// Its address.
    pub endpoint: String,
    /// How to reach it over TLS.
    pub tls: Option<Tls>,
    /// The method, `package.Service/Method`.
    pub method: String,
    /// Where the shapes of its messages come from.
    pub shapes: Shapes,
    /// How long one call may take.
    pub within: Span,
    /// Whether a call may be repeated.
    pub idempotent: bool,
    /// The fields of a request that only looks.
    pub dry_run: BTreeMap<String, serde_json::Value>,
    /// The fields of a request that moves.
    pub apply: BTreeMap<String, serde_json::Value>,
    /// The field that narrows a call, and its values.
    pub scope: Option<Scope>,
    /// Where the reply lists failures, and what their fields mean.
    pub failures: Option<Failures>,
    /// What the other fields of a reply mean.
    pub reply: Reply,
}

/// Where the shapes of a service's messages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shapes {
    /// The server tells them.
    Reflection,
    /// A file with a descriptor set, relative to the project.
    DescriptorSet(String),
    /// The `.proto` file that declares the service, and the folders in which its imports are found.
    Proto {
        /// The file, relative to the project.
        file: String,
        /// The folders; none: its own.
        include: Vec<String>,
    },
}

/// Failures in a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// The field that lists them.
    pub list: String,
    /// The field of one that names the row.
    pub row: Option<String>,
    /// The field that names what in the row is sealed.
    pub field: Option<String>,
    /// The field that says why.
    pub why: Option<String>,
    /// Words in it by which the row only changed meanwhile.
    pub again: Vec<String>,
}

/// The request's field that narrows a call, one value at a time, closed by one call without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The field.
    pub field: String,
    /// Its values.
    pub values: ScopeValues,
}

/// The values of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeValues {
    /// These; none: every call is for everything.
    Listed(Vec<String>),
    /// Those that a command prints, one a line.
    FromCommand(Command),
}

/// What the fields of a reply mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The field that names the version moved to.
    pub target: String,
    /// How the version is written down there.
    pub is: Template,
    /// The fields that count rows.
    pub rows: Counts,
    /// The fields that count sealed fields.
    pub fields: Counts,
}

/// Fields of a reply that count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All that were looked at.
    pub seen: Option<String>,
    /// Those that were moved.
    pub moved: Option<String>,
    /// Those that were there already.
    pub there: Option<String>,
    /// Those that could not be moved.
    pub failed: Option<String>,
}

/// One sealed column, field or document (or several that are sealed alike).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The table or collection.
    pub table: String,
    /// The columns or fields; `**` finds the shape at any depth.
    pub columns: Vec<String>,
    /// Only rows with these values; a value may hold `{{ each }}`.
    #[serde(rename = "where")]
    pub only: BTreeMap<String, Literal>,
    /// How a value is sealed.
    pub seal: Seal,
    /// The associated data, a template over the row.
    pub aad: Option<Template>,
    /// Where a value says which version sealed it.
    pub version: VersionAt,
    /// How the version is written down there.
    pub is: Template,
}

/// A value that a column must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text; may hold `{{ each }}`.
    Text(Template),
}

/// Where a sealed value says which version sealed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionAt {
    /// A column beside it.
    Column(String),
    /// A field beside it.
    Field(String),
    /// Inside the sealed value.
    InSeal,
    /// Nowhere: try the policy's own versions.
    ByTrial,
}

/// How gently to move values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// So many rows a second at most.
    RowsPerSecond(u64),
    /// This share of the service's quota, in percent.
    ShareOfQuota(u8),
    /// Rest as long as it worked.
    Polite,
}

impl Place {
    /// The word for its kind, as policies write it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Place::Sqlite { .. } => "sqlite",
            Place::Postgres { .. } => "postgres",
            Place::Mongodb { .. } => "mongodb",
            Place::Cosmos { .. } => "cosmos",
            Place::Grpc(_) => "grpc",
            Place::Unseen => "unseen",
        }
    }
}
