//! Changes: the document as it should be, in one write over the version that was read. Whoever loses the race reads again and
//! judges again; nothing is forced.

use crate::backend::openbao_kv::OpenbaoKv;
use crate::backend::openbao_kv::There;
use crate::backend::openbao_kv::document::Document;
use crate::backend::openbao_kv::document::Written;
use crate::backend::openbao_kv::history;
use crate::backend::openbao_kv::mark;
use crate::backend::openbao_kv::numbers;
use crate::backend::openbao_kv::set;
use crate::backend::openbao_kv::set::Piece;
use crate::backend::openbao_kv::set::Set;
use crate::fault::Fault;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::VersionId;
use crate::port::backend::Failed;
use crate::port::backend::Prepared;
use crate::port::backend::judge;
use crate::port::facts::number;
use crate::secret::Secret;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// How often a lost race is run again.
const RACES_MAX: u32 = 20;

/// Makes one change.
pub(super) fn make(
    backend: &OpenbaoKv,
    at: &str,
    change: &Change,
    prepared: Option<&Prepared>,
    now: Hour,
) -> Result<(), Failed> {
    let doing = backend.doing("change the key set in", at);
    unable(change)?;
    let mut before: Option<Key> = None;
    for _ in 0..RACES_MAX {
        let there = backend.read(at)?;
        let fresh = || There { document: Document::default(), set: set::empty(), key: Key::default() };
        let mut there = there.unwrap_or_else(fresh);
        let Some(after) = wanted(&there.key, change, now)? else {
            mark::sign(backend, at)?;
            return finish(backend, at, change, there.document.version);
        };
        if before.as_ref().is_some_and(|before| !same(before, &there.key)) {
            let why = "somebody else changed the versions while we were about to";
            return Err(Failed::refused_with(why, "look who else changes them, then plan anew"));
        }
        let jwk = made(&there.key, change, prepared)?;
        apply(backend, &doing, &mut there, change, &after, jwk.as_deref().map(String::as_str))?;
        refuse_lossy(backend, &doing, &there.document)?;
        // Signed before it is changed: a mark without a change does no harm.
        let is_there = there.document.version > 0;
        if is_there {
            mark::sign(backend, at)?;
        }
        match there.document.write(&backend.client, &backend.layout.mount, at, &doing) {
            Ok(Written::Done(version)) => {
                if !is_there {
                    mark::sign(backend, at)?;
                }
                return finish(backend, at, change, version);
            }
            Ok(Written::Lost) => before = Some(there.key),
            // The answer may have been lost on its way: what lies there tells.
            Err(fault) if fault.may_retry() => {
                let seen = backend.read(at).ok().flatten();
                let done = seen.filter(|seen| matches!(wanted(&seen.key, change, now), Ok(None)));
                let Some(done) = done else { return Err(fault.into()) };
                mark::sign(backend, at)?;
                return finish(backend, at, change, done.document.version);
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    let why = format!("somebody else wrote the document before us, {RACES_MAX} times");
    Err(Fault::retry(doing, why).hint("look who writes it all the time, and run this again").into())
}

/// What such a set cannot do, whatever it holds.
fn unable(change: &Change) -> Result<(), Failed> {
    match change {
        Change::Add { promotes: false, .. } => {
            Err(Failed::refused("the newest key of a set is the current one: none is added without becoming it"))
        }
        Change::Retire { .. } | Change::Enable { .. } => {
            Err(Failed::refused("a key set cannot disable a version: it stands in it or not"))
        }
        _ => Ok(()),
    }
}

/// The key after a change; nothing where it stands so. What ended is not there, and so has ended.
fn wanted(key: &Key, change: &Change, now: Hour) -> Result<Option<Key>, Failed> {
    match change {
        Change::Destroy { version } if key.version(version).is_none() => Ok(None),
        _ => judge(key, change, now),
    }
}

/// Whether two looks show the same versions.
fn same(one: &Key, other: &Key) -> bool {
    let short = |key: &Key| -> Vec<(VersionId, State, Option<Fingerprint>)> {
        key.versions.iter().map(|v| (v.id.clone(), v.state, v.fingerprint.clone())).collect()
    };
    short(one) == short(other)
}

/// The JWK to add.
fn made(key: &Key, change: &Change, prepared: Option<&Prepared>) -> Result<Option<Zeroizing<String>>, Failed> {
    let Change::Add { version, fingerprint, .. } = change else { return Ok(None) };
    let made = prepared.filter(|made| made.version == *version && made.fingerprint == *fingerprint);
    let material: Option<&Secret> = made.and_then(|made| made.material.as_ref());
    let Some(material) = material else { return Err(Failed::Unmade(version.clone())) };
    if key.versions.iter().any(|other| other.fingerprint == *fingerprint) {
        return Err(Failed::refused(format!("the material of version `{version}` is in the set already, as another")));
    }
    let jwk = set::jwk(version, material);
    Ok(Some(jwk.map_err(|why| Fault::report_bug("write down a version", why))?))
}

/// Makes the document what it should be.
fn apply(
    backend: &OpenbaoKv,
    doing: &str,
    there: &mut There,
    change: &Change,
    after: &Key,
    jwk: Option<&str>,
) -> Result<(), Failed> {
    let (form, layout) = (&backend.form, &backend.layout);
    let before = there.key.current().map(|version| version.id.clone());
    let own = pieces(backend, &there.set, change, jwk, true, before.as_ref());
    let own = own.ok_or_else(|| Fault::report_bug(doing, "there is nothing to change"))?;
    let raw = form.write(&there.set, &own);
    for field in &layout.alongside {
        let wrong = |why: &str| {
            Fault::ask_operator(doing, format!("field `{field}`, which gets the new version too: {why}"))
                .hint("look at the policy's `alongside`")
        };
        let theirs = match there.document.field(field) {
            Some(raw) => form.read(raw).map_err(|why| wrong(&why))?,
            None if there.document.version == 0 => set::empty(),
            None => return Err(wrong("the document has no such field").into()),
        };
        refuse_another(&there.set, &theirs, change, jwk, form).map_err(|why| wrong(&why))?;
        if let Some(pieces) = pieces(backend, &theirs, change, jwk, false, before.as_ref()) {
            there.document.put(field, form.write(&theirs, &pieces));
        }
    }
    there.document.put(&layout.versions.field, raw);
    let Some(current) = after.current() else { return Ok(()) };
    if let Some(field) = &layout.current {
        there.document.put_text(field, current.id.as_str());
    }
    for (field, template) in &layout.set {
        let n = || backend.ids.n(&current.id).or_else(|| number(&current.id));
        let text = template.fill(|name| match name {
            "current.id" => Some(Cow::Borrowed(current.id.as_str())),
            "current.n" => n().map(|n| Cow::Owned(n.to_string())),
            _ => None,
        });
        let text = text.map_err(|missing| Fault::ask_operator(doing, format!("field `{field}`: {missing}")))?;
        there.document.put_text(field, &text);
    }
    Ok(())
}

/// A set's new list; nothing where it stays as it is. In a set of others, ours moves only where ours was the newest.
fn pieces<'j>(
    backend: &OpenbaoKv,
    set: &Set,
    change: &Change,
    jwk: Option<&'j str>,
    own: bool,
    current: Option<&VersionId>,
) -> Option<Vec<Piece<'j>>> {
    let form = &backend.form;
    match change {
        Change::Add { version, .. } => {
            if set.position(version).is_some() {
                return None;
            }
            Some(form.with_newest(Piece::New(jwk?), set.without(version)))
        }
        Change::Switch { to } => {
            let at = set.position(to)?;
            let ours = form.newest(set).and_then(|entry| entry.id.as_ref()) == current;
            (own || ours).then(|| form.with_newest(Piece::Old(at), set.without(to)))
        }
        Change::Destroy { version } | Change::Discard { version } => {
            set.position(version)?;
            Some(set.without(version))
        }
        Change::Retire { .. } | Change::Enable { .. } => None,
    }
}

/// Refuses to take another's key for ours in a set of others.
fn refuse_another(own: &Set, theirs: &Set, change: &Change, jwk: Option<&str>, form: &set::Form) -> Result<(), String> {
    let id = match change {
        Change::Add { version, .. } | Change::Destroy { version } | Change::Discard { version } => version,
        Change::Switch { to } => to,
        Change::Retire { .. } | Change::Enable { .. } => return Ok(()),
    };
    let Some(there) = theirs.entry(id).and_then(|entry| entry.key.as_ref()) else { return Ok(()) };
    let made = jwk.map(|jwk| form.write(&set::empty(), &[Piece::New(jwk)])).map(|raw| form.read(&raw)).transpose()?;
    let ours = own.entry(id).or_else(|| made.as_ref().and_then(|made| made.entry(id)));
    match ours.and_then(|entry| entry.key.as_ref()) {
        Some(ours) if !ours.same(there) => Err(format!("it holds another key `{id}`")),
        _ => Ok(()),
    }
}

/// Refuses a document in which the server would not keep what is not ours.
fn refuse_lossy(backend: &OpenbaoKv, doing: &str, document: &Document) -> Result<(), Failed> {
    let lossy = backend.lossy(document);
    let Some((field, number)) = lossy else { return Ok(()) };
    let why = format!("{doing}: the server would not keep `{number}` in field `{field}` as it is");
    Err(Failed::refused_with(
        why,
        format!("write the number in `{field}` as a text, then run this again: nothing was changed"),
    ))
}

impl OpenbaoKv {
    /// The first number that a write of ours would change, and its field.
    pub(super) fn lossy(&self, document: &Document) -> Option<(String, String)> {
        let layout = &self.layout;
        let ours = |name: &str| {
            name == layout.versions.field
                || layout.current.as_deref() == Some(name)
                || layout.alongside.iter().any(|field| field == name)
                || layout.set.contains_key(name)
        };
        document.names().filter(|name| !ours(name)).find_map(|name| {
            let number = numbers::first_lost(document.field(name)?)?;
            Some((name.to_owned(), number.chars().take(40).collect()))
        })
    }
}

/// What ends a version's material for good: the document's older versions still hold it. `least` is the version of the document
/// that the change is in.
fn finish(backend: &OpenbaoKv, at: &str, change: &Change, least: u64) -> Result<(), Failed> {
    match change {
        Change::Destroy { version } => history::destroy(backend, at, version, least),
        _ => Ok(()),
    }
}
