//! Changes to a document or to its pointer: judged by what is read under the lock, written whole, and judged anew where somebody
//! else was faster.

use crate::backend::coding;
use crate::backend::document::Document;
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
    let whole = document.whole()?;
    let held = whole.hold()?;
    if judge(&document.keys(at, &whole, &held.bytes)?.key(), change, now)?.is_none() {
        return Ok(());
    }
    let Change::Add { fingerprint, .. } = change else { return Ok(()) };
    let made = prepared.filter(|made| made.version == *version && made.fingerprint == *fingerprint);
    let Some(material) = made.and_then(|made| made.material.as_ref()) else {
        return Err(Failed::Unmade(version.clone()));
    };
    let doing = || format!("write version `{version}` into `{}`", whole.path.display());
    let value = coding::encode(&document.codings, material).map_err(|why| Fault::report_bug(doing(), why))?;
    let after = held.lend(|text| {
        value.lend(|value| {
            // That it is text was found out when the backend was made.
            let value = std::str::from_utf8(value).unwrap_or_default();
            pointer::insert(whole.format, text, at, version.as_str(), value)
        })
    })?;
    Ok(held.replace(after.as_bytes())?)
}

fn remove(document: &Document, at: &str, change: &Change, version: &VersionId, now: Hour) -> Result<(), Failed> {
    let whole = document.whole()?;
    let held = whole.hold()?;
    let key = document.keys(at, &whole, &held.bytes)?.key();
    // What is not there was taken out before, by us or by hand: there are no books to tell.
    if key.version(version).is_none() {
        return Ok(());
    }
    judge(&beside(key, change), change, now)?;
    let after = held.lend(|text| pointer::remove(whole.format, text, at, version.as_str()))?;
    Ok(held.replace(after.as_bytes())?)
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
    let whole = document.whole()?;
    let Some((file, pointer)) = document.pointer(&whole)? else {
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
    let bytes = if file.is(&whole) { None } else { Some(whole.read()?) };
    let key = document.keys(at, &whole, bytes.as_ref().unwrap_or(&held.bytes))?.key();
    let Some(after) = judge(&key, change, now)? else { return Ok(()) };
    let doing = || format!("point `{}` at `{to}`", file.path.display());
    let fingerprint = after.version(to).and_then(|version| version.fingerprint.as_ref());
    let value = Facts::version(to, fingerprint).fill(&pointer.is);
    let value = value.map_err(|missing| Fault::ask_operator(doing(), missing))?;
    let text = held.lend(|text| pointer::write(file.format, text, &pointer.at, &value).map(zeroize::Zeroizing::new))?;
    Ok(held.replace(text.as_bytes())?)
}
