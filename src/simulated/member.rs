//! One member of the fleet: what it knows of the key, by its own reading of the key folder.

use crate::disk;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::model::Hour;
use crate::secret::Secret;
use crate::simulated::app;
use crate::simulated::app::Row;
use crate::simulated::manners::Manners;
use crate::simulated::manners::Writes;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// The states in which a member takes a version, as `ring.json` writes them.
const TAKEN: [&str; 3] = ["staged", "current", "decrypt-only"];

/// A process that holds the key.
pub struct Member {
    /// Its name.
    pub name: String,
    manners: Rc<Manners>,
    versions: BTreeMap<String, Rc<LocalKey>>,
    current: Option<String>,
    /// What its pointer said when it looked last.
    pointed: Option<String>,
    /// Since when it has known each version, this time.
    since: BTreeMap<String, Hour>,
    /// What it was handed; that outlives a restart.
    hands: BTreeMap<String, Rc<LocalKey>>,
    /// What its own pointer says; so does that.
    pub(super) points: Option<String>,
    /// Whether it runs.
    pub(super) up: bool,
    /// Where it reads on.
    pub(super) at: i64,
}

impl Member {
    /// A member that knows nothing yet.
    #[must_use]
    pub fn new(name: &str, manners: Rc<Manners>) -> Self {
        Self {
            name: name.to_owned(),
            manners,
            versions: BTreeMap::new(),
            current: None,
            pointed: None,
            since: BTreeMap::new(),
            hands: BTreeMap::new(),
            points: None,
            up: true,
            at: 0,
        }
    }

    /// Forgets all that a process forgets when it ends.
    pub(super) fn end(&mut self) {
        self.versions.clear();
        (self.current, self.pointed) = (None, None);
        self.since.clear();
        self.at = 0;
    }

    /// Is handed a version, as a key file is written.
    ///
    /// # Errors
    /// It is no key.
    pub(super) fn take(&mut self, id: &str, written: &Secret) -> Result<(), Fault> {
        self.hands.insert(id.to_owned(), Rc::new(usable(written)?));
        Ok(())
    }

    /// Gives a version back.
    pub(super) fn give(&mut self, id: &str) {
        self.hands.remove(id);
    }

    /// Takes every version that it can find, and which one is current. What is not there any more is forgotten.
    ///
    /// # Errors
    /// The key folder cannot be read. What was known stays known.
    pub fn learn(&mut self, folder: &Path, now: Hour) -> Result<(), Fault> {
        let (mut versions, mut current) = (BTreeMap::new(), None);
        for (id, state, file) in ring(folder)? {
            if !TAKEN.contains(&state.as_str()) {
                continue;
            }
            if state == "current" {
                current = Some(id.clone());
            }
            if !self.manners.handed {
                versions.insert(id, Rc::new(usable(&disk::read_private(&folder.join(file))?)?));
            }
        }
        if self.manners.handed {
            versions = self.hands.clone();
        }
        if self.manners.one {
            versions.retain(|id, _| Some(id) == self.points.as_ref());
        }
        self.since.retain(|id, _| versions.contains_key(id));
        for id in versions.keys() {
            self.since.entry(id.clone()).or_insert(now);
        }
        self.versions = versions;
        self.current = current;
        self.pointed = self.points.clone();
        Ok(())
    }

    /// The versions that it knows.
    pub fn knows(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// Seals a new data key under the version that it writes under.
    ///
    /// # Errors
    /// It does not know that version.
    pub fn seal(&self, id: i64, now: Hour) -> Result<(Row, crate::digest::Digest), String> {
        let version = self.writes_under(now).ok_or("it knows of no version to write under")?;
        let key = self.versions.get(&version).ok_or_else(|| format!("it has no key of {version} to write under"))?;
        app::sealed(id, &version, key).map_err(|fault| fault.to_string())
    }

    fn writes_under(&self, now: Hour) -> Option<String> {
        match self.manners.writes {
            Writes::Current => self.current.clone(),
            Writes::Pointed => self.pointed.clone(),
            Writes::NewestAfter(fuse) => {
                // Ids of files count; the oldest is what it writes under until it has known a newer one for long enough.
                let ripe = |id: &&String| self.since.get(*id).is_some_and(|since| fuse.after(*since) <= now);
                let newest = self.versions.keys().filter(ripe).max_by_key(|id| (id.len(), *id));
                newest.or_else(|| self.versions.keys().min_by_key(|id| (id.len(), *id))).cloned()
            }
        }
    }

    /// Opens a row with the version that it names.
    ///
    /// # Errors
    /// It does not know that version, or the row does not open.
    pub fn open(&self, row: &Row) -> Result<crate::digest::Digest, String> {
        let key = self.versions.get(&row.version).ok_or_else(|| format!("it does not know {}", row.version))?;
        app::opened(row, key)
    }

    /// The version that it believes to be current.
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

/// A key from what is written in a key file.
fn usable(written: &Secret) -> Result<LocalKey, Fault> {
    let bytes = written.lend(|text| hex::decode(text));
    app::usable(&Secret::from_vec(bytes.map_err(|error| Fault::ask_operator("read a key file", error))?))
}
