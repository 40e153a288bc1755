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

/// Checks a whole journal and takes it in. `heads` are what its home kept apart, or witnesses: the journal must have come by each.
///
/// # Errors
/// It is not as it was written. A torn last line is no error: it is in [`Journal::torn`].
pub fn read<'a>(bytes: Vec<u8>, heads: impl IntoIterator<Item = &'a Head>) -> Result<Journal, Broken> {
    let mut check = Check::new(heads.into_iter().copied().collect());
    let mut starts = vec![0];
    let torn = check.all(&bytes, |start| starts.push(start))?;
    let torn =
        (!torn.is_empty()).then(|| Torn { from: bytes.len().saturating_sub(torn.len()) as u64, bytes: torn.to_vec() });
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

#[derive(Clone)]
struct Check {
    checker: Checker,
    heads: Vec<Head>,
}

impl Check {
    fn new(heads: Vec<Head>) -> Self {
        Self { checker: Checker::NONE, heads }
    }

    /// Checks all whole lines, says where each ends, and gives back what stands behind the last newline.
    fn all<'a>(&mut self, bytes: &'a [u8], mut ends: impl FnMut(usize)) -> Result<&'a [u8], Broken> {
        let mut rest = bytes;
        while let Some((line, after)) = line_end(rest).and_then(|end| rest.split_at_checked(end)) {
            self.line(line)?;
            rest = after;
            ends(bytes.len().saturating_sub(rest.len()));
        }
        Ok(rest)
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

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Check;
    use super::Checked;
    use super::read;
    use super::verify;
    use crate::journal::Broken;
    use crate::journal::Clock;
    use crate::journal::Draft;
    use crate::journal::Event;
    use crate::journal::Head;
    use crate::journal::Journal;
    use crate::journal::Tail;
    use crate::journal::Why;
    use crate::model::Hour;

    const COUNT: u64 = 100;

    fn hour(n: u64) -> Hour {
        Hour::from_timestamp(1_772_366_400 + i64::try_from(n).unwrap(), 0).unwrap()
    }

    fn note(n: u64) -> Draft {
        Draft::new(hour(n), "kim@ops", Event::Note { text: format!("line {n}") })
    }

    fn sample() -> (Vec<u8>, Head) {
        let mut drafts = vec![Draft::new(hour(0), "kim@ops", Event::begun(Clock::Real))];
        drafts.extend((2..=COUNT).map(note));
        let drawn = Tail::NONE.draw(drafts).unwrap();
        (drawn.bytes, drawn.tail.head())
    }

    fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// What a reader says to these bytes, the first `skip` lines of which are the sample's own and were well.
    fn judge(from: &Check, rest: &[u8]) -> Result<usize, Broken> {
        let mut check = from.clone();
        let torn = check.all(rest, |_| {})?.len();
        check.end().map(|_| torn)
    }

    fn broken(bytes: &[u8], head: Option<&Head>) -> Broken {
        let streamed = verify(bytes, &head.into_iter().copied().collect::<Vec<_>>()).unwrap().unwrap_err();
        let whole = read(bytes.to_vec(), head).unwrap_err();
        assert_eq!(streamed, whole);
        whole
    }

    #[test]
    fn every_flipped_bit_is_found_and_its_entry_named() {
        let (bytes, head) = sample();
        for heads in [vec![head], Vec::new()] {
            let mut check = Check::new(heads.clone());
            let mut start = 0;
            for (line, n) in lines(&bytes).iter().zip(1..) {
                let mut rest = bytes[start..].to_vec();
                for at in 0..line.len() {
                    for bit in 0..8 {
                        rest[at] ^= 1 << bit;
                        let found = judge(&check, &rest);
                        rest[at] ^= 1 << bit;
                        if n == COUNT && at == line.len() - 1 {
                            // The last newline: a torn tail, which only the head can tell from a crash.
                            match heads.first() {
                                Some(head) => {
                                    assert_eq!(found.unwrap_err().why, Why::Cut { count: COUNT - 1, head: *head });
                                }
                                None => assert_eq!(found, Ok(line.len())),
                            }
                        } else {
                            assert_eq!(found.unwrap_err().entry, Some(n), "byte {at} of entry {n}, bit {bit}");
                        }
                    }
                }
                check.line(line).unwrap();
                start += line.len();
            }
        }
    }

    #[test]
    fn every_cut_is_found_by_the_head_or_is_torn() {
        let (bytes, head) = sample();
        for len in 0..bytes.len() {
            let cut = &bytes[..len];
            let count = cut.iter().filter(|byte| **byte == b'\n').count() as u64;
            let why = if count == 0 { Why::Lost { head } } else { Why::Cut { count, head } };
            let mut check = Check::new(vec![head]);
            let torn = check.all(cut, |_| {}).unwrap().len();
            assert_eq!(check.end(), Err(Broken::of(why)), "cut to {len} bytes");
            assert_eq!(torn > 0, len > 0 && cut[len - 1] != b'\n');
        }
        let whole = read(bytes.clone(), Some(&head)).unwrap();
        assert_eq!((whole.count(), whole.head(), whole.torn()), (COUNT, head, None));
        assert_eq!(verify(bytes.as_slice(), &[head, head]).unwrap(), Ok(Checked { head, torn: 0 }));
    }

    #[test]
    fn lines_dropped_swapped_doubled_and_put_in_are_named() {
        let (bytes, head) = sample();
        let own = lines(&bytes);
        let alter = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut lines = own.clone();
            change(&mut lines);
            broken(&lines.concat(), Some(&head))
        };
        assert_eq!(alter(&|lines| drop(lines.remove(41))), Broken::at(42, Why::Place { found: 43 }));
        assert_eq!(alter(&|lines| lines.swap(41, 42)), Broken::at(42, Why::Place { found: 43 }));
        assert_eq!(alter(&|lines| lines.insert(41, own[40].clone())), Broken::at(42, Why::Fork));
        assert_eq!(alter(&|lines| lines.insert(41, own[3].clone())), Broken::at(42, Why::Place { found: 4 }));
        assert_eq!(alter(&|lines| drop(lines.remove(0))), Broken::at(1, Why::Place { found: 2 }));
        assert_eq!(alter(&|lines| drop(lines.pop())).why, Why::Cut { count: COUNT - 1, head });

        // Somebody who can count and hash: a second entry after the 40th, and all that follows drawn anew.
        let before = read(own[..40].concat(), None).unwrap().tail();
        let other = before.draw(vec![note(77)]).unwrap().bytes;
        assert_eq!(alter(&|lines| lines.insert(41, other.clone())), Broken::at(42, Why::Fork));
        assert_eq!(alter(&|lines| lines[40].clone_from(&other)), Broken::at(42, Why::NotNext));
        let anew = before.draw((41..=COUNT).map(|n| note(n + 1)).collect()).unwrap().bytes;
        let forged = [own[..40].concat(), anew].concat();
        assert_eq!(broken(&forged, Some(&head)), Broken::at(COUNT, Why::NotTheHead { head }));
        assert_eq!(read(forged, None).unwrap().count(), COUNT, "without a head it is a journal like any other");
    }

    /// Lines that somebody else built, whole by their digest.
    fn built(text: &str) -> Vec<u8> {
        let covered = format!("{text},\"before\":\"{}\"", Head::NONE.digest);
        let own = crate::digest::of("keyrota-journal", &[covered.as_bytes()]);
        format!("{covered},\"own\":\"{own}\"}}\n").into_bytes()
    }

    #[test]
    fn a_journal_begins_as_one_that_we_know() {
        let line =
            |what: &str| built(&format!(r#"{{"n":1,"at":"2026-03-01T12:00:00.000Z","actor":"kim","what":{what}"#));
        let begun = r#"{"event":"begun","format":"keyrota-journal/1","tool":"0.1.0","clock":"real"}"#;
        assert!(read(line(begun), None).unwrap().entries().all(|entry| entry.is_ok()));
        let newer = begun.replace("/1", "/2");
        let format = "keyrota-journal/2".to_owned();
        assert_eq!(broken(&line(&newer), None), Broken::at(1, Why::Newer { format }));
        assert_eq!(broken(&line(r#"{"event":"note","text":"x"}"#), None), Broken::at(1, Why::Beginning));
        assert!(matches!(broken(&line("{{"), None).why, Why::Unreadable { .. }));
        for shape in ["", "{}\n", "\n", "null\n"] {
            assert_eq!(broken(format!("{shape}\n").as_bytes(), None), Broken::at(1, Why::Shape), "{shape:?}");
        }
        for bad in [r#"{"n":01,"at":"2026-03-01T12:00:00.000Z""#, r#"{"n":1,"at":"x""#, r#"{"n":+1,"at":"2026""#, "{"] {
            assert_eq!(broken(&built(bad), None), Broken::at(1, Why::Shape), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_is_named_when_it_is_asked_for() {
        let begun = Tail::NONE.draw(vec![Draft::new(hour(0), "kim", Event::begun(Clock::Real))]).unwrap();
        let good = begun.tail.draw(vec![note(2)]).unwrap().bytes;
        let good = String::from_utf8(good).unwrap();
        for (from, to) in [("note", "noted"), ("\"text\"", "\"more\":1,\"text\""), (",\"actor\"", ",\"x\":1,\"actor\"")]
        {
            let covered = good.replace(from, to);
            let covered = covered.split(",\"own\"").next().unwrap();
            let own = crate::digest::of("keyrota-journal", &[covered.as_bytes()]);
            let bytes = [begun.bytes.clone(), format!("{covered},\"own\":\"{own}\"}}\n").into_bytes()].concat();
            let journal = read(bytes, None).unwrap();
            let why = journal.entries().nth(1).unwrap().unwrap_err();
            assert!(matches!(why, Broken { entry: Some(2), why: Why::Unreadable { .. } }), "{why}");
        }
    }

    #[test]
    fn nothing_is_a_journal_without_entries() {
        let nothing = read(Vec::new(), Some(&Head::NONE)).unwrap();
        assert_eq!((nothing.head(), nothing.entries().count()), (Head::NONE, 0));
        assert_eq!(nothing.head(), Journal::empty().head());
        let odd = Head { count: 0, digest: crate::digest::plain(b"") };
        assert!(matches!(broken(b"", Some(&odd)).why, Why::HeadUnreadable { .. }));
    }
}
