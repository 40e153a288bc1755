//! Whether everything that we may be asked to do may be done: found out before the first act, and without one.

use crate::backend::openbao_kv::OpenbaoKv;
use crate::backend::openbao_kv::Reach;
use crate::backend::openbao_kv::document;
use crate::fault::Fault;
use crate::model::Act;
use crate::openbao::Right;

/// The document as it was, the one with the new version, and the one that leads back.
const KEPT_MIN: u64 = 3;

pub(super) fn fit(backend: &OpenbaoKv, at: &str, acts: &[Act]) -> Result<(), Fault> {
    let doing = backend.doing("turn keys in", at);
    let (client, layout) = (&backend.client, &backend.layout);
    let data = document::path(&layout.mount, "data", at);
    client.may(&doing, Right::Read, &[(&data, &["read"])])?;
    let there = backend.read(at)?;
    // A document that is there is updated; one that is not is created.
    let needs: &[&str] = if there.is_some() { &["update"] } else { &["create", "update"] };
    client.may(&doing, Right::Write, &[(&data, needs)])?;
    if acts.contains(&Act::Destroy) {
        // What older versions of the document keep ends with it: they are looked at, and destroyed.
        let (metadata, destroy) =
            (document::path(&layout.mount, "metadata", at), document::path(&layout.mount, "destroy", at));
        client.may(&doing, Right::Read, &[(&metadata, &["read"])])?;
        client.may(&doing, Right::Write, &[(&destroy, &["update"])])?;
    }
    if let Some(there) = &there {
        for field in &layout.alongside {
            let wrong = |why: &str| {
                Fault::ask_operator(&doing, format!("field `{field}`, which gets the new version too: {why}"))
                    .hint("look at the policy's `alongside`")
            };
            let Some(raw) = there.document.field(field) else { return Err(wrong("the document has no such field")) };
            backend.form.read(raw).map_err(|why| wrong(&why))?;
        }
        if let Some((field, number)) = backend.lossy(&there.document) {
            let why = format!("the server would not keep `{number}` in field `{field}` as it is");
            return Err(Fault::ask_operator(&doing, why)
                .hint(format!("write the number in `{field}` as a text, then run this again: nothing was changed")));
        }
    }
    room(backend, at, &doing)
}

/// Whether the history keeps what it takes to go back.
fn room(backend: &OpenbaoKv, at: &str, doing: &str) -> Result<(), Fault> {
    let reach = match backend.reach(at) {
        Ok(reach) => reach,
        // Whoever may not read the metadata cannot look; the first write keeps what was before it either way.
        Err(fault) if !fault.may_retry() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    reaches(backend, at, doing, reach)
}

/// Whether the history surely keeps what stands there now over all changes of a rotation.
pub(super) fn history(backend: &OpenbaoKv, at: &str) -> Result<(), Fault> {
    let doing = backend.doing("keep pre-images in the history of", at);
    reaches(backend, at, &doing, backend.reach(at)?)
}

fn reaches(backend: &OpenbaoKv, at: &str, doing: &str, reach: Reach) -> Result<(), Fault> {
    let metadata = document::path(&backend.layout.mount, "metadata", at);
    if reach.kept_max < KEPT_MIN {
        let why = format!("the document keeps {} of its versions, and a way back needs {KEPT_MIN}", reach.kept_max);
        return Err(Fault::ask_operator(doing, why).hint(format!("`bao write {metadata} max_versions=10`")));
    }
    if reach.deletes_itself {
        let why = "its versions are deleted after a while (`delete_version_after`), and the keys with them";
        return Err(Fault::ask_operator(doing, why).hint(format!("`bao write {metadata} delete_version_after=0s`")));
    }
    Ok(())
}
