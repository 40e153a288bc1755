//! The one row of `home`: where the journal ends, its head as it was last sealed, and the lease. Whoever writes locks it first.

use postgres::Client;
use postgres::Row;
use postgres::types::Type;

use super::ground::FORMAT;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::home::not_as_left;
use crate::journal::Broken;
use crate::journal::Head;
use crate::journal::Why;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Trouble;
use crate::postgresql::Session;

/// The row.
#[derive(Debug, Clone)]
pub(super) struct State {
    format: String,
    /// Where the journal ends.
    pub(super) end: Head,
    /// The head as it was last sealed.
    pub(super) sealed: Option<Head>,
    pub(super) token: i64,
    pub(super) lease: Option<String>,
    pub(super) holder: Option<String>,
    /// When the lease runs out, and how many seconds are left, by the server's clock.
    pub(super) expires: Option<String>,
    pub(super) left: i64,
    /// The mark of a journal that is in another home.
    elsewhere: Option<String>,
    /// How the last line ends.
    line_end: Option<Vec<u8>>,
}

/// How long the end of a line is: its digest and what closes it.
const END_LENGTH: i32 = 64 + 3;

/// The question for the row in this schema (quoted).
fn question(schema: &str) -> String {
    format!(
        "SELECT h.format, h.count, h.digest, h.sealed_count, h.sealed_digest, h.token, h.lease, h.holder,
                to_char(h.expires AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'),
                coalesce(ceil(extract(epoch FROM h.expires - clock_timestamp())), 0)::int8,
                h.elsewhere,
                (SELECT substring(l.bytes FROM greatest(1, length(l.bytes) - {END_LENGTH} + 1))
                 FROM {schema}.line AS l WHERE l.n = h.count)
         FROM {schema}.home AS h"
    )
}

/// The words that lock the row and then ask for it. Two statements: what is asked must be seen after the lock was had.
#[derive(Debug)]
pub(super) struct Locked {
    lock: String,
    question: String,
}

impl Locked {
    /// For this schema (quoted); `durable`: whether the transaction must survive a power cut once it is over.
    pub(super) fn new(schema: &str, durable: bool) -> Self {
        let commit = if durable { "on" } else { "off" };
        // Whoever is stopped in the middle of a transaction lets go of the row soon: others wait for it.
        let lock = format!(
            "SET LOCAL synchronous_commit = {commit}; SET LOCAL idle_in_transaction_session_timeout = '10s';
             SELECT 1 FROM {schema}.home FOR UPDATE"
        );
        Self { lock, question: question(schema) }
    }

    /// The row, locked until the transaction ends.
    pub(super) fn state(&self, client: &mut Client) -> Result<Option<State>, postgres::Error> {
        client.batch_execute(&self.lock)?;
        client.query_typed(&self.question, &[])?.first().map(State::of).transpose()
    }
}

impl State {
    fn of(row: &Row) -> Result<Self, postgres::Error> {
        let head = |count: i64, digest: &str| Head {
            count: u64::try_from(count).unwrap_or(u64::MAX),
            // What is no digest is none that any line has.
            digest: Digest::parse(digest).unwrap_or(Digest([0xff; 32])),
        };
        let sealed: (Option<i64>, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
        Ok(Self {
            format: row.try_get(0)?,
            end: head(row.try_get(1)?, row.try_get(2)?),
            sealed: sealed.0.zip(sealed.1).map(|(count, digest)| head(count, &digest)),
            token: row.try_get(5)?,
            lease: row.try_get(6)?,
            holder: row.try_get(7)?,
            expires: row.try_get(8)?,
            left: row.try_get(9)?,
            elsewhere: row.try_get(10)?,
            line_end: row.try_get(11)?,
        })
    }

    /// The row as it stands.
    pub(super) fn look(session: &mut Session, schema: &str) -> Result<Self, Trouble> {
        let rows = session.query("read the head", &question(schema), &[])?;
        let state = rows.first().map(Self::of).transpose().map_err(|error| session.fault("read the head", &error))?;
        // The tables are there, and the row that says where the journal ends is not.
        let state = state.ok_or_else(|| Trouble::Broken(Broken::of(Why::HeadLost)))?;
        state.known()?;
        Ok(state)
    }

    /// Refuses a row of a newer keyrota.
    pub(super) fn known(&self) -> Result<(), Fault> {
        if self.format == FORMAT {
            return Ok(());
        }
        let why = format!("its format is `{}`, and this keyrota knows `{FORMAT}`", self.format.escape_default());
        Err(Fault::ask_operator("use the journal's home", why).hint("use the keyrota that made it, or a newer one"))
    }

    /// Where the journal is, when it is not here.
    pub(super) fn elsewhere(&self) -> Result<Option<Elsewhere>, Fault> {
        self.elsewhere.as_deref().map(Elsewhere::from_text).transpose()
    }

    /// Refuses a home whose journal is in another one.
    pub(super) fn here(&self) -> Result<(), Fault> {
        self.elsewhere()?.map_or(Ok(()), |mark| Err(mark.refusal()))
    }

    /// Whether somebody holds the lease now, by the server's clock.
    pub(super) fn is_held(&self) -> bool {
        self.lease.is_some() && self.left > 0
    }

    /// Refuses whoever does not hold the lease any more, and a journal that does not end as its row says.
    pub(super) fn fence(&self, token: i64, lease: &str) -> Result<(), Fault> {
        self.known()?;
        if self.token != token || self.lease.as_deref() != Some(lease) {
            let by = self.holder.as_deref().filter(|_| self.is_held()).unwrap_or("another run");
            return Err(over(&format!("and `{}` has taken the journal since", by.escape_debug())));
        }
        if !self.is_held() {
            return Err(over("while this run slept or could not reach the server"));
        }
        let end = format!("{}\"}}\n", self.end.digest);
        match &self.line_end {
            None if self.end == Head::NONE => Ok(()),
            Some(found) if found == end.as_bytes() => Ok(()),
            _ => Err(not_as_left("its last line is not the one that its end states")),
        }
    }
}

/// The lease is over: what this run would write now could come after somebody else's.
fn over(how: &str) -> Fault {
    Fault::retry("write the journal", format!("the lease of this run ran out, {how}"))
        .hint("nothing more was written by this run; `keyrota apply` goes on from where the journal stands")
}

/// A head as the two columns hold it.
pub(super) fn columns(head: &Head) -> (i64, String) {
    (i64::try_from(head.count).unwrap_or(i64::MAX), head.digest.hex())
}

/// The types of [`columns`].
pub(super) const HEAD: [Type; 2] = [Type::INT8, Type::TEXT];
