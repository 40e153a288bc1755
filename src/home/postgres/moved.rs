//! Moving a journal out of the database and into it: a mark in the one row, and lines as they come.

use std::io::BufRead;

use postgres::types::Type;

use super::Held;
use super::Postgres;
use super::cannot_read;
use super::check;
use super::lease::from_now;
use super::lines::Lines;
use super::row::State;
use super::row::columns;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::home::another_history;
use crate::home::ends_at;
use crate::journal::Head;
use crate::journal::Journal;
use crate::port::elsewhere::Elsewhere;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use crate::port::movable::Movable;

/// How many lines are put in by one transaction.
const LINES_AT_ONCE: usize = 10_000;

impl Postgres {
    fn held<'a>(&self, lease: &'a Lease) -> Result<&'a Held, Fault> {
        lease.kept::<Held>().ok_or_else(|| Fault::report_bug("move the journal", "the lease is another home's"))
    }

    /// How many bytes are here already: they must be the beginning of these.
    fn beginning(&self, lines: &[u8]) -> Result<usize, Trouble> {
        let mut here = Lines::new(self.server.session()?, &self.schema);
        let mut rest = lines;
        loop {
            let found = here.fill_buf().map(<[u8]>::to_vec).map_err(|error| cannot_read(&mut here, &error))?;
            if found.is_empty() {
                return Ok(lines.len().saturating_sub(rest.len()));
            }
            rest = rest.strip_prefix(found.as_slice()).ok_or_else(another_history)?;
            here.consume(found.len());
        }
    }
}

impl Movable for Postgres {
    fn place(&self) -> Result<String, Fault> {
        let mut session = self.server.session()?;
        let question = "SELECT current_database()::text, system_identifier::text FROM pg_control_system()";
        let rows = session.query("read the identity", question, &[])?;
        let text = |at: usize| rows.first().and_then(|row| row.try_get::<_, String>(at).ok()).unwrap_or_default();
        Ok(format!("schema `{}` of the PostgreSQL database `{}` (cluster {})", self.name, text(0), text(1)))
    }

    fn elsewhere(&self) -> Result<Option<Elsewhere>, Fault> {
        let Some(mut session) = self.laid()? else { return Ok(None) };
        match State::look(&mut session, &self.schema) {
            Ok(state) => state.elsewhere(),
            Err(Trouble::Fault(fault)) => Err(fault),
            Err(Trouble::Broken(broken)) => Err(Fault::ask_operator("look for a mark", broken)),
        }
    }

    fn mark(&mut self, lease: &Lease, mark: Option<&Elsewhere>) -> Result<(), Fault> {
        let held = self.held(lease)?;
        // Whoever moves it writes nothing more through what was opened before.
        self.kept = None;
        let (text, put) = (mark.map(Elsewhere::to_text), format!("UPDATE {}.home SET elsewhere = $1", self.schema));
        self.fenced(("mark the home", true), held, |client, _| {
            client.execute_typed(&put, &[(&text, Type::TEXT)]).map(drop)
        })
    }

    fn take_in(&mut self, lease: &Lease, journal: &Journal) -> Result<(), Trouble> {
        let held = self.held(lease)?;
        self.kept = None;
        let from = self.beginning(journal.lines())?;
        let (before, rest) = journal.lines().split_at_checked(from).ok_or_else(another_history)?;
        let mut n = i64::try_from(before.split_inclusive(|byte| *byte == b'\n').count()).unwrap_or(i64::MAX);
        let put = format!(
            "WITH ends AS (UPDATE {0}.home SET count = $1, digest = $2, expires = {1})
             INSERT INTO {0}.line (n, bytes) SELECT * FROM unnest($3::bigint[], $4::bytea[])",
            self.schema,
            from_now(self.lasts)
        );
        let lines: Vec<&[u8]> = rest.split_inclusive(|byte| *byte == b'\n').collect();
        for chunk in lines.chunks(LINES_AT_ONCE) {
            let begin = n;
            let ns: Vec<i64> = (begin.saturating_add(1)..).take(chunk.len()).collect();
            n = ns.last().copied().unwrap_or(n);
            let digest = chunk.last().and_then(|line| own(line)).ok_or_else(another_history)?.hex();
            self.fenced(("take lines in", true), held, |client, state| {
                // Where only the answer to the commit was lost they are here already.
                if columns(&state.end) == (n, digest.clone()) {
                    return Ok(());
                }
                let given: [crate::postgresql::Given<'_>; 4] =
                    [(&n, Type::INT8), (&digest, Type::TEXT), (&ns, Type::INT8_ARRAY), (&chunk, Type::BYTEA_ARRAY)];
                client.execute_typed(&put, &given).map(drop)
            })?;
        }
        let (count, digest) = columns(&journal.head());
        let seal = format!("UPDATE {}.home SET sealed_count = $1, sealed_digest = $2", self.schema);
        self.fenced(("seal the head", true), held, |client, _| {
            client.execute_typed(&seal, &[(&count, Type::INT8), (&digest, Type::TEXT)]).map(drop)
        })?;
        Ok(())
    }

    fn ends_at(&self, head: &Head) -> Result<(), Trouble> {
        ends_at(&check(self.whole()?, Some(head))?, head)
    }
}

/// The digest that a line states.
fn own(line: &[u8]) -> Option<Digest> {
    let digest = line.strip_suffix(b"\"}\n")?.last_chunk::<64>()?;
    Digest::parse(std::str::from_utf8(digest).ok()?).ok()
}
