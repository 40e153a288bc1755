//! What a document says of one key: its versions with their material, and which of them is current.

use crate::backend::coding::Material;
use crate::backend::document::table::Entries;
use crate::backend::document::table::Value;
use crate::backend::id::Ids;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::meant::Pointer;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::facts::Facts;
use std::collections::BTreeMap;

/// The versions at one place.
pub(super) struct Keys {
    at: String,
    /// By their number, which is their age.
    versions: BTreeMap<u64, (VersionId, Material)>,
    /// The number of the current one.
    current: Option<u64>,
    /// Versions that somebody deleted and could bring back.
    deleted: Vec<VersionId>,
    /// Versions that ended and left their names behind.
    ended: Vec<VersionId>,
    /// Entries that are no version: never touched.
    unknown: Vec<String>,
}

impl Keys {
    /// Reads the versions at a place. An entry with another kind of name is somebody else's; one with a version's name must
    /// hold a key.
    pub(super) fn read(entries: &Entries, at: &str, codings: &[Coding], ids: &Ids) -> Result<Self, Fault> {
        let (deleted, ended, unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys = Self { at: at.to_owned(), versions: BTreeMap::new(), current: None, deleted, ended, unknown };
        for entry in &entries.entries {
            let id = entry.name.parse::<VersionId>().ok().and_then(|id| Some((ids.n(&id)?, id)));
            let Some((n, id)) = id else {
                keys.unknown.push(entry.shown.clone());
                continue;
            };
            let bad = |why: &str| {
                let doing = format!("read version `{id}` in `{}`", entries.place);
                let hint = format!("put the right key at `{}`, written as the policy's `as` says", entry.shown);
                Fault::ask_operator(doing, why).hint(hint)
            };
            match &entry.value {
                Value::Text(value) => {
                    let material = Material::read(codings, value).map_err(|why| bad(&why))?;
                    keys.versions.insert(n, (id, material));
                }
                Value::Other(why) => return Err(bad(why)),
                Value::Deleted => {
                    keys.unknown.push(format!("{} (deleted; it can be brought back)", entry.shown));
                    keys.deleted.push(id);
                }
                Value::Ended => keys.ended.push(id),
            }
        }
        Ok(keys)
    }

    /// Whether somebody could bring this version back.
    pub(super) fn is_deleted(&self, id: &VersionId) -> bool {
        self.deleted.contains(id)
    }

    /// Every id that is used, or was and left its name behind.
    pub(super) fn named(&self) -> impl Iterator<Item = &VersionId> {
        self.ids().chain(&self.deleted).chain(&self.ended)
    }

    /// Takes over where the pointer points: at a version that is there, or at nothing yet.
    pub(super) fn point(&mut self, place: &str, pointer: &Pointer, pointed: &str) -> Result<(), Fault> {
        if pointed.trim().is_empty() {
            return Ok(());
        }
        let is = |(id, material): &(VersionId, Material)| {
            Facts::version(id, Some(&material.fingerprint)).fill(&pointer.is).is_ok_and(|text| text == pointed)
        };
        self.current = self.versions.iter().find(|(_, version)| is(version)).map(|(n, _)| *n);
        if self.current.is_some() {
            return Ok(());
        }
        let doing = format!("find the current version in `{place}`");
        let there: Vec<String> = self.ids().map(|id| format!("`{id}`")).collect();
        let there = if there.is_empty() { "no version".to_owned() } else { there.join(", ") };
        let (file, place) = (pointer.file.as_str(), &pointer.at);
        let why = format!("`{place}` in `{file}` says `{}`, and `{}` holds {there}", pointed.escape_debug(), self.at);
        Err(Fault::ask_operator(doing, why).hint("point at a version that is there, or put the missing one back"))
    }

    /// Without a pointer whoever reads the document takes the newest.
    pub(super) fn newest_is_current(&mut self) {
        self.current = self.versions.keys().next_back().copied();
    }

    /// The ids, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = &VersionId> {
        self.versions.values().map(|(id, _)| id)
    }

    /// The key as far as the document shows it: what is older than the current one was current before it, what is newer waits.
    pub(super) fn key(&self) -> Key {
        let state = |n: u64| match self.current {
            Some(current) if n == current => State::Current,
            Some(current) if n < current => State::DecryptOnly,
            _ => State::Staged,
        };
        let version = |(n, (id, material)): (&u64, &(VersionId, Material))| Version {
            fingerprint: Some(material.fingerprint.clone()),
            ..Version::new(id.clone(), state(*n))
        };
        Key { versions: self.versions.iter().map(version).collect() }
    }

    pub(super) fn look(self) -> Look {
        let algorithms = self.versions.values().map(|(id, material)| (id.clone(), material.algorithm)).collect();
        Look { key: self.key(), algorithms, unknown_files: self.unknown, ..Look::default() }
    }

    /// One version's material.
    pub(super) fn take(self, id: &VersionId) -> Result<Material, Failed> {
        let at = self.at;
        let found = self.versions.into_values().find(|(there, _)| there == id).map(|(_, material)| material);
        found.ok_or_else(|| Failed::refused(format!("there is no version `{id}` in `{at}`")))
    }
}
