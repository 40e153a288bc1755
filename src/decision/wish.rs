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
    /// Destroy what may be destroyed.
    Destroy,
    /// Destroy this version, if it may be.
    DestroyOne(KeyName, VersionId),
}

impl Wish {
    /// Whether this key was asked for by name.
    #[must_use]
    pub fn names(&self, key: &KeyName) -> bool {
        matches!(self, Wish::Rotate(asked) if asked == key)
    }
}
