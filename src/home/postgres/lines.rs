//! The journal's lines as one stream of bytes, read in pages: the rows hold them byte for byte.

use std::io;
use std::io::BufRead;
use std::io::Read;

use postgres::types::Type;

use crate::fault::Fault;
use crate::postgresql::Session;

/// How many lines are read at once.
const LINES_PER_PAGE: i64 = 1000;

/// The lines from the first on.
pub(super) struct Lines {
    session: Session,
    question: String,
    page: Vec<u8>,
    at: usize,
    after: i64,
    ended: bool,
    /// What went wrong, which `io::Error` has no words for.
    pub(super) fault: Option<Fault>,
}

impl Lines {
    /// Those of this schema (quoted). A journal only grows, so pages may be read one after the other.
    pub(super) fn new(session: Session, schema: &str) -> Self {
        let question = format!("SELECT n, bytes FROM {schema}.line WHERE n > $1 ORDER BY n LIMIT {LINES_PER_PAGE}");
        Self { session, question, page: Vec::new(), at: 0, after: i64::MIN, ended: false, fault: None }
    }

    fn next_page(&mut self) -> Result<(), Fault> {
        self.page.clear();
        self.at = 0;
        let rows = self.session.query("read the journal", &self.question, &[(&self.after, Type::INT8)])?;
        for row in &rows {
            let line: Result<(i64, &[u8]), postgres::Error> =
                row.try_get(0).and_then(|n| row.try_get(1).map(|bytes| (n, bytes)));
            let (n, bytes) = line.map_err(|error| self.session.fault("read the journal", &error))?;
            self.after = n;
            self.page.extend_from_slice(bytes);
        }
        self.ended = rows.is_empty();
        Ok(())
    }
}

impl BufRead for Lines {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.page.len() && !self.ended {
            if let Err(fault) = self.next_page() {
                let said = io::Error::other(fault.to_string());
                self.fault = Some(fault);
                return Err(said);
            }
        }
        Ok(self.page.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}
