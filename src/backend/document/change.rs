//! Changes to a document or to its pointer: judged by what is read under the lock, written whole, and judged anew where somebody
//! else was faster.

use crate::backend::coding;
use crate::backend::document::Document;
use crate::backend::document::Edit;
use crate::fault::Fault;
use crate::model::Change;
use crate::model::Hour;
use crate::model::Key;
use crate::model::State;
use crate::model::VersionId;
use crate::pointer;
use crate::port::backend::Failed;
use crate::port::backend::Prepared;
use crate::port::backend::judge;
use crate::port::facts::Facts;

/// So often a change begins anew because somebody else changed the file meanwhile.
const RACES_MAX: u32 = 5;

/// Makes one change.
pub(super) fn make(
    document: &Document,
    at: &str,
    change: &Change,
    prepared: Option<&Prepared>,
    now: Hour,
) -> Result<(), Failed> {
    refuse_unable(document, change)?;
    for _ in 1..RACES_MAX {
        match once(document, at, change, prepared, now) {
            Err(Failed::Fault(fault)) if fault.may_retry() => {}
            other => return other,
        }
    }
    once(document, at, change, prepared, now)
}

fn once(document: &Document, at: &str, change: &Change, prepared: Option<&Prepared>, now: Hour) -> Result<(), Failed> {
    match change {
        Change::Add { version, .. } => add(document, at, change, (version, prepared), now),
        Change::Switch { to } => switch(document, at, change, to, now),
        Change::Discard { version } | Change::Destroy { version } => remove(document, at, change, version, now),
        Change::Retire { .. } | Change::Enable { .. } => Err(cannot_disable()),
    }
}

fn refuse_unable(document: &Document, change: &Change) -> Result<(), Failed> {
    match change {
        Change::Add { promotes, .. } if *promotes != document.current.is_none() => {
            let why = if *promotes { "its pointer says which is current" } else { "its newest version is current" };
            Err(Fault::report_bug("add a version to a document", why).into())
        }
        Change::Add { version, .. } if document.ids.n(version).is_none() => {
            Err(Failed::refused(format!("`{version}` is not an id of the form `{}`", document.ids.as_str())))
        }
        Change::Retire { .. } | Change::Enable { .. } => Err(cannot_disable()),
        _ => Ok(()),
    }
}

fn cannot_disable() -> Failed {
    let hint = "a version is readable until it is taken out of the document, by a plan that destroys it";
    Failed::refused_with("a document cannot disable a version", hint)
}

fn add(
    document: &Document,
    at: &str,
    change: &Change,
    (version, prepared): (&VersionId, Option<&Prepared>),
    now: Hour,
) -> Result<(), Failed> {
    let Change::Add { fingerprint, .. } = change else { return Ok(()) };
    document.table.edit(at, &document.ids, &mut |entries| {
        if judge(&document.keys(at, entries, None)?.key(), change, now)?.is_none() {
            return Ok(None);
        }
        let made = prepared.filter(|made| made.version == *version && made.fingerprint == *fingerprint);
        let Some(material) = made.and_then(|made| made.material.as_ref()) else {
            return Err(Failed::Unmade(version.clone()));
        };
        let doing = || format!("write version `{version}` into `{}`", entries.place);
        let value = coding::encode(&document.codings, material).map_err(|why| Fault::report_bug(doing(), why))?;
        Ok(Some(Edit::Put { version: version.clone(), fingerprint: fingerprint.clone(), value }))
    })
}

fn remove(document: &Document, at: &str, change: &Change, version: &VersionId, now: Hour) -> Result<(), Failed> {
    document.table.edit(at, &document.ids, &mut |entries| {
        let keys = document.keys(at, entries, None)?;
        let key = keys.key();
        if key.version(version).is_none() {
            // What is not there was taken out before, by us or by hand: there are no books to tell. What somebody could bring
            // back has not ended.
            return Ok(keys.is_deleted(version).then(|| Edit::Take(version.clone())));
        }
        judge(&beside(key, change), change, now)?;
        Ok(Some(Edit::Take(version.clone())))
    })
}

/// Whether a version that is not current ever was, a document cannot tell: whoever asks knows.
fn beside(mut key: Key, change: &Change) -> Key {
    let (id, from) = match change {
        Change::Discard { version } => (version, State::Staged),
        Change::Destroy { version } => (version, State::DecryptOnly),
        _ => return key,
    };
    for version in key.versions.iter_mut().filter(|version| version.id == *id && version.state != State::Current) {
        version.state = from;
    }
    key
}

fn switch(document: &Document, at: &str, change: &Change, to: &VersionId, now: Hour) -> Result<(), Failed> {
    // The document's own file, where the pointer stands in it: then it is held as a document is.
    let entries = document.table.read(at, &document.ids, None)?;
    let Some((file, pointer)) = document.pointer(entries.file.as_ref().map(|(whole, _)| whole))? else {
        let keys = document.now(at)?;
        return match judge(&keys.key(), change, now)? {
            None => Ok(()),
            Some(_) => Err(Failed::refused_with(
                "the newest version of this document is the current one",
                "declare where the current one is named: `current = { file, at }`",
            )),
        };
    };
    let held = file.hold()?;
    let held_file = Some((&file, &held.bytes));
    let entries = document.table.read(at, &document.ids, held_file)?;
    let key = document.keys(at, &entries, held_file)?.key();
    let Some(after) = judge(&key, change, now)? else { return Ok(()) };
    let doing = || format!("point `{}` at `{to}`", file.path.display());
    let fingerprint = after.version(to).and_then(|version| version.fingerprint.as_ref());
    let value = Facts::version(to, fingerprint).fill(&pointer.is);
    let value = value.map_err(|missing| Fault::ask_operator(doing(), missing))?;
    let text = held.lend(|text| pointer::write(file.format, text, &pointer.at, &value).map(zeroize::Zeroizing::new))?;
    Ok(held.replace(text.as_bytes())?)
}
