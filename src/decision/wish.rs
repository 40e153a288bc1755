//! What a person asked for beyond what is due.

use crate::model::KeyName;
use crate::model::VersionId;

/// What `plan` was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wish {
    /// Whatever is due.
    #[default]
    WhatIsDue,
    /// This key, due or not.
    Rotate(KeyName),
    /// Let this key's version that is there already take the current one's place.
    To(KeyName, VersionId),
    /// Take this key's last rotation back.
    Back(KeyName),
    /// This key's version is known to others: away from it, by the shortest safe way.
    Compromised(KeyName, VersionId),
    /// Destroy what may be destroyed.
    Destroy,
    /// Destroy this version, if it may be.
    DestroyOne(KeyName, VersionId),
}

impl Wish {
    /// Whether this key was asked for by name.
    #[must_use]
    pub fn names(&self, key: &KeyName) -> bool {
        matches!(self, Wish::Rotate(asked) | Wish::To(asked, _) | Wish::Back(asked) | Wish::Compromised(asked, _) if asked == key)
    }

    /// The version of this key that somebody says is known to others.
    #[must_use]
    pub fn leaked(&self, key: &KeyName) -> Option<&VersionId> {
        match self {
            Wish::Compromised(asked, version) if asked == key => Some(version),
            _ => None,
        }
    }

    /// The one key that it is about, where it is about one.
    #[must_use]
    pub const fn key(&self) -> Option<&KeyName> {
        match self {
            Wish::WhatIsDue | Wish::Destroy => None,
            Wish::Rotate(key)
            | Wish::To(key, _)
            | Wish::Back(key)
            | Wish::Compromised(key, _)
            | Wish::DestroyOne(key, _) => Some(key),
        }
    }
}
