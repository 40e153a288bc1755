//! The lease: a row that says who may write, under a token that only grows, until an hour of the server's clock. It is renewed by
//! every append and by a heartbeat, and let go when it is dropped. One that ran out is over, whether or not anybody took it.

use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use postgres::types::Type;

use super::row::Locked;
use super::row::State;
use crate::fault::Fault;
use crate::postgresql::Server;
use crate::postgresql::Session;

/// So many heartbeats fit into a lease: one that is lost does no harm.
const BEATS: u32 = 4;

/// The lease, as long as this is kept.
pub(super) struct Held {
    pub(super) token: i64,
    pub(super) name: String,
    server: Arc<Server>,
    release: String,
    /// The heartbeat ends with it.
    _beats: Sender<()>,
}

/// What a lease is taken by.
pub(super) struct Asked<'a> {
    pub(super) server: &'a Arc<Server>,
    /// The schema, quoted.
    pub(super) schema: &'a str,
    /// How long it lasts without a renewal.
    pub(super) lasts: Duration,
    pub(super) holder: &'a str,
}

/// The SQL of "from now on for so long", by the server's clock.
pub(super) fn from_now(lasts: Duration) -> String {
    format!("clock_timestamp() + interval '{} milliseconds'", lasts.as_millis())
}

impl Held {
    pub(super) fn take(asked: &Asked<'_>) -> Result<Self, Fault> {
        let mut session = asked.server.session()?;
        // The name comes first, so that a retry finds its own lease where only the answer was lost.
        let rows = session.query("name a lease", "SELECT gen_random_uuid()::text", &[])?;
        let name: String = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        let locked = Locked::new(asked.schema, true);
        let take = format!(
            "UPDATE {}.home SET token = token + 1, lease = $1, expires = {},
                 holder = $2 || coalesce(' from ' || host(inet_client_addr()), '')
             RETURNING token",
            asked.schema,
            from_now(asked.lasts)
        );
        let taken = session.transaction("take the lease", super::WITHIN, |client| {
            let Some(state) = locked.state(client)? else { return Ok(Err(None)) };
            if state.lease.as_deref() == Some(&name) {
                return Ok(Ok(state.token));
            }
            if state.is_held() || state.known().is_err() {
                return Ok(Err(Some(Box::new(state))));
            }
            let rows = client.query_typed(&take, &[(&name, Type::TEXT), (&asked.holder, Type::TEXT)])?;
            rows.first().map(|row| row.try_get(0)).transpose().map(|token| token.ok_or(None))
        })?;
        let token = taken.map_err(refused)?;
        let which = format!("token = {token} AND lease = '{name}'");
        let renew = format!(
            "UPDATE {}.home SET expires = {} WHERE {which} AND expires > clock_timestamp()",
            asked.schema,
            from_now(asked.lasts)
        );
        let release =
            format!("UPDATE {}.home SET lease = NULL, holder = NULL, expires = NULL WHERE {which}", asked.schema);
        let beats = beat(Arc::clone(asked.server), renew, asked.lasts / BEATS)?;
        Ok(Self { token, name, server: Arc::clone(asked.server), release, _beats: beats })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Where it cannot be let go it runs out.
        if let Ok(mut session) = self.server.session() {
            let _gone = change(&mut session, "let go of the lease", &self.release);
        }
    }
}

/// Renews the lease until the sender is dropped, or it is over.
fn beat(server: Arc<Server>, renew: String, every: Duration) -> Result<Sender<()>, Fault> {
    let (sender, ended) = mpsc::channel();
    let beats = move || {
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let renewed = server.session().and_then(|mut session| change(&mut session, "renew the lease", &renew));
            // What cannot be renewed now may be at the next beat; the append says when it was too late.
            if renewed == Ok(0) {
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("lease".to_owned()).spawn(beats);
    spawned.map(|_| sender).map_err(|error| Fault::io("keep the lease", &error))
}

fn change(session: &mut Session, doing: &str, statement: &str) -> Result<u64, Fault> {
    session.transaction(doing, super::WITHIN, |client| client.execute_typed(statement, &[]))
}

fn refused(state: Option<Box<State>>) -> Fault {
    let doing = "take the journal";
    let Some(state) = state else {
        return Fault::ask_operator(doing, "the row that says where it ends is gone")
            .hint("restore the home's tables from a backup");
    };
    if let Err(fault) = state.known() {
        return fault;
    }
    let holder = state.holder.as_deref().unwrap_or("somebody").escape_debug().to_string();
    let until = state.expires.unwrap_or_default();
    Fault::retry(doing, format!("`{holder}` has it, until {until} at least"))
        .hint(format!(
            "wait until that keyrota is done; if it was killed, its lease runs out in {} seconds by the server's clock",
            state.left
        ))
        .after(u64::try_from(state.left).unwrap_or(0))
}
