//! One key's folder as it lies on the disk: whether it is private, what files are in it, what a version's file holds.

use crate::backend::coding::Material;
use crate::backend::file::ring::DISABLED;
use crate::backend::file::ring::Ring;
use crate::backend::id::Ids;
use crate::backend::id::file_name;
use crate::disk;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::model::Fingerprint;
use crate::model::VersionId;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// The books.
pub(super) const RING: &str = "ring.json";
/// Locked while somebody changes the folder. The lock dies with its process; the file stays.
pub(super) const LOCK: &str = "ring.lock";

/// One key's folder.
pub(super) struct Folder<'a> {
    pub(super) path: PathBuf,
    pub(super) codings: &'a [Coding],
    pub(super) ids: &'a Ids,
    /// The run whose name every commit bears.
    pub(super) run: Option<String>,
}

/// What lies in a folder, by name.
#[derive(Default)]
pub(super) struct Listing {
    /// Versions whose files lie there, in the folder itself or among the disabled.
    pub(super) versions: BTreeMap<VersionId, PathBuf>,
    /// Names of anything else.
    pub(super) others: Vec<String>,
}

/// What a look at one version's file found.
pub(super) enum Found {
    /// The very material.
    Well(Material),
    /// Another material, or none that can be read as a key.
    Changed(String),
    /// No file.
    Gone,
}

impl<'a> Folder<'a> {
    /// The folder of `at`. No part of the way from `root` may be a symbolic link or lead up.
    pub(super) fn at(root: &Path, at: &str, codings: &'a [Coding], ids: &'a Ids) -> Result<Self, Fault> {
        let doing = || format!("look into the key folder `{}`", at.escape_debug());
        let mut path = root.to_owned();
        for part in Path::new(at).components() {
            match part {
                Component::Normal(_) | Component::RootDir => path.push(part),
                Component::CurDir => continue,
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(
                        Fault::ask_operator(doing(), "its path leads up by `..`").hint("name the folder itself")
                    );
                }
            }
            // Above a folder that is named from the root of the machine, links are the machine's own affair.
            if path.starts_with(root) && fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink()) {
                let why = format!("`{}` is a symbolic link", path.display());
                return Err(Fault::ask_operator(doing(), why).hint("name the folder that it points to"));
            }
        }
        if path == root {
            return Err(Fault::ask_operator(doing(), "a key needs a folder of its own"));
        }
        let folder = Self { path, codings, ids, run: None };
        folder.is_there().map(|_| folder)
    }

    /// Whether it is there. One that others can enter is a fault.
    pub(super) fn is_there(&self) -> Result<bool, Fault> {
        let there = private_folder(&self.path)?;
        private_folder(&self.disabled())?;
        Ok(there)
    }

    /// Where disabled versions lie.
    pub(super) fn disabled(&self) -> PathBuf {
        self.path.join(DISABLED)
    }

    /// The books; nothing where there are none.
    pub(super) fn ring(&self) -> Result<Option<Ring>, Fault> {
        let path = self.path.join(RING);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(format!("read `{}`", path.display()), &error)),
            Ok(_) => {}
        }
        let text = disk::read_private(&path)?;
        text.lend(Ring::read).map(Some).map_err(|why| Fault::ask_operator(format!("read `{}`", path.display()), why))
    }

    /// What lies there.
    pub(super) fn list(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        if self.is_there()? {
            self.list_into(&self.path, "", &mut listing)?;
        }
        if private_folder(&self.disabled())? {
            self.list_into(&self.disabled(), "disabled/", &mut listing)?;
        }
        listing.others.sort();
        Ok(listing)
    }

    fn list_into(&self, path: &Path, before: &str, listing: &mut Listing) -> Result<(), Fault> {
        let failed = |error: io::Error| Fault::io(format!("list `{}`", path.display()), &error);
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let shown = || format!("{before}{}", name.to_string_lossy().escape_debug());
            let Some(text) = name.to_str() else {
                listing.others.push(shown());
                continue;
            };
            let ours = before.is_empty() && [RING, LOCK, DISABLED].contains(&text) || is_leftover(text);
            match self.ids.of_file(text) {
                Some(id) if !listing.versions.contains_key(&id) => {
                    listing.versions.insert(id, entry.path());
                }
                _ if ours => {}
                _ => listing.others.push(shown()),
            }
        }
        Ok(())
    }

    /// Both places where a version's file may lie: where the books say, then where a crash may have left it.
    pub(super) fn places(&self, id: &VersionId) -> [PathBuf; 2] {
        let name = file_name(id);
        [self.path.join(&name), self.disabled().join(name)]
    }

    /// Reads a version's file and compares it with what the books say. A file that others can read is a fault.
    pub(super) fn find(&self, id: &VersionId, fingerprint: &Fingerprint) -> Result<Found, Fault> {
        let [main, disabled] = self.places(id);
        // A change by another process may move the file between our two looks, so the first place is looked at again.
        for path in [&main, &disabled, &main] {
            match fs::symlink_metadata(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::io(format!("read `{}`", path.display()), &error)),
                Ok(_) => {
                    return Ok(match self.read(path)? {
                        Err(why) => Found::Changed(why),
                        Ok(material) if material.fingerprint == *fingerprint => Found::Well(material),
                        Ok(_) => Found::Changed("it holds another key".to_owned()),
                    });
                }
            }
        }
        Ok(Found::Gone)
    }

    /// The material in a file, or why there is none in it.
    pub(super) fn read(&self, path: &Path) -> Result<Result<Material, String>, Fault> {
        let file = disk::read_private(path)?;
        Ok(Material::read(self.codings, &file))
    }
}

/// Whether a folder is there, and only its owner's.
fn private_folder(path: &Path) -> Result<bool, Fault> {
    let doing = || format!("look into the key folder `{}`", path.display());
    let facts = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|error| Fault::io(doing(), &error))?,
    };
    if !facts.is_dir() {
        return Err(Fault::ask_operator(doing(), "it is not a folder"));
    }
    let mode = facts.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Fault::ask_operator(doing(), format!("it is open to others than its owner (mode {mode:04o})"))
            .hint(format!("`chmod 700 {}`, and think about who could have read it", path.display())));
    }
    Ok(true)
}

/// What `disk` may leave after a crash; whoever holds the lock sweeps it.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(".keyrota-new") || name.ends_with(".keyrota-gone"))
}
