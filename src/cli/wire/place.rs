//! From a store's place in the policy to the adapter that this build has for it.

use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::store::Place;
use crate::port::probe::Secrets;
use crate::port::store::Store;
#[cfg(feature = "postgres")]
use crate::store::postgres::Login;
#[cfg(feature = "postgres")]
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Whether the place is another one for each value of `each`.
pub(super) fn differs(place: &Place) -> bool {
    matches!(place, Place::Sqlite { path } if path.asks_for("each"))
}

/// The adapter; nothing where this build has none, or the place has none to have.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only servers ask for a secret"))]
pub(super) fn store(
    folder: &Path,
    name: &Name,
    place: &Place,
    each: Option<&str>,
    secrets: &Arc<dyn Secrets>,
) -> Result<Option<Arc<dyn Store>>, Fault> {
    Ok(match place {
        Place::Sqlite { path } => {
            let filled = path.fill(|word| each.filter(|_| word == "each").map(Cow::Borrowed));
            let filled = filled.map_err(|missing| Fault::ask_operator(format!("find store `{name}`"), missing))?;
            Some(Arc::new(Sqlite::new(folder.join(filled))))
        }
        #[cfg(feature = "postgres")]
        Place::Postgres { url, tls } => {
            let login = Login { url: url.clone(), tls: tls.clone(), secrets: Arc::clone(secrets) };
            Some(Arc::new(Postgres::new(name.as_str(), login)))
        }
        _ => None,
    })
}
