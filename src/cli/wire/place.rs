//! From a store's place in the policy to the adapter that this build has for it.

use crate::command::Runner;
use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::store::Place;
use crate::port::probe::Secrets;
use crate::port::store::Store;
#[cfg(feature = "grpc")]
use crate::store::grpc::Grpc;
#[cfg(feature = "postgres")]
use crate::store::postgres::Login;
#[cfg(feature = "postgres")]
use crate::store::postgres::Postgres;
#[cfg(feature = "grpc")]
use crate::store::served::Served;
use crate::store::sqlite::Sqlite;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Whether the place is another one for each value of `each`.
pub(super) fn differs(place: &Place) -> bool {
    matches!(place, Place::Sqlite { path } if path.asks_for("each"))
}

/// The adapter; nothing where this build has none, or the place has none to have.
#[cfg_attr(
    not(all(feature = "postgres", feature = "grpc")),
    allow(unused_variables, reason = "only servers ask for secrets, and only services for programs")
)]
pub(super) fn store(
    folder: &Path,
    name: &Name,
    place: &Place,
    each: Option<&str>,
    (runner, secrets): (&Arc<Runner>, &Arc<dyn Secrets>),
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
        #[cfg(feature = "grpc")]
        Place::Grpc(meant) => {
            let service = Grpc::new((**meant).clone(), folder, Arc::clone(secrets), Arc::clone(runner));
            Some(Arc::new(Served(service)))
        }
        _ => None,
    })
}
