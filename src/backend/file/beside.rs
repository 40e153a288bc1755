//! Folders that look like keys, beside those that policies name: looked for where the named ones lie, one level deep.

use crate::backend::file::folder::RING;
use crate::backend::file::ring::DISABLED;
use crate::backend::id::Ids;
use std::collections::BTreeSet;
use std::fs;
use std::fs::DirEntry;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// So many entries of one folder are looked at.
const ENTRIES_MAX: usize = 100_000;

/// The folders that hold versions and are none of these, as seen from `root`. What cannot be listed is not looked into.
pub(super) fn beside(root: &Path, named: &[&str], ids: &Ids) -> Vec<String> {
    let named: BTreeSet<PathBuf> = named.iter().map(|at| plain(root, at)).collect();
    let around: BTreeSet<&Path> = named.iter().filter_map(|folder| folder.parent()).collect();
    let mut found = BTreeSet::new();
    for parent in around.into_iter().filter(|parent| parent.parent().is_some()) {
        // What a named key keeps aside is its own.
        let own = |path: &Path| named.contains(parent) && path.ends_with(DISABLED);
        for path in folders(parent) {
            if !named.contains(&path) && !own(&path) && holds_versions(&path, ids) {
                found.insert(path);
            }
        }
    }
    let shown = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_string_lossy().escape_debug().to_string();
    found.iter().map(shown).collect()
}

/// The path of a place, with nothing in it that leads nowhere.
fn plain(root: &Path, at: &str) -> PathBuf {
    let at: PathBuf = Path::new(at).components().filter(|part| *part != Component::CurDir).collect();
    root.join(at)
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX)
}

/// The folders in a folder that are no links and are not hidden.
fn folders(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let hidden = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    entries(parent).filter(move |entry| folder(entry) && !hidden(entry)).map(|entry| entry.path())
}

fn holds_versions(folder: &Path, ids: &Ids) -> bool {
    let version = |name: &str| name == RING || ids.of_file(name).is_some();
    entries(folder).any(|entry| entry.file_name().to_str().is_some_and(version))
}
