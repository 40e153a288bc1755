//! Whether everything that we may be asked to do may be done: found out before the first act, and without one.

use crate::backend::openbao_kv::OpenbaoKv;
use crate::backend::openbao_kv::Reach;
use crate::backend::openbao_kv::document;
use crate::backend::openbao_kv::mark;
use crate::fault::Fault;
use crate::model::Act;
use crate::model::Hour;
use crate::model::Span;
use crate::openbao::Client;
use crate::openbao::Right;
use std::collections::BTreeMap;

/// The document as it was, the one with the new version, and the one that leads back.
const KEPT_MIN: u64 = 3;

pub(super) fn fit(backend: &OpenbaoKv, at: &str, acts: &[Act]) -> Result<(), Fault> {
    let doing = backend.doing("turn keys in", at);
    let (client, layout) = (&backend.client, &backend.layout);
    versioned(client, &layout.mount, &doing)?;
    let data = document::path(&layout.mount, "data", at);
    client.may(&doing, Right::Read, &[(&data, &["read"])])?;
    let there = backend.read(at)?;
    // A document that is there is updated; one that is not is created.
    let needs: &[&str] = if there.is_some() { &["update"] } else { &["create", "update"] };
    client.may(&doing, Right::Write, &[(&data, needs)])?;
    if there.is_some() || acts.contains(&Act::Add) {
        mark::fit(backend, at, &doing)?;
    }
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

/// Whether the engine is one of version 2, where it says so: one of version 1 would take what we write for something else.
pub(in crate::backend) fn versioned(client: &Client, mount: &str, doing: &str) -> Result<(), Fault> {
    #[derive(serde::Deserialize)]
    struct Reply {
        data: Engine,
    }
    #[derive(serde::Deserialize)]
    struct Engine {
        #[serde(default, rename = "type")]
        kind: String,
        #[serde(default)]
        options: Option<BTreeMap<String, String>>,
    }
    let answer = match client.get(doing, &format!("sys/internal/ui/mounts/{}", mount.trim_matches('/'))) {
        Ok(answer) if answer.is_good() => answer,
        // Not everybody is told; a first look at the document tells too, where there is one.
        Ok(_) => return Ok(()),
        Err(fault) if !fault.may_retry() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let Engine { kind, options } = answer.json::<Reply>(doing)?.data;
    let version = options.unwrap_or_default().remove("version");
    let old = matches!(kind.as_str(), "kv" | "generic") && version.is_none_or(|version| version != "2");
    if old { Err(document::not_versioned(doing, mount)) } else { Ok(()) }
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

/// Whether the history surely keeps what stands there now for so long, over all changes of a rotation and those of others.
pub(super) fn history(backend: &OpenbaoKv, at: &str, keep: Span, now: Hour) -> Result<(), Fault> {
    let doing = backend.doing("keep pre-images in the history of", at);
    let reach = backend.reach(at)?;
    reaches(backend, at, &doing, reach)?;
    // Where versions fall out of it already, it reaches as far into the future as it does into the past: others write too.
    let Some(oldest) = reach.oldest_written.filter(|_| reach.oldest > 1) else { return Ok(()) };
    let reached = Span::between(oldest, now);
    if reached >= keep {
        return Ok(());
    }
    let metadata = document::path(&backend.layout.mount, "metadata", at);
    let kept = reach.kept_max;
    let why = format!(
        "others write it so often that its {kept} versions reach back {reached} only, and {keep} are to be kept"
    );
    let more = kept.saturating_mul(10);
    let hint =
        format!("`bao write {metadata} max_versions={more}`, or `pre_images = {{ to = \"age:NAME\", keep = \"..\" }}`");
    Err(Fault::ask_operator(doing, why).hint(hint))
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
