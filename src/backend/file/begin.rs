//! A folder without books: what they would say.

use crate::backend::coding::Material;
use crate::backend::file::folder::Folder;
use crate::backend::file::folder::RING;
use crate::backend::file::ring::Ring;
use crate::fault::Fault;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use std::path::Path;

/// The books as they would be begun for a folder that has none: one version's file makes that version the current one.
pub(super) fn begin(folder: &Folder<'_>) -> Result<Ring, Fault> {
    let mut ring = Ring::empty();
    let mut versions = folder.list()?.versions;
    versions.retain(|_, path| path.parent() == Some(&folder.path));
    let Some((id, path)) = versions.first_key_value() else { return Ok(ring) };
    if versions.len() > 1 {
        let mut ids: Vec<&VersionId> = versions.keys().collect();
        ids.sort_by_key(|id| folder.ids.n(id));
        let names: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
        let newest = ids.last().map_or(id, |id| id);
        let why = format!("it holds {} and no `{RING}`: which one is current?", names.join(", "));
        return Err(Fault::ask_operator(format!("look into the key folder `{}`", folder.path.display()), why)
            .hint(format!("`keyrota adopt KEY@{newest}`, if that is the one that is sealed under today")));
    }
    let material = readable(folder, path)?;
    ring.put(&Version::new(id.clone(), State::Current), material.fingerprint, material.algorithm);
    Ok(ring)
}

/// The key in a file that must hold one.
pub(super) fn readable(folder: &Folder<'_>, path: &Path) -> Result<Material, Fault> {
    folder.read(path)?.map_err(|why| Fault::ask_operator(format!("read the key in `{}`", path.display()), why))
}
