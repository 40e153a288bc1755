//! A PostgreSQL home, for runners on many machines: journal, head, plans and the lease in a schema of their own. Nothing is kept
//! in a session outside of a transaction, so that a pooler may lend each transaction another connection.
//!
//! Never here: a line that is changed or deleted, an hour of our own clock, a write that does not lock the one row first.

mod ground;
mod lease;
mod lines;
mod moved;
mod row;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]
mod tests;

use std::io;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;
use postgres::types::Type;

use self::lease::Asked;
use self::lease::Held;
use self::lease::from_now;
use self::lines::Lines;
use self::row::Locked;
use self::row::State;
use crate::digest;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::home::not_as_left;
use crate::home::not_open;
use crate::journal;
use crate::journal::Broken;
use crate::journal::Checked;
use crate::journal::Draft;
use crate::journal::Entry;
use crate::journal::Head;
use crate::journal::Journal;
use crate::journal::Tail;
use crate::journal::Torn;
use crate::journal::Why;
use crate::port::home::Aside;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Ready;
use crate::port::home::Trouble;
use crate::postgresql::Login;
use crate::postgresql::Server;
use crate::postgresql::Session;
use crate::postgresql::quote;

/// How long a statement may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How long a lease lasts without a renewal: so long others wait where a runner was killed.
const LASTS: Duration = Duration::from_secs(60);

/// A journal in a schema of a PostgreSQL database.
pub struct Postgres {
    server: Arc<Server>,
    name: String,
    /// The schema, quoted.
    schema: String,
    lasts: Duration,
    kept: Option<Kept>,
}

/// The journal while a lease lasts.
struct Kept {
    tail: Tail,
    lease: u64,
}

impl Postgres {
    /// The home in this schema, which need not be there yet. Nothing is connected before it is needed.
    #[must_use]
    pub fn new(schema: &str, login: Login) -> Self {
        let server = Arc::new(Server::new("the journal's home", login));
        Self { server, name: schema.to_owned(), schema: quote(schema), lasts: LASTS, kept: None }
    }

    /// The same, with leases that last so long.
    #[must_use]
    pub fn with_leases_of(self, lasts: Duration) -> Self {
        Self { lasts, ..self }
    }

    /// Connects, where a home is there.
    fn laid(&self) -> Result<Option<Session>, Fault> {
        let mut session = self.server.session()?;
        Ok(ground::is_laid(&mut session, &self.name)?.then_some(session))
    }

    /// The row and the lines, where the journal is here.
    fn parts(&self) -> Result<Option<(State, Lines)>, Trouble> {
        let Some(mut session) = self.laid()? else { return Ok(None) };
        State::look(&mut session, &self.schema)?.here()?;
        self.whole()
    }

    /// The row before the lines: a journal only grows, so it is never behind a row that was read before it.
    fn whole(&self) -> Result<Option<(State, Lines)>, Trouble> {
        let Some(mut session) = self.laid()? else { return Ok(None) };
        let state = State::look(&mut session, &self.schema)?;
        if state.sealed.is_none() {
            let begun = state.end != Head::NONE || self.any_line(&mut session)?;
            match (begun, self.plans()?.len()) {
                (true, _) => return Err(Broken::of(Why::HeadLost).into()),
                // A plan is kept only once the journal has begun.
                (false, plans) if plans > 0 && State::look(&mut session, &self.schema)?.sealed.is_none() => {
                    return Err(Broken::of(Why::OnlyPlans { plans }).into());
                }
                _ => {}
            }
        }
        Ok(Some((state, Lines::new(session, &self.schema))))
    }

    fn any_line(&self, session: &mut Session) -> Result<bool, Fault> {
        let question = format!("SELECT 1 FROM {}.line LIMIT 1", self.schema);
        Ok(!session.query("read the journal", &question, &[])?.is_empty())
    }

    /// Does `work` in one transaction that begins by locking the row and checking that this lease still holds it.
    fn fenced(
        &self,
        (doing, durable): (&str, bool),
        held: &Held,
        mut work: impl FnMut(&mut Client, &State) -> Result<(), postgres::Error>,
    ) -> Result<(), Fault> {
        let locked = Locked::new(&self.schema, durable);
        let mut session = self.server.session()?;
        session.transaction(doing, WITHIN, |client| {
            let Some(state) = locked.state(client)? else { return Ok(Err(not_as_left("its row is gone"))) };
            if let Err(fault) = state.fence(held.token, &held.name) {
                return Ok(Err(fault));
            }
            match work(client, &state) {
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    Ok(Err(not_as_left("somebody else wrote")))
                }
                done => done.map(Ok),
            }
        })?
    }

    fn write(&mut self, lease: &Lease, drafts: Vec<Draft>, (durable, seal): (bool, bool)) -> Result<Vec<Entry>, Fault> {
        let kept = self.kept.as_ref().filter(|kept| kept.lease == lease.number());
        let held = lease.kept::<Held>().zip(kept);
        let (held, kept) = held.ok_or_else(|| not_open("write the journal"))?;
        let (before, drawn) = (kept.tail.head(), kept.tail.draw(drafts)?);
        // Whatever goes wrong from here on ends the run: the journal is put back only when all went well.
        self.kept = None;
        let after = drawn.tail.head();
        let (count, digest) = row::columns(&after);
        let (mut ns, mut n) = (Vec::new(), row::columns(&before).0);
        let lines: Vec<&[u8]> = drawn.bytes.split_inclusive(|byte| *byte == b'\n').collect();
        ns.extend(lines.iter().map(|_| {
            n = n.saturating_add(1);
            n
        }));
        let sealed = if seal { ", sealed_count = $1, sealed_digest = $2" } else { "" };
        let write = format!(
            "WITH ends AS (UPDATE {0}.home SET count = $1, digest = $2, expires = {1}{sealed})
             INSERT INTO {0}.line (n, bytes) SELECT * FROM unnest($3::bigint[], $4::bytea[])",
            self.schema,
            from_now(self.lasts)
        );
        let mut left = true;
        self.fenced(("write the journal", durable), held, |client, state| {
            // Where only the answer to the commit was lost, the lines are there already.
            let again = state.end == after && after != before;
            left = again || state.end == before;
            if !left || again {
                return Ok(());
            }
            let [int, text] = row::HEAD;
            let given: [crate::postgresql::Given<'_>; 4] =
                [(&count, int), (&digest, text), (&ns, Type::INT8_ARRAY), (&lines, Type::BYTEA_ARRAY)];
            client.execute_typed(&write, &given).map(drop)
        })?;
        if !left {
            return Err(not_as_left("somebody else wrote"));
        }
        self.kept = Some(Kept { tail: drawn.tail, lease: lease.number() });
        Ok(drawn.entries)
    }

    /// Moves what is torn off the end. No crash leaves that here: a hand did.
    fn set_aside(&self, held: &Held, count: u64, torn: &Torn) -> Result<Aside, Fault> {
        let digest = digest::plain(&torn.bytes);
        let file = format!("torn-{count}-{}", digest.short());
        let keep = format!("INSERT INTO {}.aside VALUES ($1, $2) ON CONFLICT DO NOTHING", self.schema);
        let cut = format!("DELETE FROM {}.line WHERE n > $1", self.schema);
        let last = i64::try_from(count).unwrap_or(i64::MAX);
        self.fenced(("set a torn line aside", true), held, |client, _| {
            client.execute_typed(&keep, &[(&file, Type::TEXT), (&torn.bytes, Type::BYTEA)])?;
            client.execute_typed(&cut, &[(&last, Type::INT8)]).map(drop)
        })?;
        Ok(Aside { file, bytes: torn.bytes.len() as u64, digest })
    }
}

/// The journal must have come by its head and by its row's end, both.
fn heads(state: &State) -> Vec<Head> {
    state.sealed.into_iter().chain([state.end]).collect()
}

fn check(parts: Option<(State, Lines)>, witness: Option<&Head>) -> Result<Checked, Trouble> {
    let (mut all, lines) = match parts {
        Some((state, lines)) => (heads(&state), Some(lines)),
        None => (Vec::new(), None),
    };
    all.extend(witness);
    let checked = match lines {
        None => journal::verify(io::empty(), &all).map_err(|error| Fault::io("read the journal", &error).into()),
        Some(mut lines) => journal::verify(&mut lines, &all).map_err(|error| cannot_read(&mut lines, &error)),
    };
    checked.and_then(|checked| checked.map_err(Trouble::Broken))
}

fn cannot_read(lines: &mut Lines, error: &io::Error) -> Trouble {
    lines.fault.take().unwrap_or_else(|| Fault::io("read the journal", error)).into()
}

impl Home for Postgres {
    fn may_begin_anew(&self) -> Result<(), Fault> {
        let why = format!(
            "lines in schema {} are never changed or taken away, broken or not, so none can take their place",
            self.schema
        );
        Err(Fault::give_up("begin a new journal", why).hint(
            "restore the schema from the server's own backup; where there is none, name another `schema` in `[home]`: a new journal \
             begins there, this one stays for whoever looks into it, `keyrota adopt KEY@VERSION` takes each key over, and what people \
             said is said again (`plan --compromised`)",
        ))
    }

    fn lock(&mut self, who: &str) -> Result<Lease, Fault> {
        ground::lay(&mut self.server.session()?, &self.name)?;
        let holder = format!("{who} (process {})", std::process::id());
        let asked = Asked { server: &self.server, schema: &self.schema, lasts: self.lasts, holder: &holder };
        Ok(Lease::new(Held::take(&asked)?))
    }

    fn open(&mut self, lease: &Lease) -> Result<Ready, Trouble> {
        self.kept = None;
        let held = lease.kept::<Held>();
        let held = held.ok_or_else(|| Fault::report_bug("open the journal", "the lease is another home's"))?;
        // What an earlier run only jotted is durable with this: before anything builds on it.
        let renew = format!("UPDATE {}.home SET expires = {}", self.schema, from_now(self.lasts));
        self.fenced(("open the journal", true), held, |client, _| client.execute_typed(&renew, &[]).map(drop))?;
        let journal = self.read()?;
        let aside = journal.torn().map(|torn| self.set_aside(held, journal.count(), torn)).transpose()?;
        let begin =
            format!("UPDATE {}.home SET sealed_count = $1, sealed_digest = $2 WHERE sealed_count IS NULL", self.schema);
        let (count, digest) = row::columns(&Head::NONE);
        let mut left = true;
        self.fenced(("open the journal", true), held, |client, state| {
            left = state.end == journal.head();
            let [int, text] = row::HEAD;
            client.execute_typed(&begin, &[(&count, int), (&digest, text)]).map(drop)
        })?;
        if !left {
            return Err(not_as_left("lines stand behind the end that its row states").into());
        }
        self.kept = Some(Kept { tail: journal.tail(), lease: lease.number() });
        Ok(Ready { journal, aside })
    }

    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.write(lease, drafts, (true, false))
    }

    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault> {
        self.write(lease, drafts, (false, false))
    }

    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault> {
        self.write(lease, Vec::new(), (true, true))?;
        self.kept.as_ref().map(|kept| kept.tail.head()).ok_or_else(|| not_open("seal the head"))
    }

    fn head(&self) -> Result<Option<Head>, Trouble> {
        let Some(mut session) = self.laid()? else { return Ok(None) };
        Ok(State::look(&mut session, &self.schema)?.sealed)
    }

    fn read(&self) -> Result<Journal, Trouble> {
        let Some((state, mut lines)) = self.parts()? else { return Ok(Journal::empty()) };
        let mut bytes = Vec::new();
        let read = lines.read_to_end(&mut bytes);
        read.map_err(|error| cannot_read(&mut lines, &error))?;
        Ok(journal::read(bytes, &heads(&state))?)
    }

    fn verify(&self, witness: Option<&Head>) -> Result<Checked, Trouble> {
        check(self.parts()?, witness)
    }

    fn save_plan(&mut self, id: &Digest, bytes: &[u8]) -> Result<(), Fault> {
        let doing = format!("keep plan `{}`", id.short());
        let keep = format!("INSERT INTO {}.plan VALUES ($1, $2) ON CONFLICT DO NOTHING", self.schema);
        let hex = id.hex();
        self.server.session()?.transaction(&doing, WITHIN, |client| {
            client.execute_typed(&keep, &[(&hex, Type::TEXT), (&bytes, Type::BYTEA)])
        })?;
        match self.plan(id)? {
            Some(kept) if kept == bytes => Ok(()),
            _ => Err(Fault::give_up(doing, "another plan has its id")
                .hint(format!("somebody changed it in {}.plan: restore the home from a backup", self.schema))),
        }
    }

    fn plan(&self, id: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let Some(mut session) = self.laid()? else { return Ok(None) };
        let question = format!("SELECT bytes FROM {}.plan WHERE id = $1", self.schema);
        let rows = session.query("read a plan", &question, &[(&id.hex(), Type::TEXT)])?;
        let bytes = rows.first().map(|row| row.try_get(0)).transpose();
        bytes.map_err(|error| session.fault("read a plan", &error))
    }

    fn plans(&self) -> Result<Vec<Digest>, Fault> {
        let Some(mut session) = self.laid()? else { return Ok(Vec::new()) };
        let question = format!("SELECT id FROM {}.plan ORDER BY id COLLATE \"C\"", self.schema);
        let rows = session.query("list the plans", &question, &[])?;
        Ok(rows.iter().filter_map(|row| Digest::parse(row.try_get(0).ok()?).ok()).collect())
    }
}
