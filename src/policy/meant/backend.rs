//! Backends as meant: a connection and a form. The place of a key inside it is the key's own `at`.

use crate::envelope::Coding;
use crate::policy::meant::Auth;
use crate::policy::meant::Pointer;
use crate::policy::meant::Tls;
use crate::template::Template;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where key material lives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Backend {
    /// One file per version in a folder, with a ring beside them.
    File {
        /// How a file's bytes stand for the key's bytes.
        #[serde(rename = "as")]
        codings: Vec<Coding>,
        /// How a version's id is made; `{{ n }}` counts.
        id: Template,
    },
    /// Versions inside a JSON, TOML or YAML document, or on one path each.
    Document {
        /// Where they lie.
        place: DocumentPlace,
        /// How a value stands for the key's bytes.
        #[serde(rename = "as")]
        codings: Vec<Coding>,
        /// How a version's id is made.
        id: Template,
        /// Which version is current, where the document itself does not say.
        current: Option<Pointer>,
    },
    /// A key set in a document of a KV version 2 engine.
    OpenbaoKv {
        /// The server.
        addr: String,
        /// How to log in.
        auth: Auth,
        /// How to reach it over TLS.
        tls: Option<Tls>,
        /// The namespace.
        namespace: Option<String>,
        /// The engine's mount.
        mount: String,
        /// Which field holds the versions, and how.
        versions: KeySet,
        /// Fields that hold key sets of others and get the new version too.
        alongside: Vec<String>,
        /// The field that names the current version.
        current: Option<String>,
        /// Further fields to write with a new current version.
        set: BTreeMap<String, Template>,
        /// How a version's id is made.
        id: Template,
        /// Whether the document is signed with the run that changed it last.
        mark: bool,
    },
    /// A key of a transit engine.
    OpenbaoTransit {
        /// The server.
        addr: String,
        /// How to log in.
        auth: Auth,
        /// How to reach it over TLS.
        tls: Option<Tls>,
        /// The namespace.
        namespace: Option<String>,
        /// The engine's mount.
        mount: String,
    },
    /// Keys of an Azure Key Vault.
    AzureKeyVault {
        /// The vault.
        addr: String,
        /// How to log in.
        auth: Auth,
    },
    /// Keys in a token, by PKCS#11.
    Pkcs11 {
        /// The library.
        module: String,
        /// The digest the library must have.
        digest: Option<String>,
        /// The token's label.
        token: String,
        /// The user's PIN.
        pin: crate::secret::Source,
        /// How a version's label is made.
        id: Template,
    },
}

/// Where the versions of a document lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DocumentPlace {
    /// In a table of one file.
    File(String),
    /// In a document each, in a KV engine of version 2.
    Paths(Box<DocumentPaths>),
}

/// Documents in a KV engine of version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentPaths {
    /// The server.
    pub addr: String,
    /// How to log in.
    pub auth: Auth,
    /// How to reach it over TLS.
    pub tls: Option<Tls>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The engine's mount.
    pub mount: String,
    /// The dotted path to the value inside each document.
    pub field: String,
    /// Further texts in a new version's document, by their dotted paths.
    pub set: BTreeMap<String, Template>,
}

/// A field that holds a set of versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// The field.
    pub field: String,
    /// How it is written, outermost first (`base64`, `jwks`).
    #[serde(rename = "as")]
    pub codings: Vec<String>,
    /// Where the newest stands: `first` or `last`.
    pub newest: String,
}

impl Backend {
    /// The word for its kind, as policies write it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Backend::File { .. } => "file",
            Backend::Document { .. } => "document",
            Backend::OpenbaoKv { .. } => "openbao-kv",
            Backend::OpenbaoTransit { .. } => "openbao-transit",
            Backend::AzureKeyVault { .. } => "azure-key-vault",
            Backend::Pkcs11 { .. } => "pkcs11",
        }
    }

    /// The kind whose adapter's build can reach it.
    #[must_use]
    pub const fn reached_as(&self) -> &'static str {
        match self {
            Backend::Document { place: DocumentPlace::Paths(_), .. } => "openbao-kv",
            other => other.kind(),
        }
    }
}
