//! What the engine itself remembers of a document: its older versions, and when each was written. Since when a key was there,
//! and since when it was current, stands nowhere else.

use crate::backend::openbao_kv::OpenbaoKv;
use crate::backend::openbao_kv::There;
use crate::backend::openbao_kv::document;
use crate::backend::openbao_kv::document::Document;
use crate::backend::openbao_kv::document::Found;
use crate::backend::openbao_kv::mark;
use crate::fault::Fault;
use crate::model::Hour;
use crate::model::Key;
use crate::model::VersionId;
use crate::openbao::Client;
use crate::openbao::json;
use crate::port::backend::Failed;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

/// How many older versions are looked at.
const LOOKED_AT_MAX: usize = 64;
/// How many versions an engine keeps that says nothing about it.
const KEPT_BY_DEFAULT: u64 = 10;

/// What was seen of older versions, which never change.
#[derive(Default)]
pub(super) struct History(Mutex<BTreeMap<(String, u64), Option<Seen>>>);

/// The keys of one version of a document.
#[derive(Debug, Clone)]
struct Seen {
    created: Hour,
    ids: Vec<VersionId>,
    current: Option<VersionId>,
}

/// How far back a document's history reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How many versions are kept.
    pub kept_max: u64,
    /// The newest version; 0 where there is no document.
    pub newest: u64,
    /// The oldest version that can still be read.
    pub oldest: u64,
    /// When that was written.
    pub oldest_written: Option<Hour>,
    /// Whether versions are deleted after a while.
    pub deletes_itself: bool,
}

#[derive(Default, serde::Deserialize)]
struct Metadata {
    #[serde(default)]
    current_version: u64,
    #[serde(default)]
    max_versions: u64,
    #[serde(default)]
    delete_version_after: String,
    /// What people, and we, keep beside a document.
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    versions: BTreeMap<String, Of>,
}

#[derive(serde::Deserialize)]
struct Of {
    created_time: String,
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

impl Of {
    fn is_there(&self) -> bool {
        self.deletion_time.is_empty() && !self.destroyed
    }
}

#[derive(serde::Deserialize)]
struct Reply {
    data: Metadata,
}

impl Metadata {
    /// Every version by its number.
    fn numbered(&self) -> BTreeMap<u64, &Of> {
        self.versions.iter().filter_map(|(n, of)| Some((n.parse().ok()?, of))).collect()
    }
}

/// The metadata of a document; nothing where there is none.
fn metadata(client: &Client, mount: &str, at: &str, doing: &str) -> Result<Option<Metadata>, Fault> {
    let path = document::path(mount, "metadata", at);
    let answer = client.get(doing, &path)?;
    match answer.status {
        200..=299 => Ok(Some(answer.json::<Reply>(doing)?.data)),
        _ if answer.is_nothing() => Ok(None),
        _ => Err(client.unexpected(doing, &path, &answer)),
    }
}

/// How far back a document's history reaches.
pub(in crate::backend) fn reach(client: &Client, mount: &str, at: &str, doing: &str) -> Result<Reach, Fault> {
    let metadata = metadata(client, mount, at, doing)?.unwrap_or_default();
    let path = format!("{}/config", mount.trim_matches('/'));
    // The engine's own setting; whoever may not read it is told of the default.
    let engine = client.get(doing, &path).ok().filter(crate::openbao::Answer::is_good);
    let engine = engine.and_then(|answer| answer.json::<Reply>(doing).ok()).map(|reply| reply.data).unwrap_or_default();
    let kept = [metadata.max_versions, engine.max_versions].into_iter().find(|max| *max > 0);
    let deletes = |text: &str| !matches!(text, "" | "0s" | "0");
    let numbered = metadata.numbered();
    let oldest = numbered.iter().find(|(_, of)| of.is_there());
    Ok(Reach {
        kept_max: kept.unwrap_or(KEPT_BY_DEFAULT),
        newest: metadata.current_version,
        oldest: oldest.map_or(0, |(n, _)| *n),
        oldest_written: oldest.and_then(|(_, of)| of.created_time.parse().ok()),
        deletes_itself: deletes(&metadata.delete_version_after) || deletes(&engine.delete_version_after),
    })
}

impl History {
    /// Writes down since when each version has been there and current, as far as the history tells. Says which run signed the
    /// document.
    pub(super) fn date(
        &self,
        backend: &OpenbaoKv,
        at: &str,
        document: &Document,
        key: &mut Key,
    ) -> Result<Option<String>, Fault> {
        let doing = backend.doing("read the history of", at);
        let metadata = match metadata(&backend.client, &backend.layout.mount, at, &doing) {
            Ok(metadata) => metadata.unwrap_or_default(),
            // Dates are worth having and not worth stopping for: who may not read them is judged by what the ids tell.
            Err(fault) if !fault.may_retry() => Metadata::default(),
            Err(fault) => return Err(fault),
        };
        // Newest first, without a gap: what lies before a gap says nothing about when a key came.
        let mut line: Vec<Seen> = Vec::new();
        let mut whole = false;
        for (n, of) in metadata.numbered().into_iter().rev().filter(|(n, _)| *n <= document.version).take(LOOKED_AT_MAX)
        {
            let Some(seen) = self.seen(backend, at, (n, of), document, key, &doing)? else { break };
            line.push(seen);
            whole = n == 1;
        }
        for version in &mut key.versions {
            let born = first(&line, whole, |seen| seen.ids.contains(&version.id));
            version.born = born.or_else(|| backend.ids.made(&version.id));
            version.current_since = first(&line, whole, |seen| seen.current.as_ref() == Some(&version.id));
        }
        Ok(metadata.custom_metadata.as_ref().and_then(mark::of))
    }

    fn seen(
        &self,
        backend: &OpenbaoKv,
        at: &str,
        (n, of): (u64, &Of),
        document: &Document,
        key: &Key,
        doing: &str,
    ) -> Result<Option<Seen>, Fault> {
        let Some(created) = of.created_time.parse().ok().filter(|_| of.is_there()) else { return Ok(None) };
        if n == document.version {
            return Ok(Some(Seen::of(key, created)));
        }
        let place = (at.to_owned(), n);
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(known.clone());
        }
        let read = document::read(&backend.client, &backend.layout.mount, at, doing, Some(n))?;
        // An older version that makes no sense to us says nothing.
        let seen = read.and_then(|older| {
            let set = backend.form.read(older.field(&backend.layout.versions.field)?).ok()?;
            backend.key(doing, &older, &set).ok().map(|key| Seen::of(&key, created))
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, seen.clone());
        Ok(seen)
    }
}

impl Seen {
    fn of(key: &Key, created: Hour) -> Self {
        let ids = key.versions.iter().map(|version| version.id.clone()).collect();
        Self { created, ids, current: key.current().map(|version| version.id.clone()) }
    }
}

/// When something first held, in a line from the newest to the oldest: known only where the one before it is there to be seen.
fn first(line: &[Seen], whole: bool, holds: impl Fn(&Seen) -> bool) -> Option<Hour> {
    let at = line.iter().rposition(holds)?;
    let before_is_known = at.saturating_add(1) < line.len() || whole;
    line.get(at).filter(|_| before_is_known).map(|seen| seen.created)
}

/// Destroys the versions of the document that still hold a key which is in the set no more, since version `least` of it.
pub(super) fn destroy(backend: &OpenbaoKv, at: &str, version: &VersionId, least: u64) -> Result<(), Failed> {
    let doing = backend.doing("destroy what older versions keep in", at);
    let mount = &backend.layout.mount;
    // A node that lags behind shows an older document, and would have us believe that nothing older holds the key.
    let there = backend.read(at)?.filter(|there| there.document.version >= least && there.set.entry(version).is_none());
    let metadata = metadata(&backend.client, mount, at, &doing)?.filter(|metadata| metadata.current_version >= least);
    let (Some(now), Some(metadata)) = (there, metadata) else {
        let why =
            format!("the document is not read as it was written: version {least} or a later one, without `{version}`");
        return Err(Fault::retry(doing, why).hint("run this again; or let `addr` lead to the active node").into());
    };
    let mut hold = Vec::new();
    for (n, of) in metadata.numbered() {
        if !of.destroyed && n < now.document.version && holds(backend, (at, n), version, &now, &doing)? {
            hold.push(n);
        }
    }
    if hold.is_empty() {
        return Ok(());
    }
    let path = document::path(mount, "destroy", at);
    let body = json(&doing, &serde_json::json!({ "versions": hold }))?;
    let answer = backend.client.put(&doing, &path, &body)?;
    match answer.is_good() {
        true => Ok(()),
        false => Err(backend.client.unexpected(&doing, &path, &answer).into()),
    }
}

/// Whether version `n` of the document holds the key, and no other that would end with it.
fn holds(
    backend: &OpenbaoKv,
    (at, n): (&str, u64),
    version: &VersionId,
    now: &There,
    doing: &str,
) -> Result<bool, Failed> {
    let mount = &backend.layout.mount;
    let older = match document::find(&backend.client, mount, at, doing, Some(n))? {
        Found::There(older) => older,
        Found::Gone { destroyed: true, .. } => return Ok(false),
        Found::Gone { .. } => {
            let why = format!(
                "version {n} of the document is deleted and cannot be looked into: it may hold this key, or the only copy of another"
            );
            let hint = format!(
                "bring it back with `bao kv undelete -mount={mount} -versions={n} {at}`, or end it by hand with \
                 `bao kv destroy -mount={mount} -versions={n} {at}`, then run this again"
            );
            return Err(Failed::refused_with(why, hint));
        }
        Found::Nothing => {
            let fault = Fault::retry(doing, format!("version {n} of the document is listed and cannot be found"));
            return Err(fault.hint("run this again; or let `addr` lead to the active node").into());
        }
    };
    let fields = std::iter::once(&backend.layout.versions.field).chain(&backend.layout.alongside);
    let sets: Vec<_> = fields.filter_map(|field| backend.form.read(older.field(field)?).ok()).collect();
    if sets.iter().all(|set| set.entry(version).is_none()) {
        return Ok(false);
    }
    let ids = sets.iter().flat_map(|set| &set.entries).filter_map(|entry| entry.id.as_ref());
    let mut others = ids.filter(|id| *id != version && now.set.entry(id).is_none());
    match others.find(|id| !alongside_holds(backend, &now.document, id)) {
        None => Ok(true),
        Some(only) => {
            let why = format!("version {n} of the document also holds key `{only}`, which is nowhere else");
            Err(Failed::refused_with(why, "put that key back, or destroy it by a plan of its own first"))
        }
    }
}

fn alongside_holds(backend: &OpenbaoKv, document: &Document, id: &VersionId) -> bool {
    let sets = backend.layout.alongside.iter().filter_map(|field| backend.form.read(document.field(field)?).ok());
    sets.into_iter().any(|set| set.entry(id).is_some())
}
