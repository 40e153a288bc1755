//! One member of the fleet: what it knows of the key, by its own reading of the key folder.

use crate::disk;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::secret::Secret;
use crate::simulated::app;
use crate::simulated::app::Row;
use std::collections::BTreeMap;
use std::path::Path;

/// The states in which a member takes a version, as `ring.json` writes them.
const TAKEN: [&str; 3] = ["staged", "current", "decrypt-only"];

/// A process that holds the key.
pub struct Member {
    /// Its name.
    pub name: String,
    versions: BTreeMap<String, LocalKey>,
    current: Option<String>,
    /// Where it reads on.
    pub(super) at: i64,
}

impl Member {
    /// A member that knows nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), versions: BTreeMap::new(), current: None, at: 0 }
    }

    /// Reads the key folder: every version that is in use, and which one is current. What is not there any more is forgotten.
    ///
    /// # Errors
    /// The folder cannot be read. What was known stays known.
    pub fn learn(&mut self, folder: &Path) -> Result<(), Fault> {
        let (mut versions, mut current) = (BTreeMap::new(), None);
        for (id, state, file) in ring(folder)? {
            if !TAKEN.contains(&state.as_str()) {
                continue;
            }
            if state == "current" {
                current = Some(id.clone());
            }
            versions.insert(id, key(&folder.join(file))?);
        }
        self.versions = versions;
        self.current = current;
        Ok(())
    }

    /// Seals a new data key under what it believes to be current.
    ///
    /// # Errors
    /// It knows of no current version.
    pub fn seal(&self, id: i64) -> Result<(Row, crate::digest::Digest), String> {
        let version = self.current.as_deref().ok_or("it knows of no current version")?;
        let key = self.versions.get(version).ok_or("it has no key of the current version")?;
        app::sealed(id, version, key).map_err(|fault| fault.to_string())
    }

    /// Opens a row with the version that it names.
    ///
    /// # Errors
    /// It does not know that version, or the row does not open.
    pub fn open(&self, row: &Row) -> Result<crate::digest::Digest, String> {
        let key = self.versions.get(&row.version).ok_or_else(|| format!("it does not know {}", row.version))?;
        app::opened(row, key)
    }

    /// The version that it seals under.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }
}

/// Id, state and file of every version in the books.
fn ring(folder: &Path) -> Result<Vec<(String, String, String)>, Fault> {
    let path = folder.join("ring.json");
    let doing = || format!("read `{}`", path.display());
    let text = disk::read_private(&path)?;
    let ring: serde_json::Value =
        text.lend(|text| serde_json::from_slice(text)).map_err(|error| Fault::ask_operator(doing(), error))?;
    let versions = ring.get("versions").and_then(|versions| versions.as_array());
    let versions = versions.ok_or_else(|| Fault::ask_operator(doing(), "it has no versions"))?;
    let word = |version: &serde_json::Value, name: &str| version.get(name)?.as_str().map(str::to_owned);
    // A version that is destroyed has no file any more.
    let whole = |version| Some((word(version, "id")?, word(version, "state")?, word(version, "file")?));
    Ok(versions.iter().filter_map(whole).collect())
}

fn key(path: &Path) -> Result<LocalKey, Fault> {
    let text = disk::read_private(path)?;
    let bytes = text.lend(|text| hex::decode(text));
    app::usable(&Secret::from_vec(bytes.map_err(|error| Fault::ask_operator("read a key file", error))?))
}
