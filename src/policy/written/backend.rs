//! Backends as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::written::defaults;
use crate::policy::written::value::OneOrMany;
use crate::policy::written::value::Table;
use crate::policy::written::value::Text;
use crate::secret::Source;

/// Where key material lives: a connection and a form. The place of a key inside it is the key's own `at`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Backend {
    /// One file per version in a folder, with a ring beside them.
    File(File),
    /// Versions inside a JSON, TOML or YAML document, or on one path each of a secrets server.
    Document(Document),
    /// A key set in a document of an OpenBao (or Vault) KV version 2 engine.
    OpenbaoKv(OpenbaoKv),
    /// A key of an OpenBao (or Vault) transit engine.
    OpenbaoTransit(OpenbaoTransit),
    /// Keys of an Azure Key Vault.
    AzureKeyVault(AzureKeyVault),
    /// Keys in a token, by PKCS#11.
    Pkcs11(Pkcs11),
}

/// One file per version in a folder, with a ring beside them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// How a file's bytes stand for the key's bytes, outermost first: `raw`, `hex`, `base64`, `base64url`.
    #[serde(rename = "as")]
    #[schemars(extend("default" = "raw"))]
    pub(crate) codings: Option<OneOrMany<String>>,
    /// How a version's id is made; `{{ n }}` counts.
    #[schemars(extend("default" = defaults::COUNTED))]
    pub(crate) id: Option<Text>,
}

/// Versions inside a JSON, TOML or YAML document, or on one path each of a secrets server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// The file that holds the versions; instead of `mount`.
    pub(crate) file: Option<Text>,
    /// The mount of a KV engine of version 2 on a secrets server, OpenBao or Vault; instead of `file`. Each version has a
    /// document of its own there, below the key's `at`, named by its id.
    pub(crate) mount: Option<Text>,
    /// The secrets server, where there is a `mount`.
    pub(crate) addr: Option<Text>,
    /// How to log in there.
    pub(crate) auth: Option<Auth>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// The namespace there.
    pub(crate) namespace: Option<Text>,
    /// The dotted path to the value inside each document there.
    pub(crate) field: Option<Text>,
    /// Further texts in the document of a new version, by their dotted paths: `{{ id }}`, `{{ n }}` and `{{ sha256 }}` are its own.
    #[serde(default)]
    pub(crate) set: Table<Text>,
    /// How a value stands for the key's bytes, outermost first.
    #[serde(rename = "as")]
    #[schemars(extend("default" = "raw"))]
    pub(crate) codings: Option<OneOrMany<String>>,
    /// How a version's id is made; `{{ n }}` counts.
    #[schemars(extend("default" = defaults::COUNTED))]
    pub(crate) id: Option<Text>,
    /// Which version is current, where the document itself does not say.
    pub(crate) current: Option<Pointer>,
}

/// A key set in a document of an OpenBao (or Vault) KV version 2 engine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenbaoKv {
    /// The server.
    #[schemars(required)]
    pub(crate) addr: Option<Text>,
    /// How to log in.
    #[schemars(required)]
    pub(crate) auth: Option<Auth>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// The namespace.
    pub(crate) namespace: Option<Text>,
    /// The engine's mount.
    #[schemars(required)]
    pub(crate) mount: Option<Text>,
    /// Which field holds the versions, and how.
    #[schemars(required)]
    pub(crate) versions: Option<KeySet>,
    /// Fields that hold key sets of others and get the new version too; nothing of theirs is overwritten.
    #[serde(default)]
    pub(crate) alongside: Vec<String>,
    /// The field that names the current version.
    pub(crate) current: Option<CurrentField>,
    /// Further fields to write with a new current version.
    #[serde(default)]
    pub(crate) set: Table<Text>,
    /// How a version's id is made.
    #[schemars(extend("default" = "{{ uuid1 }}"))]
    pub(crate) id: Option<Text>,
    /// Whether the document's custom metadata name the run that changed it last (`keyrota_run`): a lost home is noticed by that.
    #[schemars(extend("default" = true))]
    pub(crate) mark: Option<bool>,
}

/// A field that holds a set of versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySet {
    /// The field.
    pub(crate) field: String,
    /// How it is written, outermost first: `base64`, `jwks`.
    #[serde(rename = "as")]
    pub(crate) codings: OneOrMany<String>,
    /// Where the newest version stands.
    #[schemars(extend("default" = "first"))]
    pub(crate) newest: Option<Newest>,
}

/// Where the newest version stands in a key set.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Newest {
    /// Before the others.
    First,
    /// Behind the others.
    Last,
}

/// The field that names the current version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CurrentField {
    /// The field.
    pub(crate) field: String,
}

/// A key of an OpenBao (or Vault) transit engine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenbaoTransit {
    /// The server.
    #[schemars(required)]
    pub(crate) addr: Option<Text>,
    /// How to log in.
    #[schemars(required)]
    pub(crate) auth: Option<Auth>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// The namespace.
    pub(crate) namespace: Option<Text>,
    /// The engine's mount.
    #[schemars(extend("default" = defaults::TRANSIT))]
    pub(crate) mount: Option<Text>,
}

/// Keys of an Azure Key Vault.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AzureKeyVault {
    /// The vault.
    #[schemars(required)]
    pub(crate) addr: Option<Text>,
    /// How to log in.
    #[schemars(required)]
    pub(crate) auth: Option<Auth>,
}

/// Keys in a token, by PKCS#11.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs11 {
    /// The PKCS#11 library.
    #[schemars(required)]
    pub(crate) module: Option<Text>,
    /// The SHA-256 that the library must have, in hex.
    pub(crate) digest: Option<Text>,
    /// The token's label.
    #[schemars(required)]
    pub(crate) token: Option<Text>,
    /// The user's PIN, by reference.
    #[schemars(required)]
    pub(crate) pin: Option<Source>,
    /// How a version's label is made; `{{ n }}` counts.
    #[schemars(extend("default" = defaults::COUNTED))]
    pub(crate) id: Option<Text>,
}

/// A place in a small configuration file that names a version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    /// The file: TOML, JSON or YAML, by its ending. Its comments, order and other bytes survive.
    pub(crate) file: Text,
    /// The dotted path to the one value inside it.
    pub(crate) at: String,
    /// How the version is written down there.
    #[schemars(extend("default" = defaults::IS))]
    pub(crate) is: Option<Text>,
}

/// How to log in to a server. Secret words are references: `{ env = ".." }`, `{ file = ".." }`, `{ command = [..] }`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    /// The way to log in, such as `token`, `approle`, `kubernetes` or `workload-identity`.
    pub(crate) login: Option<Text>,
    /// The role to log in as.
    pub(crate) role: Option<Text>,
    /// The mount of the login method.
    pub(crate) mount: Option<Text>,
    /// The tenant.
    pub(crate) tenant: Option<Text>,
    /// The client's id.
    pub(crate) client: Option<Text>,
    /// The audience that a token is asked for.
    pub(crate) audience: Option<Text>,
    /// The user's name.
    pub(crate) user: Option<Text>,
    /// A token, by reference.
    pub(crate) token: Option<Source>,
    /// A key, by reference.
    pub(crate) key: Option<Source>,
    /// A password, by reference.
    pub(crate) password: Option<Source>,
    /// A secret, by reference.
    pub(crate) secret: Option<Source>,
    /// The secret half of an AppRole, by reference.
    pub(crate) secret_id: Option<Source>,
    /// A signed token of the platform, by reference.
    pub(crate) jwt: Option<Source>,
    /// Another login for all that only reads: `plan` needs no more.
    pub(crate) read: Option<Box<Auth>>,
    /// Another login for all that writes.
    pub(crate) write: Option<Box<Auth>>,
}

/// How to reach a server over TLS. It is always verified.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The authority to trust instead of the system's, by reference.
    pub(crate) ca: Option<Source>,
    /// Our certificate, by reference.
    pub(crate) cert: Option<Source>,
    /// Its key, by reference.
    pub(crate) key: Option<Source>,
}
