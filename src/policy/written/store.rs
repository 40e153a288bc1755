//! Stores as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::written::backend::Auth;
use crate::policy::written::backend::Tls;
use crate::policy::written::defaults;
use crate::policy::written::seal::Seal;
use crate::policy::written::value::Count;
use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Table;
use crate::policy::written::value::Text;

/// Where values sealed by a key live.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Store {
    /// A SQLite file.
    Sqlite(Box<Sqlite>),
    /// A PostgreSQL database.
    Postgres(Box<Postgres>),
    /// A MongoDB database.
    Mongodb(Box<Mongodb>),
    /// A Cosmos DB database.
    Cosmos(Box<Cosmos>),
    /// A service that seals its own rows anew when asked by gRPC.
    Grpc(Box<Grpc>),
    /// Values that we neither see nor move: they pin every version and force `retire = "never"`.
    Unseen(Unseen),
}

/// A SQLite file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sqlite {
    /// Its path, relative to the project or absolute; `{{ each }}` may stand in it.
    #[schemars(required)]
    pub(crate) path: Option<Text>,
    /// What in it is sealed.
    #[schemars(required)]
    pub(crate) sealed: Option<Vec<Sealed>>,
    /// How long a backup of it may come back: it pins the old version.
    pub(crate) restorable_for: Option<Text>,
    /// Whether all of it changes in one transaction.
    #[serde(default)]
    pub(crate) atomic: bool,
    /// How gently to move values: `polite` rests as long as it worked.
    pub(crate) pace: Option<Pace>,
}

/// A PostgreSQL database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    /// Its address, by reference where it holds a password.
    #[schemars(required)]
    pub(crate) url: Option<Reach>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// What in it is sealed.
    #[schemars(required)]
    pub(crate) sealed: Option<Vec<Sealed>>,
    /// How long a backup of it may come back: it pins the old version.
    pub(crate) restorable_for: Option<Text>,
    /// Whether all of it changes in one transaction.
    #[serde(default)]
    pub(crate) atomic: bool,
    /// How gently to move values: `polite` rests as long as it worked.
    pub(crate) pace: Option<Pace>,
}

/// A MongoDB database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mongodb {
    /// Its address, by reference where it holds a password.
    #[schemars(required)]
    pub(crate) url: Option<Reach>,
    /// The database.
    #[schemars(required)]
    pub(crate) database: Option<Text>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// What in it is sealed.
    #[schemars(required)]
    pub(crate) sealed: Option<Vec<Sealed>>,
    /// How long a backup of it may come back: it pins the old version.
    pub(crate) restorable_for: Option<Text>,
    /// Whether all of it changes in one transaction.
    #[serde(default)]
    pub(crate) atomic: bool,
    /// How gently to move values: `polite` rests as long as it worked.
    pub(crate) pace: Option<Pace>,
}

/// A Cosmos DB database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cosmos {
    /// Its address.
    #[schemars(required)]
    pub(crate) addr: Option<Text>,
    /// How to log in.
    #[schemars(required)]
    pub(crate) auth: Option<Auth>,
    /// The database.
    #[schemars(required)]
    pub(crate) database: Option<Text>,
    /// What in it is sealed.
    #[schemars(required)]
    pub(crate) sealed: Option<Vec<Sealed>>,
    /// How long a backup of it may come back: it pins the old version.
    pub(crate) restorable_for: Option<Text>,
    /// Whether all of it changes in one transaction.
    #[serde(default)]
    pub(crate) atomic: bool,
    /// How gently to move values: `polite` rests as long as it worked.
    pub(crate) pace: Option<Pace>,
}

/// A service that seals its own rows anew when asked by gRPC.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grpc {
    /// Its address.
    #[schemars(required)]
    pub(crate) endpoint: Option<Text>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// The method, `package.Service/Method`.
    #[schemars(required)]
    pub(crate) method: Option<Text>,
    /// Where the shapes of its messages come from.
    #[schemars(extend("default" = "reflection"))]
    pub(crate) shapes: Option<Shapes>,
    /// How long one call may take.
    #[schemars(extend("default" = defaults::CALL))]
    pub(crate) within: Option<Text>,
    /// Whether a call may be repeated.
    #[serde(default)]
    pub(crate) idempotent: bool,
    /// The fields of a request that only looks.
    #[serde(default)]
    pub(crate) dry_run: Table<serde_json::Value>,
    /// The fields of a request that moves.
    #[serde(default)]
    pub(crate) apply: Table<serde_json::Value>,
    /// The request's field that narrows a call, one value at a time, closed by one call without it.
    pub(crate) scope: Option<Scope>,
    /// The reply's field that lists failures, or what the fields of one mean.
    pub(crate) failures: Option<Failures>,
    /// What the other fields of a reply mean.
    #[schemars(required)]
    pub(crate) reply: Option<Reply>,
    /// How long a backup of it may come back: it pins the old version.
    pub(crate) restorable_for: Option<Text>,
    /// How gently to move values: `polite` rests as long as it worked.
    pub(crate) pace: Option<Pace>,
}

/// Where the shapes of messages come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Shapes {
    /// The server tells them.
    Word(ShapesWord),
    /// Files: one of the two.
    Files(ShapeFiles),
}

/// The server tells the shapes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShapesWord {
    /// By server reflection.
    Reflection,
}

/// Files with the shapes of messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShapeFiles {
    /// A file that `protoc --descriptor_set_out --include_imports` wrote.
    pub(crate) descriptor_set: Option<Text>,
    /// The `.proto` file that declares the service.
    pub(crate) proto: Option<Text>,
    /// The folders in which what it imports is found; else its own.
    #[serde(default)]
    pub(crate) include: Vec<Text>,
}

/// Failures in a reply.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Failures {
    /// The field that lists them.
    List(String),
    /// And what the fields of one mean.
    Named(FailuresNamed),
}

/// What the fields of a failure mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailuresNamed {
    /// The reply's field that lists them.
    pub(crate) list: String,
    /// The field that names the row.
    pub(crate) row: Option<String>,
    /// The field that names what in the row is sealed.
    pub(crate) field: Option<String>,
    /// The field that says why.
    pub(crate) why: Option<String>,
    /// Words in it by which the row only changed meanwhile: it is tried again, not quarantined.
    #[serde(default)]
    pub(crate) again: Vec<String>,
}

/// The request's field that narrows a call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    /// The field.
    pub(crate) field: String,
    /// Its values, or the command that prints them, one a line. None: every call is for everything.
    pub(crate) values: ScopeValues,
}

/// The values of a scope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ScopeValues {
    /// These.
    Listed(Vec<Text>),
    /// Those that a command prints.
    From(ScopeCommand),
}

/// The command that prints the values of a scope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeCommand {
    /// The program and its arguments.
    pub(crate) command: Vec<Text>,
}

/// What the fields of a reply mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    /// The field that names the version moved to; it must be the new one in every reply.
    pub(crate) target: String,
    /// How the version is written down there.
    #[schemars(extend("default" = defaults::IS))]
    pub(crate) is: Option<Text>,
    /// The fields that count rows: seen = moved + there + failed, also in a call that only looks.
    #[schemars(required)]
    pub(crate) rows: Option<Counts>,
    /// The fields that count sealed fields, which have no total.
    pub(crate) fields: Option<Counts>,
}

/// Fields of a reply that count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    /// All that were looked at.
    pub(crate) seen: Option<String>,
    /// Those that were moved.
    pub(crate) moved: Option<String>,
    /// Those that were there already.
    pub(crate) there: Option<String>,
    /// Those that could not be moved.
    pub(crate) failed: Option<String>,
}

/// Values that we neither see nor move.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unseen {
    /// How long a backup of it may come back.
    pub(crate) restorable_for: Option<Text>,
}

/// One sealed column, field or document, or several that are sealed alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    /// The table, in a database of tables.
    pub(crate) table: Option<Text>,
    /// The collection or container, in a database of documents.
    pub(crate) collection: Option<Text>,
    /// The column, or several that are sealed alike, in a table.
    pub(crate) column: Option<OneOrMany<String>>,
    /// The field, or several; `**` finds the shape at any depth of a document.
    pub(crate) field: Option<OneOrMany<String>>,
    /// Only rows with these values; `{{ each }}` may stand in a text.
    #[serde(default, rename = "where")]
    pub(crate) only: Table<Literal>,
    /// How a value is sealed: the name of a `[seal.x]`, a public preset (`jwe`, `vault-transit`), or the seal itself.
    #[schemars(required)]
    pub(crate) seal: Option<SealRef>,
    /// The associated data, over the row: `data_keys:{{ row.id }}`.
    pub(crate) aad: Option<Text>,
    /// Where a value says which version sealed it.
    #[schemars(required)]
    pub(crate) version: Option<VersionAt>,
    /// How the version is written down there.
    #[schemars(extend("default" = defaults::IS))]
    pub(crate) is: Option<Text>,
}

/// A value that a column must have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Literal {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(Text),
}

/// A seal by name, or the seal itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the seal itself is read by the room `envelope`")]
pub(crate) enum SealRef {
    /// The name of a `[seal.x]` or of a public preset.
    Named(String),
    /// The seal itself.
    Inline(Seal),
}

/// Where a value says which version sealed it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum VersionAt {
    /// Inside the sealed value, or nowhere.
    Word(VersionWord),
    /// Beside it.
    Beside(VersionBeside),
}

/// Where a value says which version sealed it, if not beside it.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VersionWord {
    /// Inside the sealed value, where the layout has `{{ version }}`.
    InSeal,
    /// Nowhere: the policy's own versions are tried.
    ByTrial,
}

/// The column or field beside the value that names the version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionBeside {
    /// The column, in a table.
    pub(crate) column: Option<String>,
    /// The field, in a document.
    pub(crate) field: Option<String>,
    /// How the version is written down there.
    #[schemars(extend("default" = defaults::IS))]
    pub(crate) is: Option<Text>,
}

/// How gently to move values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Pace {
    /// Rest as long as it worked.
    Word(PaceWord),
    /// A limit.
    Limit(PaceLimit),
}

/// A pace without a number.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PaceWord {
    /// Stand back whenever somebody else waits.
    Polite,
}

/// A pace with a number: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaceLimit {
    /// So many rows a second at most.
    pub(crate) rows_per_second: Option<Count>,
    /// This share of the service's quota at most, in percent.
    pub(crate) share_of_quota: Option<Count>,
}
