//! The one place that names concrete adapters and reads the environment.

mod backend;
mod bundle;
mod place;
mod probe;
mod proved;

pub(super) use bundle::Wired;

use crate::cli::exit::Fail;
use crate::command::Runner;
use crate::home::Local;
#[cfg(feature = "postgres")]
use crate::home::Postgres;
use crate::policy::meant::project::Home;
use crate::policy::meant::project::Settings;
use crate::port::clock::Clock;
use crate::port::home::Home as Port;
use crate::port::movable::Movable;
use crate::port::probe::Secrets;
use crate::probe::clock::Machine;
use crate::probe::secrets::Revealer;
#[cfg(feature = "postgres")]
use crate::store::postgres::Login;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The adapters that this build has, as policies write them.
pub(super) const BUILT: [&str; BUILT_COUNT] = [
    "document",
    "file",
    "sqlite",
    "unseen",
    #[cfg(feature = "http")]
    "http",
    #[cfg(feature = "postgres")]
    "postgres",
    #[cfg(feature = "openbao")]
    "openbao-kv",
    #[cfg(feature = "openbao")]
    "openbao-transit",
    #[cfg(feature = "grpc")]
    "grpc",
];

const BUILT_COUNT: usize = 4
    + cfg!(feature = "http") as usize
    + cfg!(feature = "postgres") as usize
    + 2 * cfg!(feature = "openbao") as usize
    + cfg!(feature = "grpc") as usize;

/// The value of an environment variable.
#[expect(clippy::disallowed_methods, reason = "the wiring is where the environment is read")]
pub(super) fn variable(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec)
}

/// Who acts, for journal and report.
pub(super) fn actor(settings: &Settings) -> String {
    let user = || variable("USER").or_else(|| variable("LOGNAME")).and_then(|value| String::from_utf8(value).ok());
    settings.actor.clone().or_else(user).unwrap_or_else(|| "unknown".into())
}

/// The home of journal, plans and locks.
pub(super) fn home(folder: &Path, settings: &Settings) -> Result<Box<dyn Port>, Fail> {
    let home: Box<dyn Port> = movable(folder, settings)?;
    Ok(home)
}

/// The same, to be moved.
pub(super) fn movable(folder: &Path, settings: &Settings) -> Result<Box<dyn Movable>, Fail> {
    match &settings.home {
        Home::Local { path } => Ok(Box::new(Local::new(folder.join(path)))),
        #[cfg(feature = "postgres")]
        Home::Postgres { url, tls, schema } => {
            let runner = Arc::new(Runner::new(folder, settings.allow.iter().cloned()));
            let secrets = Arc::new(Revealer::new(variable, runner));
            let login = Login { url: url.clone(), tls: tls.clone(), secrets };
            Ok(Box::new(Postgres::new(schema.as_str(), login)))
        }
        #[cfg(not(feature = "postgres"))]
        Home::Postgres { .. } => Err(Fail::refused(
            "this build cannot keep its journal in PostgreSQL",
            "use `[home] type = \"local\"`, or build with `--features postgres`",
        )),
    }
}

/// Where the values of secrets are read.
pub(super) fn secrets(runner: &Arc<Runner>) -> Box<dyn Secrets> {
    Box::new(Revealer::new(variable, Arc::clone(runner)))
}

/// The folder for pre-images.
pub(super) fn pre_images(folder: &Path, settings: &Settings) -> PathBuf {
    match &settings.home {
        Home::Local { path } => folder.join(path).join("pre-images"),
        Home::Postgres { .. } => folder.join(".keyrota").join("pre-images"),
    }
}

/// The machine's clock, whose sleeps end when somebody asks us to stop.
pub(super) fn clock(stop: &Arc<AtomicBool>) -> Box<dyn Clock> {
    Box::new(Machine::new(Arc::clone(stop)))
}
