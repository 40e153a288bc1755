//! What looks like a key, or lies among keys, and that no policy names.

use crate::model::KeyName;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Something that nobody manages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "unmanaged", deny_unknown_fields)]
pub enum Unmanaged {
    /// A place with versions in it, beside those that policies name.
    Place {
        /// Where.
        place: String,
    },
    /// A file among a key's versions that is none of them.
    File {
        /// The key.
        key: KeyName,
        /// The file.
        file: String,
    },
    /// A key that the journal knows and that no policy names any more.
    Former {
        /// Which.
        key: KeyName,
    },
}

impl fmt::Display for Unmanaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place { place } => write!(f, "`{place}` looks like a key and is in no policy"),
            Self::File { key, file } => write!(f, "`{file}` lies among the versions of `{key}` and is none of them"),
            Self::Former { key } => write!(f, "`{key}` was rotated by keyrota and is in no policy today"),
        }
    }
}
