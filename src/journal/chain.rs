//! The chain: how an entry becomes a line that names the line before it, and how a line is checked without parsing it.
//!
//! The outer layout is fixed for ever, so that every keyrota can check every journal: `{"n":N,"at":"..", .. ,"before":"..",
//! "own":".."}`, the two digests last and of one length, so that a check is a slice of bytes.

use chrono::TimeDelta;
use serde::Serialize;

use crate::digest;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::broken::Why;
use crate::journal::entry::Draft;
use crate::journal::entry::Entry;
use crate::journal::entry::rounded;
use crate::journal::entry::write_hour;
use crate::journal::event::Event;
use crate::journal::head::Head;
use crate::journal::name::RunId;
use crate::model::Hour;

/// The longest a line may be: room for the opening of a run over many thousand keys.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// How far a clock may step back before nothing more is written. Less is written with the hour of the entry before.
const STEP_BACK_MAX: TimeDelta = TimeDelta::minutes(5);

const DOMAIN: &str = "keyrota-journal";
const HEX: usize = 64;
const START: &[u8] = b"{\"n\":";
const AT: &[u8] = b",\"at\":\"";
const AT_LENGTH: usize = "2026-01-31T12:00:00.000Z".len();
const BEFORE: &[u8] = b",\"before\":\"";
const OWN: &[u8] = b"\",\"own\":\"";
const END: &[u8] = b"\"}\n";

/// Where the next entry goes: after which, and not before which hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    head: Head,
    at: Option<Hour>,
}

/// Entries that are chained and not yet kept.
#[derive(Debug)]
pub struct Drawn {
    /// Their lines.
    pub bytes: Vec<u8>,
    /// As they will be read back.
    pub entries: Vec<Entry>,
    /// The tail once they are kept.
    pub tail: Tail,
}

#[derive(Serialize)]
struct Line<'a> {
    n: u64,
    #[serde(serialize_with = "write_hour")]
    at: Hour,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a RunId>,
    what: &'a Event,
}

impl Tail {
    /// The tail of a journal without entries.
    pub const NONE: Self = Self { head: Head::NONE, at: None };

    pub(super) fn new(head: Head, at: Option<Hour>) -> Self {
        Self { head, at }
    }

    /// The head as of this tail.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Chains entries behind this tail. Nothing is kept yet: that is the home's work.
    ///
    /// # Errors
    /// An entry is out of its place, too long, or so much older than the last that the clock must be wrong.
    pub fn draw(&self, drafts: Vec<Draft>) -> Result<Drawn, Fault> {
        let mut drawn =
            Drawn { bytes: Vec::with_capacity(512), entries: Vec::with_capacity(drafts.len()), tail: *self };
        for draft in drafts {
            let entry = drawn.tail.next(draft, &mut drawn.bytes)?;
            drawn.tail = Self { head: Head { count: entry.n, digest: entry.own }, at: Some(entry.at) };
            drawn.entries.push(entry);
        }
        Ok(drawn)
    }

    fn next(&self, draft: Draft, out: &mut Vec<u8>) -> Result<Entry, Fault> {
        let n = self.head.count.saturating_add(1);
        if matches!(draft.event, Event::Begun { .. }) != (n == 1) {
            return Err(Fault::report_bug(doing(n), "`begun` is the first entry of a journal and no other"));
        }
        let at = self.hour(n, rounded(draft.at))?;
        let before = self.head.digest;
        let start = out.len();
        let line = Line { n, at, actor: &draft.actor, run: draft.run.as_ref(), what: &draft.event };
        serde_json::to_writer(&mut *out, &line).map_err(|error| Fault::report_bug(doing(n), error))?;
        // The closing brace comes after the digests.
        out.pop();
        out.extend_from_slice(BEFORE);
        out.extend_from_slice(before.hex().as_bytes());
        out.push(b'"');
        let own = own(out.get(start..).unwrap_or_default());
        out.extend_from_slice(OWN.get(1..).unwrap_or_default());
        out.extend_from_slice(own.hex().as_bytes());
        out.extend_from_slice(END);
        if out.len().saturating_sub(start) > LINE_BYTES_MAX {
            return Err(Fault::give_up(doing(n), format!("it would be longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(Entry { n, at, actor: draft.actor, run: draft.run, event: draft.event, before, own })
    }

    /// The hour of the next entry: never before the last one's.
    fn hour(&self, n: u64, at: Hour) -> Result<Hour, Fault> {
        match self.at {
            Some(last) if at < last && last - at > STEP_BACK_MAX => Err(Fault::ask_operator(
                doing(n),
                format!("the clock says {} and the entry before is from {}", at.to_rfc3339(), last.to_rfc3339()),
            )
            .hint("set the machine's clock: a journal's time never goes back")),
            Some(last) => Ok(at.max(last)),
            None => Ok(at),
        }
    }
}

fn doing(n: u64) -> String {
    format!("write entry {n} of the journal")
}

/// The digest of an entry: framed, over its line from the first byte to the quote that closes `before`.
fn own(covered: &[u8]) -> Digest {
    digest::of(DOMAIN, &[covered])
}

/// Checks lines, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    count: u64,
    own: [u8; HEX],
    before: [u8; HEX],
    at: [u8; AT_LENGTH],
}

impl Checker {
    pub(super) const NONE: Self = Self { count: 0, own: [b'0'; HEX], before: [0; HEX], at: [0; AT_LENGTH] };

    /// How many lines were well.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The digest of the last line that was well.
    pub(super) fn head(&self) -> Head {
        let digest = std::str::from_utf8(&self.own).ok().and_then(|text| Digest::parse(text).ok());
        Head { count: self.count, digest: digest.unwrap_or(Head::NONE.digest) }
    }

    /// The hour of the last line that was well.
    pub(super) fn at(&self) -> Option<Hour> {
        std::str::from_utf8(&self.at).ok()?.parse().ok()
    }

    /// Checks the next line, its newline included.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Why> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Why::TooLong);
        }
        let parts = Parts::of(line).ok_or(Why::Shape)?;
        let mut found = [0; HEX];
        hex::encode_to_slice(own(parts.covered).0, &mut found).map_err(|_| Why::Shape)?;
        if found != *parts.own {
            return Err(Why::Changed);
        }
        let next = self.count.saturating_add(1);
        if *parts.before == self.before {
            return Err(Why::Fork);
        }
        if parts.n != next {
            return Err(Why::Place { found: parts.n });
        }
        if *parts.before != self.own {
            return Err(Why::NotNext);
        }
        if *parts.at < self.at {
            return Err(Why::Earlier);
        }
        *self = Self { count: next, own: *parts.own, before: *parts.before, at: *parts.at };
        Ok(())
    }
}

/// A line taken apart by its layout alone.
struct Parts<'a> {
    n: u64,
    at: &'a [u8; AT_LENGTH],
    covered: &'a [u8],
    before: &'a [u8; HEX],
    own: &'a [u8; HEX],
}

impl<'a> Parts<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(END)?;
        let (rest, own) = rest.split_last_chunk::<HEX>()?;
        let covered = rest.len().checked_sub(OWN.len())?.checked_add(1)?;
        let rest = rest.strip_suffix(OWN)?;
        let (rest, before) = rest.split_last_chunk::<HEX>()?;
        rest.strip_suffix(BEFORE)?;

        let rest = line.strip_prefix(START)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(digits)?;
        if digits.starts_with(b"0") {
            return None;
        }
        let n = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (at, rest) = rest.strip_prefix(AT)?.split_first_chunk::<AT_LENGTH>()?;
        if !at.ends_with(b"Z") || !rest.starts_with(b"\",") {
            return None;
        }
        Some(Self { n, at, covered: line.get(..covered)?, before, own })
    }
}
