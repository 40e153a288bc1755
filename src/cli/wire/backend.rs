//! From a backend as the policy means it to the adapter that this build has for it.

use crate::backend::document::Document;
use crate::backend::file::KeyFiles;
use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::Backend as Meant;
use crate::port::backend::Backend;
use crate::port::probe::Secrets;
use std::path::Path;
use std::sync::Arc;

/// The adapter; nothing where this build has none.
pub(super) fn backend(
    folder: &Path,
    name: &Name,
    meant: &Meant,
    _secrets: &Arc<dyn Secrets>,
) -> Result<Option<Box<dyn Backend>>, Fault> {
    Ok(match meant {
        Meant::File { codings, id } => {
            let files = KeyFiles::new(folder, codings, id);
            Some(Box::new(files.map_err(|why| Fault::ask_operator(format!("use backend `{name}`"), why))?))
        }
        Meant::Document { file: Some(file), codings, id, current, .. } => {
            let document = Document::new(folder, file, codings, id, current.as_ref());
            Some(Box::new(document.map_err(|why| Fault::ask_operator(format!("use backend `{name}`"), why))?))
        }
        _ => None,
    })
}
