//! The mark of the run that changed a document last, one word in its custom metadata: a home that does not know that run has
//! lost its journal, or is another's. What others keep there stays.

use crate::backend::openbao_kv::OpenbaoKv;
use crate::backend::openbao_kv::document;
use crate::fault::Fault;
use crate::openbao::Right;
use crate::openbao::json;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// The word.
const WORD: &str = "keyrota_run";

/// The run that the document's metadata names.
pub(super) fn of(custom: &BTreeMap<String, String>) -> Option<String> {
    custom.get(WORD).cloned()
}

/// Whether the mark may be set and read.
pub(super) fn fit(backend: &OpenbaoKv, at: &str, doing: &str) -> Result<(), Fault> {
    if !backend.layout.mark {
        return Ok(());
    }
    let metadata = document::path(&backend.layout.mount, "metadata", at);
    let may = backend.client.may(doing, Right::Read, &[(&metadata, &["read"])]);
    let may = may.and_then(|()| backend.client.may(doing, Right::Write, &[(&metadata, &["patch"])]));
    may.map_err(|mut fault| {
        let way = "or write `mark = false` for this backend: then a lost home is not noticed there";
        fault.hint = Some(fault.hint.map_or_else(|| way.to_owned(), |hint| format!("{hint}; {way}")));
        fault
    })
}

/// Signs a document with the run at work, where there is one.
pub(super) fn sign(backend: &OpenbaoKv, at: &str) -> Result<(), Fault> {
    let run = backend.run.lock().unwrap_or_else(PoisonError::into_inner).clone();
    run.map_or(Ok(()), |run| put(backend, at, Some(&run)))
}

/// Writes the mark of this run, or takes away whatever mark is there.
pub(super) fn put(backend: &OpenbaoKv, at: &str, run: Option<&str>) -> Result<(), Fault> {
    if !backend.layout.mark {
        return Ok(());
    }
    let doing = backend.doing("sign", at);
    let path = document::path(&backend.layout.mount, "metadata", at);
    let body = json(&doing, &serde_json::json!({ "custom_metadata": { WORD: run } }))?;
    let answer = backend.client.patch(&doing, &path, &body)?;
    if answer.is_good() { Ok(()) } else { Err(backend.client.unexpected(&doing, &path, &answer)) }
}
