//! From a backend as the policy means it to the adapter that this build has for it.

use crate::backend::document::Document;
#[cfg(feature = "openbao")]
use crate::backend::document::Paths;
use crate::backend::file::KeyFiles;
#[cfg(feature = "openbao")]
use crate::backend::openbao_kv::Layout;
#[cfg(feature = "openbao")]
use crate::backend::openbao_kv::OpenbaoKv;
#[cfg(feature = "openbao")]
use crate::backend::openbao_transit::OpenbaoTransit;
use crate::fault::Fault;
use crate::model::Name;
#[cfg(feature = "openbao")]
use crate::openbao::Client;
use crate::policy::meant::Backend as Meant;
use crate::policy::meant::backend::DocumentPlace;
use crate::port::backend::Backend;
use crate::port::probe::Secrets;
use std::path::Path;
use std::sync::Arc;

#[cfg_attr(not(feature = "openbao"), expect(unused_variables, reason = "only servers ask for a secret"))]
/// The adapter; nothing where this build has none.
pub(super) fn backend(
    folder: &Path,
    name: &Name,
    meant: &Meant,
    secrets: &Arc<dyn Secrets>,
) -> Result<Option<Box<dyn Backend>>, Fault> {
    Ok(match meant {
        Meant::File { codings, id } => {
            let files = KeyFiles::new(folder, codings, id);
            Some(Box::new(files.map_err(|why| Fault::ask_operator(format!("use backend `{name}`"), why))?))
        }
        Meant::Document { place: DocumentPlace::File(file), codings, id, current } => {
            let document = Document::new(folder, file, codings, id, current.as_ref());
            Some(Box::new(document.map_err(|why| Fault::ask_operator(format!("use backend `{name}`"), why))?))
        }
        #[cfg(feature = "openbao")]
        Meant::Document { place: DocumentPlace::Paths(at), codings, id, current } => {
            let shown = format!("backend `{name}`");
            let secrets = Arc::clone(secrets);
            let client = Client::new(&shown, &at.addr, at.namespace.as_deref(), at.tls.as_ref(), &at.auth, secrets)?;
            let paths = Paths::new(name.as_str(), client, &at.mount, &at.field, &at.set);
            let document = Document::paths(folder, paths, codings, id, current.as_ref());
            Some(Box::new(document.map_err(|why| Fault::ask_operator(format!("use {shown}"), why))?))
        }
        #[cfg(feature = "openbao")]
        Meant::OpenbaoKv { addr, auth, tls, namespace, mount, versions, alongside, current, set, id, mark } => {
            let shown = format!("backend `{name}`");
            let secrets = Arc::clone(secrets);
            let client = Client::new(&shown, addr, namespace.as_deref(), tls.as_ref(), auth, secrets)?;
            let (mount, versions, alongside) = (mount.clone(), versions.clone(), alongside.clone());
            let (current, set, id) = (current.clone(), set.clone(), id.clone());
            let layout = Layout { mount, versions, alongside, current, set, id, mark: *mark };
            Some(Box::new(OpenbaoKv::new(name.as_str(), client, layout)?))
        }
        #[cfg(feature = "openbao")]
        Meant::OpenbaoTransit { addr, auth, tls, namespace, mount } => {
            let shown = format!("backend `{name}`");
            let secrets = Arc::clone(secrets);
            let client = Client::new(&shown, addr, namespace.as_deref(), tls.as_ref(), auth, secrets)?;
            Some(Box::new(OpenbaoTransit::new(name.as_str(), client, mount)))
        }
        _ => None,
    })
}
