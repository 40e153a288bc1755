//! `ring.json`: the books of one folder of key files, and the only truth about it. Its rename is the only commit.
//! `docs/formats-ring.md` is for readers in other languages.

use crate::backend::id::file_name;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::meant::key::Algorithm;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

/// The format that we write.
const FORMAT: &str = "keyrota ring 1";

/// Where disabled versions lie, within the key's folder.
pub(super) const DISABLED: &str = "disabled";

/// The books of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ring {
    format: String,
    /// Counts the commits.
    pub(super) revision: u64,
    /// The run that changed it last: a journal that does not know it is not the one that these books belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    /// Every version that ever was, oldest first.
    pub(super) versions: Vec<Entry>,
}

/// One version in the books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: VersionId,
    pub(super) state: State,
    /// Where its material is, within the folder. Nothing once it is destroyed.
    pub(super) file: Option<String>,
    pub(super) fingerprint: Fingerprint,
    pub(super) algorithm: Algorithm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    born: Option<Hour>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_since: Option<Hour>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Hour>,
    /// Whether its destruction has begun: from here there is no way back, and every open goes on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) destroying: bool,
}

impl Ring {
    /// Books with nothing in them.
    pub(super) fn empty() -> Self {
        Self { format: FORMAT.to_owned(), revision: 0, run: None, versions: Vec::new() }
    }

    /// Reads the books.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if head.format != FORMAT {
            let format = head.format.escape_debug();
            return Err(format!("its format is `{format}`, and this keyrota knows only `{FORMAT}`"));
        }
        let ring: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        ring.check().map(|()| ring)
    }

    fn check(&self) -> Result<(), String> {
        let mut ids = BTreeSet::new();
        for entry in &self.versions {
            if !ids.insert(&entry.id) {
                return Err(format!("version `{}` stands in it twice", entry.id));
            }
            if entry.file != place(&entry.id, entry.state) {
                return Err(format!("the file of version `{}` is not where a {} one lies", entry.id, entry.state));
            }
        }
        match self.versions.iter().filter(|entry| entry.state == State::Current).count() {
            0 | 1 => Ok(()),
            many => Err(format!("{many} versions are current")),
        }
    }

    /// The text of the books.
    pub(super) fn text(&self) -> Result<Vec<u8>, String> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        text.push(b'\n');
        Ok(text)
    }

    /// The key that the books tell of.
    pub(super) fn key(&self) -> Key {
        let version = |entry: &Entry| Version {
            fingerprint: Some(entry.fingerprint.clone()),
            born: entry.born,
            current_since: entry.current_since,
            since: entry.since,
            ..Version::new(entry.id.clone(), entry.state)
        };
        Key { versions: self.versions.iter().map(version).collect() }
    }

    /// One version in the books.
    pub(super) fn entry(&self, id: &VersionId) -> Option<&Entry> {
        self.versions.iter().find(|entry| entry.id == *id)
    }

    /// Writes a version down, or anew.
    pub(super) fn put(&mut self, version: &Version, fingerprint: Fingerprint, algorithm: Algorithm) {
        let entry = Entry {
            id: version.id.clone(),
            state: version.state,
            file: place(&version.id, version.state),
            fingerprint,
            algorithm,
            born: version.born,
            current_since: version.current_since,
            since: version.since,
            destroying: false,
        };
        match self.versions.iter_mut().find(|there| there.id == entry.id) {
            Some(there) => *there = entry,
            None => self.versions.push(entry),
        }
    }

    /// Takes over what became of versions that are in the books already.
    pub(super) fn take_over(&mut self, key: &Key) {
        for version in &key.versions {
            let known = self.entry(&version.id).map(|entry| (entry.fingerprint.clone(), entry.algorithm));
            if let Some((fingerprint, algorithm)) = known {
                self.put(version, fingerprint, algorithm);
            }
        }
    }

    /// Marks a version whose destruction begins.
    pub(super) fn begin_destroying(&mut self, id: &VersionId) {
        for entry in self.versions.iter_mut().filter(|entry| entry.id == *id) {
            entry.destroying = true;
        }
    }

    /// Writes down that a version's material is gone for good.
    pub(super) fn end_destroying(&mut self, id: &VersionId, now: Hour) {
        for entry in self.versions.iter_mut().filter(|entry| entry.id == *id) {
            entry.state = State::Destroyed;
            entry.since = Some(now);
            entry.file = None;
            entry.destroying = false;
        }
    }
}

/// Where a version's material lies, within the folder.
pub(super) fn place(id: &VersionId, state: State) -> Option<String> {
    match state {
        State::Staged | State::Current | State::DecryptOnly => Some(file_name(id)),
        State::Disabled => Some(format!("{DISABLED}/{}", file_name(id))),
        State::Destroyed => None,
    }
}
