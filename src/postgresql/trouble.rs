//! What PostgreSQL says, sorted by who can mend it.

use postgres::Error;
use postgres::error::SqlState;

use crate::fault::Fault;

/// Whether the same transaction may well succeed when it is tried again.
pub(super) fn is_passing(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
            .contains(code)
    })
}

/// Whether the wire was cut under a statement: what it did is not known, and it may be asked anew.
pub(super) fn is_cut(error: &Error) -> bool {
    use std::error::Error as _;
    is_lost(error) || error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// Whether the connection is gone, or the server is about to end it.
pub(super) fn is_lost(error: &Error) -> bool {
    let ending = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    error.is_closed() || error.code().is_some_and(|code| ending.contains(code) || code.code().starts_with("08"))
}

/// What it says, without the address, which may hold a password.
pub(super) fn said(error: &Error) -> String {
    match error.as_db_error() {
        // Not its detail, which may quote a row.
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(deeper) = cause {
                let deeper_text = deeper.to_string();
                if !text.contains(&deeper_text) {
                    text = format!("{text}: {deeper_text}");
                }
                cause = deeper.source();
            }
            text
        }
    }
}

pub(super) fn fault(doing: String, error: &Error) -> Fault {
    let why = said(error);
    let Some(code) = error.code() else {
        return Fault::retry(doing, why)
            .hint("is the server up, and does it answer at the host and port of its `url`?");
    };
    if is_lost(error) {
        return Fault::retry(doing, why)
            .hint("the server ended the connection: look whether it restarts, and run this again");
    }
    match code {
        code if *code == SqlState::LOCK_NOT_AVAILABLE => Fault::retry(doing, why)
            .hint("another transaction holds the lock: look for it in `pg_stat_activity`, and run this again"),
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
            Fault::retry(doing, why).hint("another transaction was in the way: run this again")
        }
        code if *code == SqlState::QUERY_CANCELED => {
            Fault::retry(doing, why).hint("it took longer than it may: look for a missing index or a busy server")
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => Fault::retry(doing, why)
            .hint("the server has no connection left: raise `max_connections` or the pooler's limit, or wait"),
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Fault::ask_operator(doing, why).hint("grant the role of its `url` what is missing")
        }
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Fault::ask_operator(doing, why)
            .hint("the server is a replica or its default is read-only: name the primary in its `url`"),
        code if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Fault::ask_operator(doing, why).hint("the login of its `url` is refused: check its user and password")
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            Fault::ask_operator(doing, why).hint("the database of its `url` is not on that server")
        }
        code if *code == SqlState::DISK_FULL => Fault::ask_operator(doing, why).hint("make room on the server's disk"),
        code if code.code().starts_with("23") => Fault::ask_operator(doing, why).hint(
            "the table refuses the new value: widen its CHECK, or add the new version where its foreign key looks",
        ),
        _ => Fault::ask_operator(doing, why),
    }
}
