//! Opening the file: never made, links resolved once, and in two ways only, to read and to write.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use super::trouble;
use crate::fault::Fault;

/// How long SQLite waits for somebody else's lock before it says so; the writer asks again a few times.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Pages that a connection keeps, in KiB: enough for the inner pages of a large table, and no more for its size.
const CACHE_KIB: i64 = 4096;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 16;

/// Where the file is.
#[derive(Debug, Clone)]
pub(super) struct Database {
    path: PathBuf,
}

impl Database {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path as it was given, in backticks.
    pub(super) fn shown(&self) -> String {
        format!("`{}`", self.path.display())
    }

    /// What SQLite said while we were `doing` something with the file.
    pub(super) fn fault(&self, doing: &str, error: &rusqlite::Error) -> Fault {
        trouble::fault(format!("{doing} of {}", self.shown()), error)
    }

    /// A connection that cannot write.
    pub(super) fn read(&self) -> Result<(PathBuf, Connection), Fault> {
        self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// A connection that writes what survives a power cut. Checkpoints are the writer's own affair, between two locks.
    pub(super) fn write(&self) -> Result<(PathBuf, Connection), Fault> {
        let (path, connection) = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", 0))
            .map_err(|error| self.fault("prepare writing", &error))?;
        if connection.is_readonly("main").unwrap_or(true) {
            return Err(Fault::ask_operator(format!("write to {}", self.shown()), "the file is read-only")
                .hint("let the user who runs keyrota write the file and its folder"));
        }
        Ok((path, connection))
    }

    fn open(&self, how: OpenFlags) -> Result<(PathBuf, Connection), Fault> {
        let path = self.real()?;
        let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let prepare = |connection: &Connection| {
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            // A schema is the application's, and may be anybody's: it calls no function with effects, and a misspelt column is
            // an error, not a text.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            // The first look at the file: whether it is a database at all.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        };
        let connection = Connection::open_with_flags(&path, flags)
            .and_then(|connection| prepare(&connection).map(|()| connection))
            .map_err(|error| trouble::fault(format!("open {}", self.shown()), &error))?;
        Ok((path, connection))
    }

    fn real(&self) -> Result<PathBuf, Fault> {
        let doing = || format!("open {}", self.shown());
        let absent = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => Fault::ask_operator(doing(), "there is no such file")
                .hint("`path` in the policy is relative to the project's folder; keyrota never makes a database"),
            _ => Fault::io(doing(), error),
        };
        let path = fs::canonicalize(&self.path).map_err(|error| absent(&error))?;
        if !is_file(&path).map_err(|error| absent(&error))? {
            return Err(Fault::ask_operator(doing(), "it is not a regular file"));
        }
        Ok(path)
    }
}

fn is_file(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_file())
}
