//! What SQLite says, sorted by who can mend it.

use rusqlite::Error;
use rusqlite::ErrorCode;

use crate::fault::Fault;

/// Whether somebody else holds a lock that we need.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

pub(super) fn fault(doing: String, error: &Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::retry(doing, error)
            .hint("another process holds its lock: look for a long transaction or a backup, and run this again"),
        Some(ErrorCode::NotADatabase) => Fault::ask_operator(doing, error)
            .hint("the `path` in the policy names another kind of file, or it is encrypted"),
        Some(ErrorCode::DatabaseCorrupt) => {
            Fault::ask_operator(doing, error).hint("run `PRAGMA integrity_check` on a copy, and restore a backup")
        }
        Some(ErrorCode::DiskFull) => {
            Fault::ask_operator(doing, error).hint("make room on its disk, and run this again")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Fault::ask_operator(doing, error)
                .hint("let the user who runs keyrota read and write the file and its folder")
        }
        Some(ErrorCode::ConstraintViolation) => Fault::ask_operator(doing, error).hint(
            "the table refuses the new value: widen its CHECK, or add the new version where its foreign key looks",
        ),
        Some(ErrorCode::SystemIoFailure) => Fault::retry(doing, error),
        _ => Fault::ask_operator(doing, error),
    }
}
