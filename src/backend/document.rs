//! Versions inside documents: in one table of a JSON, TOML or YAML file, an entry a version, named by its id; or in a document each
//! on a secrets server. A pointer, in a file of its own or in the document, says which is current; without one the newest is.
//!
//! The document is somebody else's: every byte that is not a version's stays, and what they change meanwhile is never written
//! over. It keeps no books: who was current when, and what ended, our journal remembers.

mod change;
mod keys;
#[cfg(feature = "openbao")]
mod paths;
mod table;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests;
mod whole;

#[cfg(feature = "openbao")]
pub use self::paths::Paths;

use crate::backend::coding;
use crate::backend::document::keys::Keys;
use crate::backend::document::table::Entries;
use crate::backend::document::table::OneFile;
use crate::backend::document::table::Table;
use crate::backend::document::whole::Whole;
use crate::backend::id::Ids;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::model::Act;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::VersionId;
use crate::policy::meant::Pointer;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Keys in the tables of one document.
#[derive(Debug)]
pub struct Document {
    root: PathBuf,
    table: Box<dyn Table>,
    codings: Vec<Coding>,
    ids: Ids,
    current: Option<Pointer>,
    /// The ids that were given before, by place.
    given: Mutex<BTreeMap<String, Vec<VersionId>>>,
}

/// One change to what lies at a place.
enum Edit {
    /// A new version, written down.
    Put {
        version: VersionId,
        #[cfg_attr(not(feature = "openbao"), expect(dead_code, reason = "only a table of paths is told by it"))]
        fingerprint: Option<Fingerprint>,
        value: Secret,
    },
    /// A version that ends.
    Take(VersionId),
}

impl Document {
    /// The document `file`, found from `root`, the project's folder.
    ///
    /// # Errors
    /// The id template does not count, or the coding makes no text.
    pub fn new(
        root: &Path,
        file: &str,
        codings: &[Coding],
        id: &Template,
        current: Option<&Pointer>,
    ) -> Result<Self, String> {
        let table = OneFile { root: root.to_owned(), file: file.to_owned() };
        Self::over(root, Box::new(table), codings, id, current)
    }

    /// A document each on a secrets server. The pointer's file is found from `root`, the project's folder.
    ///
    /// # Errors
    /// As [`Document::new`].
    #[cfg(feature = "openbao")]
    pub fn paths(
        root: &Path,
        paths: Paths,
        codings: &[Coding],
        id: &Template,
        current: Option<&Pointer>,
    ) -> Result<Self, String> {
        Self::over(root, Box::new(paths), codings, id, current)
    }

    fn over(
        root: &Path,
        table: Box<dyn Table>,
        codings: &[Coding],
        id: &Template,
        current: Option<&Pointer>,
    ) -> Result<Self, String> {
        // A key of any bytes must be writable: found out here rather than at the first rotation.
        let sample = coding::encode(codings, &Secret::from_vec(vec![0xff; 32]))?;
        if sample.lend(|bytes| std::str::from_utf8(bytes).is_err()) {
            return Err(
                "a document holds text, and raw bytes are none: write `as = \"base64\"`, as its readers do".into()
            );
        }
        Ok(Self {
            root: root.to_owned(),
            table,
            codings: codings.to_vec(),
            ids: Ids::new(id.clone())?,
            current: current.cloned(),
            given: Mutex::default(),
        })
    }

    /// The file of the pointer, which may be the document itself.
    fn pointer(&self, document: Option<&Whole>) -> Result<Option<(Whole, &Pointer)>, Fault> {
        let Some(pointer) = &self.current else { return Ok(None) };
        let file = Whole::settings(&self.root, pointer.file.as_str())?;
        Ok(Some((document.filter(|document| file.is(document)).cloned().unwrap_or(file), pointer)))
    }

    /// What stands at a place, by what was read there; a pointer's file that is held already is not read again.
    fn keys(&self, at: &str, entries: &Entries, held: Option<(&Whole, &Secret)>) -> Result<Keys, Fault> {
        let mut keys = Keys::read(entries, at, &self.codings, &self.ids)?;
        let document = entries.file.as_ref().map(|(whole, bytes)| (whole, bytes));
        let Some((file, pointer)) = self.pointer(document.map(|(whole, _)| whole))? else {
            keys.newest_is_current();
            return Ok(keys);
        };
        let read = [document, held].into_iter().flatten().find(|(whole, _)| whole.is(&file));
        let pointed = match read {
            Some((_, bytes)) => file.value(bytes, &pointer.at)?,
            None => file.value(&file.read()?, &pointer.at)?,
        };
        keys.point(&entries.place, pointer, &pointed)?;
        Ok(keys)
    }

    fn now(&self, at: &str) -> Result<Keys, Fault> {
        self.keys(at, &self.table.read(at, &self.ids, None)?, None)
    }

    /// The id after all that are there or were given before.
    fn next(&self, at: &str, keys: &Keys) -> Result<VersionId, Fault> {
        let given = self.given().get(at).cloned().unwrap_or_default();
        let highest = keys.named().chain(&given).filter_map(|id| self.ids.n(id)).max().unwrap_or(0);
        let doing = || format!("choose the next version in `{at}`");
        self.ids.nth(highest.saturating_add(1)).map_err(|why| Fault::give_up(doing(), why))
    }

    fn given(&self) -> MutexGuard<'_, BTreeMap<String, Vec<VersionId>>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Document {
    fn world(&self) -> Result<String, Fault> {
        self.table.world()
    }

    fn able(&self) -> Able {
        Able {
            promotes: self.current.is_none(),
            demotes: self.current.is_some(),
            disables: Disables::No,
            destroys: true,
            exports: true,
            reopens: Reopens::Local,
            fingerprints: Fingerprints::Bytes,
            marks: true,
            remembers: false,
        }
    }

    fn reserve(&self, at: &str, given: &[VersionId]) {
        self.given().insert(at.to_owned(), given.to_vec());
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        Ok(self.now(at)?.look())
    }

    fn fit(&self, at: &str, acts: &[Act]) -> Result<(), Fault> {
        let entries = self.table.read(at, &self.ids, None)?;
        let next = self.next(at, &self.keys(at, &entries, None)?)?;
        self.table.fit(&entries, at, &next, acts)?;
        self.pointer(entries.file.as_ref().map(|(whole, _)| whole))?.map_or(Ok(()), |(file, _)| file.writable())
    }

    fn pre_image(&self, at: &str) -> Result<Option<Secret>, Fault> {
        self.table.pre_image(at, &self.ids).map(Some)
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        let Some(length) = coding::length(algorithm) else {
            return Err(Failed::refused_with(
                "a document holds keys of AES only",
                "declare `algorithm = \"aes-256\"`, or a backend that makes such keys",
            ));
        };
        let version = self.next(at, &self.now(at)?)?;
        let doing = || format!("choose the next version in `{at}`");
        let material = Secret::random(length)?;
        let fingerprint = coding::fingerprint(&material).map_err(|why| Fault::report_bug(doing(), why))?;
        Ok(Prepared { version, fingerprint: Some(fingerprint), algorithm, material: Some(material) })
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        change::make(self, at, change, prepared, now)
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        Ok(self.now(at)?.take(version)?.secret)
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        let material = self.now(at)?.take(version)?;
        let encoded = coding::encode(&self.codings, &material.secret);
        encoded.map_err(|why| Fault::report_bug(format!("write down version `{version}` of `{at}`"), why).into())
    }

    fn adopt(&self, at: &str, version: &VersionId, _now: Hour) -> Result<(), Failed> {
        // There are no books to take it into: what lies there is known, and the journal says whose it is.
        self.now(at)?.take(version).map(drop)
    }
}
