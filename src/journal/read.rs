//! Reading a journal: the whole chain is checked at once, entries are parsed when somebody asks for them.

use std::io;
use std::io::BufRead;
use std::io::Read;

use serde::Deserialize;

use crate::journal::broken::Broken;
use crate::journal::broken::Why;
use crate::journal::chain::Checker;
use crate::journal::chain::LINE_BYTES_MAX;
use crate::journal::chain::Tail;
use crate::journal::entry::Entry;
use crate::journal::event::FORMAT;
use crate::journal::head::Head;

/// A journal whose chain was found whole.
#[derive(Debug, Clone)]
pub struct Journal {
    bytes: Vec<u8>,
    /// Where each line begins, and where the last one ends.
    starts: Vec<usize>,
    tail: Tail,
    torn: Option<Torn>,
}

/// What stands behind the last newline: the part of a line that a crash left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins: the length of the journal without it.
    pub from: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a check of a whole journal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Where the journal ends.
    pub head: Head,
    /// How many bytes stand behind the last newline.
    pub torn: u64,
}

/// Checks a whole journal and takes it in. `head` is what its home kept apart, or a witness: the journal must have come by it.
///
/// # Errors
/// It is not as it was written. A torn last line is no error: it is in [`Journal::torn`].
pub fn read(bytes: Vec<u8>, head: Option<&Head>) -> Result<Journal, Broken> {
    let mut check = Check::new(head.into_iter().copied().collect());
    let mut starts = vec![0];
    let mut rest = bytes.as_slice();
    let mut from = 0;
    while let Some(end) = line_end(rest) {
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        check.line(line)?;
        rest = after;
        from += end;
        starts.push(from);
    }
    let torn = (!rest.is_empty()).then(|| Torn { from: from as u64, bytes: rest.to_vec() });
    let tail = check.end()?;
    Ok(Journal { bytes, starts, tail, torn })
}

/// Checks a whole journal as it streams by, holding one line. It must have come by every one of `heads`: the one that its home
/// kept apart, and witnesses.
///
/// # Errors
/// The reader's own, or that the journal is not as it was written.
pub fn verify(mut from: impl BufRead, heads: &[Head]) -> Result<Result<Checked, Broken>, io::Error> {
    let mut check = Check::new(heads.to_vec());
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let count = from.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') && count as u64 != most {
            return Ok(check.end().map(|tail| Checked { head: tail.head(), torn: count as u64 }));
        }
        if let Err(broken) = check.line(&line) {
            return Ok(Err(broken));
        }
    }
}

/// How long the first line is, its newline included.
fn line_end(bytes: &[u8]) -> Option<usize> {
    // The standard library finds a byte fast only behind `BufRead`.
    let mut rest = bytes;
    let count = rest.skip_until(b'\n').unwrap_or(0);
    (count > 0 && bytes.get(count - 1) == Some(&b'\n')).then_some(count)
}

struct Check {
    checker: Checker,
    heads: Vec<Head>,
}

impl Check {
    fn new(heads: Vec<Head>) -> Self {
        Self { checker: Checker::NONE, heads }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let n = self.checker.count().saturating_add(1);
        self.checker.line(line).map_err(|why| Broken::at(n, why))?;
        if n == 1 {
            begins(line).map_err(|why| Broken::at(n, why))?;
        }
        match self.heads.iter().find(|head| head.count == n && self.checker.head() != **head) {
            Some(head) => Err(Broken::at(n, Why::NotTheHead { head: *head })),
            None => Ok(()),
        }
    }

    fn end(&self) -> Result<Tail, Broken> {
        let count = self.checker.count();
        if self.heads.iter().any(|head| head.count == 0 && *head != Head::NONE) {
            let said = "it has seen no entry and states a digest".to_owned();
            return Err(Broken::of(Why::HeadUnreadable { said }));
        }
        match self.heads.iter().find(|head| head.count > count) {
            Some(head) if count == 0 => Err(Broken::of(Why::Lost { head: *head })),
            Some(head) => Err(Broken::of(Why::Cut { count, head: *head })),
            None => Ok(Tail::new(self.checker.head(), self.checker.at())),
        }
    }
}

/// Whether the first line begins a journal of the format that we know.
fn begins(line: &[u8]) -> Result<(), Why> {
    #[derive(Deserialize)]
    struct First {
        what: What,
    }
    #[derive(Deserialize)]
    struct What {
        event: String,
        format: Option<String>,
    }
    let first: First = serde_json::from_slice(line).map_err(|error| Why::Unreadable { said: error.to_string() })?;
    match (first.what.event.as_str(), first.what.format) {
        ("begun", Some(format)) if format == FORMAT => Ok(()),
        ("begun", Some(format)) => Err(Why::Newer { format }),
        _ => Err(Why::Beginning),
    }
}

impl Journal {
    /// A journal without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: Vec::new(), starts: vec![0], tail: Tail::NONE, torn: None }
    }

    /// Its entries, each parsed when it is asked for.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Result<Entry, Broken>> {
        self.starts.windows(2).enumerate().map(|(at, range)| {
            let n = (at as u64).saturating_add(1);
            let line = match range {
                [start, end] => self.bytes.get(*start..*end).unwrap_or_default(),
                _ => &[],
            };
            serde_json::from_slice(line).map_err(|error| Broken::at(n, Why::Unreadable { said: error.to_string() }))
        })
    }

    /// How many entries it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.head().count
    }

    /// Where it ends. Printed, it is the witness line.
    #[must_use]
    pub fn head(&self) -> Head {
        self.tail.head()
    }

    /// Where the next entry goes.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// What a crash left behind the last newline.
    #[must_use]
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Its lines, without what is torn.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        let end = self.starts.last().copied().unwrap_or(0);
        self.bytes.get(..end).unwrap_or_default()
    }
}
