//! A key set in one document of a KV version 2 engine: every version a JWK in one field, the newest at its end of the set,
//! beside it the fields that name the current one. The document is all there is: no books of ours, and nothing of it is
//! touched that the policy does not name. Every change is one write, by check-and-set on the document's version.

mod change;
pub(in crate::backend) mod document;
pub(in crate::backend) mod fit;
pub(in crate::backend) mod history;
mod ids;
mod mark;
mod numbers;
mod order;
mod set;

pub use self::history::Reach;

use crate::backend::openbao_kv::document::Document;
use crate::backend::openbao_kv::history::History;
use crate::backend::openbao_kv::ids::Ids;
use crate::backend::openbao_kv::set::Entry;
use crate::backend::openbao_kv::set::Form;
use crate::backend::openbao_kv::set::Set;
use crate::fault::Fault;
use crate::inventory::Able;
use crate::inventory::Disables;
use crate::inventory::Fingerprints;
use crate::inventory::Reopens;
use crate::model::Act;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::Span;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::openbao::Client;
use crate::policy::meant::backend::KeySet;
use crate::policy::meant::key::Algorithm;
use crate::port::backend::Backend;
use crate::port::backend::Failed;
use crate::port::backend::Look;
use crate::port::backend::Prepared;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

/// What the policy says of the documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The engine's mount.
    pub mount: String,
    /// Which field holds the versions, and how.
    pub versions: KeySet,
    /// Fields that hold key sets of others and get the new version too.
    pub alongside: Vec<String>,
    /// The field that names the current version.
    pub current: Option<String>,
    /// Further fields to write with a new current version.
    pub set: BTreeMap<String, Template>,
    /// How a version's id is made.
    pub id: Template,
    /// Whether a document is signed with the run that changed it last, so that a lost home is noticed.
    pub mark: bool,
}

/// Key sets in documents.
pub struct OpenbaoKv {
    name: String,
    client: Client,
    layout: Layout,
    form: Form,
    ids: Ids,
    history: History,
    /// The run at work.
    run: Mutex<Option<String>>,
    given: Mutex<BTreeMap<String, Vec<VersionId>>>,
}

/// A document that was read, with what its own field holds.
struct There {
    document: Document,
    set: Set,
    key: Key,
}

impl OpenbaoKv {
    /// Key sets that the policy calls `name`, on the server that `client` asks.
    ///
    /// # Errors
    /// The policy asks for a form that a key set cannot have.
    pub fn new(name: &str, client: Client, layout: Layout) -> Result<Self, Fault> {
        let doing = format!("use backend `{name}`");
        let form = Form::new(&layout.versions).map_err(|why| Fault::ask_operator(&doing, why))?;
        let ids = Ids::new(layout.id.clone()).map_err(|why| Fault::ask_operator(&doing, why))?;
        let name = name.to_owned();
        let (history, run, given) = (History::default(), Mutex::default(), Mutex::default());
        Ok(Self { name, client, layout, form, ids, history, run, given })
    }

    fn doing(&self, what: &str, at: &str) -> String {
        format!("{what} `{at}` of backend `{}`", self.name)
    }

    /// Reads the document and what it holds; nothing where there is none yet.
    fn read(&self, at: &str) -> Result<Option<There>, Fault> {
        let doing = self.doing("read the key set in", at);
        let Some(document) = document::read(&self.client, &self.layout.mount, at, &doing, None)? else {
            return Ok(None);
        };
        let field = &self.layout.versions.field;
        let Some(raw) = document.field(field) else {
            let fields: Vec<String> = document.names().map(|name| format!("`{name}`")).collect();
            let why = format!("the document has no field `{field}`, but {}", fields.join(", "));
            return Err(Fault::ask_operator(doing, why).hint("look at the policy's `versions` and the key's `at`"));
        };
        let wrong = |why: String| Fault::ask_operator(&doing, format!("field `{field}`: {why}"));
        let set = self.form.read(raw).map_err(wrong)?;
        let key = self.key(&doing, &document, &set)?;
        Ok(Some(There { document, set, key }))
    }

    /// The versions of a set; the newest is current, and where a field says so as well, both say the same.
    fn key(&self, doing: &str, document: &Document, set: &Set) -> Result<Key, Fault> {
        let mut versions: Vec<Version> = Vec::new();
        let newest = self.form.newest(set).and_then(|entry| entry.id.clone());
        if let Some(field) = &self.layout.current {
            let named =
                document.text(field).map_err(|why| Fault::ask_operator(doing, format!("field `{field}`: {why}")))?;
            let named = named.as_ref().map(|text| text.as_str());
            if named != newest.as_ref().map(VersionId::as_str) {
                let show = |id: Option<&str>| id.map_or("nothing".to_owned(), |id| format!("`{}`", id.escape_debug()));
                let why = format!(
                    "`{field}` names {}, and the newest in `{}` is {}: which one is current?",
                    show(named),
                    self.layout.versions.field,
                    show(newest.as_ref().map(VersionId::as_str))
                );
                return Err(Fault::ask_operator(doing, why)
                    .hint(format!("somebody was cut off in the middle of a change: make the two agree, the right version {} and named by `{field}`", self.form.place())));
            }
        }
        // Oldest first, as far as the set's own order tells.
        for (id, entry) in self.form.oldest_first(set).filter_map(|entry| Some((entry.id.as_ref()?, entry))) {
            if versions.iter().any(|version| version.id == *id) {
                let why = format!("there are two keys `{id}` in field `{}`", self.layout.versions.field);
                return Err(Fault::ask_operator(doing, why).hint("take out the one that is not used"));
            }
            let state = if Some(id) == newest.as_ref() { State::Current } else { State::DecryptOnly };
            versions.push(Version { fingerprint: fingerprint(doing, entry)?, ..Version::new(id.clone(), state) });
        }
        order::by_age(&mut versions, &self.ids);
        Ok(Key { versions })
    }

    fn entry(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        let there = self.read(at)?;
        let entry = there.as_ref().and_then(|there| there.set.entry(version));
        let key = entry.and_then(|entry| entry.key.as_ref());
        let key = key.ok_or_else(|| Failed::refused(format!("there is no version `{version}` in `{at}`")))?;
        Ok(Secret::from_vec(key.lend(<[u8]>::to_vec)))
    }

    /// How far back the document's own history reaches.
    ///
    /// # Errors
    /// The server cannot be asked, or we may not.
    pub fn reach(&self, at: &str) -> Result<Reach, Fault> {
        history::reach(&self.client, &self.layout.mount, at, &self.doing("read the history of", at))
    }
}

fn fingerprint(doing: &str, entry: &Entry) -> Result<Option<Fingerprint>, Fault> {
    let print = entry.key.as_ref().map(|key| key.fingerprint().hex().parse());
    print.transpose().map_err(|bad| Fault::report_bug(doing, bad))
}

impl Backend for OpenbaoKv {
    fn world(&self) -> Result<String, Fault> {
        self.client.world(&self.layout.mount)
    }

    fn able(&self) -> Able {
        Able {
            promotes: true,
            demotes: true,
            disables: Disables::No,
            destroys: true,
            exports: true,
            reopens: Reopens::Local,
            fingerprints: Fingerprints::Bytes,
            marks: true,
            remembers: false,
        }
    }

    fn sign_as(&self, run: &str) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.to_owned());
    }

    fn reserve(&self, at: &str, given: &[VersionId]) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(at.to_owned(), given.to_vec());
    }

    fn look(&self, at: &str) -> Result<Look, Fault> {
        let Some(There { document, set, mut key }) = self.read(at)? else { return Ok(Look::default()) };
        let run = self.history.date(self, at, &document, &mut key)?.filter(|_| self.layout.mark);
        let mut look = Look { key, run, ..Look::default() };
        for (n, entry) in set.entries.iter().enumerate() {
            match (&entry.id, &entry.key) {
                (Some(id), Some(key)) => {
                    let algorithm = set::algorithm(key).map(|(algorithm, _)| algorithm);
                    look.algorithms.extend(algorithm.map(|algorithm| (id.clone(), algorithm)));
                }
                _ => look.unknown_files.push(format!(
                    "entry {} of `{}`",
                    n.saturating_add(1),
                    self.layout.versions.field
                )),
            }
        }
        Ok(look)
    }

    fn fit(&self, at: &str, acts: &[Act]) -> Result<(), Fault> {
        fit::fit(self, at, acts)
    }

    fn history(&self, at: &str, keep: Span, now: Hour) -> Result<(), Fault> {
        fit::history(self, at, keep, now)
    }

    fn prepare(&self, at: &str, algorithm: Algorithm) -> Result<Prepared, Failed> {
        let length = match algorithm {
            Algorithm::Aes128 => 16,
            Algorithm::Aes256 => 32,
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                return Err(Failed::refused_with(
                    "a key set of this kind holds keys of AES only",
                    "declare `algorithm = \"aes-256\"`, or a backend that makes such keys",
                ));
            }
        };
        let doing = self.doing("choose the next version in", at);
        let there = self.read(at)?.map(|there| there.key.versions).unwrap_or_default();
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).get(at).cloned().unwrap_or_default();
        let used = there.iter().map(|version| &version.id).chain(&given);
        let version = self.ids.next(&doing, used)?;
        let material = Secret::random(length)?;
        let print = material.fingerprint().hex().parse().map_err(|bad| Fault::report_bug(&doing, bad))?;
        Ok(Prepared { version, fingerprint: Some(print), algorithm, material: Some(material) })
    }

    fn change(&self, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
        change::make(self, at, change, prepared, now)
    }

    fn material(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        self.entry(at, version)
    }

    fn encoded(&self, at: &str, version: &VersionId) -> Result<Secret, Failed> {
        let key = self.entry(at, version)?;
        let jwk = set::jwk(version, &key);
        let mut jwk = jwk.map_err(|why| Fault::report_bug(self.doing("write down a version of", at), why))?;
        Ok(Secret::from_vec(std::mem::take(&mut *jwk).into_bytes()))
    }

    fn adopt(&self, at: &str, version: &VersionId, _now: Hour) -> Result<(), Failed> {
        // There are no books to take it into: that it stands in the set is all there is to know. The mark of a run that nobody
        // knows any more ends here.
        self.entry(at, version)?;
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(mark::put(self, at, run.as_deref())?)
    }
}
