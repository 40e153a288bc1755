//! Versions inside a document: one table of a JSON, TOML or YAML file, an entry a version, named by its id. A pointer, in a file of
//! its own or in the document, says which is current; without one the newest is.
//!
//! The document is somebody else's: every byte that is not a version's stays, and what they change meanwhile is never written
//! over. It keeps no books: who was current when, and what ended, our journal remembers.

mod change;
mod keys;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests;
mod whole;

use crate::backend::coding;
use crate::backend::document::keys::Keys;
use crate::backend::document::whole::Whole;
use crate::backend::id::Ids;
use crate::envelope::Coding;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::model::Change;
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
    file: String,
    codings: Vec<Coding>,
    ids: Ids,
    current: Option<Pointer>,
    /// The ids that were given before, by place.
    given: Mutex<BTreeMap<String, Vec<VersionId>>>,
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
        // A key of any bytes must be writable: found out here rather than at the first rotation.
        let sample = coding::encode(codings, &Secret::from_vec(vec![0xff; 32]))?;
        if sample.lend(|bytes| std::str::from_utf8(bytes).is_err()) {
            return Err(
                "a document holds text, and raw bytes are none: write `as = \"base64\"`, as its readers do".into()
            );
        }
        Ok(Self {
            root: root.to_owned(),
            file: file.to_owned(),
            codings: codings.to_vec(),
            ids: Ids::new(id.clone())?,
            current: current.cloned(),
            given: Mutex::default(),
        })
    }

    fn whole(&self) -> Result<Whole, Fault> {
        Whole::document(&self.root, &self.file)
    }

    /// The file of the pointer, where it is another than the document.
    fn pointer(&self, whole: &Whole) -> Result<Option<(Whole, &Pointer)>, Fault> {
        let Some(pointer) = &self.current else { return Ok(None) };
        let file = Whole::settings(&self.root, pointer.file.as_str())?;
        Ok(Some((if file.is(whole) { whole.clone() } else { file }, pointer)))
    }

    /// What stands at a place, by the document's bytes.
    fn keys(&self, at: &str, whole: &Whole, bytes: &Secret) -> Result<Keys, Fault> {
        let pointed = match self.pointer(whole)? {
            None => None,
            Some((file, pointer)) if file.is(whole) => Some(file.value(bytes, &pointer.at)?),
            Some((file, pointer)) => Some(file.value(&file.read()?, &pointer.at)?),
        };
        let mut keys = Keys::read(whole, bytes, at, &self.codings, &self.ids)?;
        match (pointed, &self.current) {
            (Some(pointed), Some(pointer)) => keys.point(whole, pointer, &pointed)?,
            _ => keys.newest_is_current(),
        }
        Ok(keys)
    }

    fn now(&self, at: &str) -> Result<Keys, Fault> {
        let whole = self.whole()?;
        self.keys(at, &whole, &whole.read()?)
    }

    fn given(&self) -> MutexGuard<'_, BTreeMap<String, Vec<VersionId>>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Document {
    fn world(&self) -> Result<String, Fault> {
        Ok(format!("document {}", self.whole()?.true_name()?))
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

    fn fit(&self, at: &str) -> Result<(), Fault> {
        let whole = self.whole()?;
        self.keys(at, &whole, &whole.read()?)?;
        whole.writable()?;
        self.pointer(&whole)?.map_or(Ok(()), |(file, _)| file.writable())
    }

    fn pre_image(&self, _at: &str) -> Result<Option<Secret>, Fault> {
        self.whole()?.read().map(Some)
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        let Some(length) = coding::length(algorithm) else {
            return Err(Failed::refused_with(
                "a document holds keys of AES only",
                "declare `algorithm = \"aes-256\"`, or a backend that makes such keys",
            ));
        };
        let keys = self.now(at)?;
        let given = self.given().get(at).cloned().unwrap_or_default();
        let highest = keys.ids().chain(&given).filter_map(|id| self.ids.n(id)).max().unwrap_or(0);
        let doing = || format!("choose the next version in `{at}`");
        let version = self.ids.nth(highest.saturating_add(1)).map_err(|why| Fault::give_up(doing(), why))?;
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
