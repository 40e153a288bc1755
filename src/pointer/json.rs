//! Scalars and tables in JSON: a scanner that finds where a value stands. It takes what a strict reader takes, and comments and commas
//! before a closing bracket besides, because files of settings have them.

use crate::pointer::Kind;
use crate::pointer::Scalar;
use crate::pointer::Unfit;
use crate::pointer::path;
use crate::pointer::seek::Found;
use crate::pointer::seek::Seek;
use crate::pointer::table::Entry;
use crate::pointer::table::Form;
use crate::pointer::table::Table;
use serde_json::value::RawValue;
use std::ops::Range;
use zeroize::Zeroizing;

/// How deep values may lie within each other: as deep as `serde_json` reads.
const DEPTH_MAX: usize = 128;

pub(super) fn find(text: &str, parts: &[String]) -> Result<Option<Scalar>, Unfit> {
    Ok(scan(text, parts, Seek::Scalar)?.and_then(Found::scalar))
}

pub(super) fn table(text: &str, parts: &[String]) -> Result<Option<Table>, Unfit> {
    Ok(scan(text, parts, Seek::Table)?.and_then(Found::table))
}

fn scan(text: &str, parts: &[String], seek: Seek) -> Result<Option<Found>, Unfit> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.len().saturating_sub(body.len());
    let mut scan = Scan { text, at: start, parts, seek, found: None };
    let wrong = |scan: &Scan<'_>, why: Why| match why {
        Why::Wrong => Unfit(format!("it is not JSON from character {} on", scan.count())),
        Why::Unfit(unfit) => unfit,
    };
    scan.value(Some(0), 0).map_err(|why| wrong(&scan, why))?;
    scan.blanks().map_err(|why| wrong(&scan, why))?;
    if scan.at < text.len() {
        return Err(wrong(&scan, Why::Wrong));
    }
    Ok(scan.found)
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    parts: &'t [String],
    seek: Seek,
    found: Option<Found>,
}

enum Why {
    /// It is not JSON from where the scan stands.
    Wrong,
    Unfit(Unfit),
}

impl Scan<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn count(&self) -> usize {
        self.text.get(..self.at).map_or(0, |before| before.chars().count()).saturating_add(1)
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    /// Takes this byte, with what is blank before it.
    fn take(&mut self, byte: u8) -> Result<bool, Why> {
        self.blanks()?;
        let there = self.next() == Some(byte);
        if there {
            self.skip(1);
        }
        Ok(there)
    }

    fn blanks(&mut self) -> Result<(), Why> {
        loop {
            let rest = self.rest();
            let blank = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\n', '\r']).len());
            let comment = match rest.get(blank..).unwrap_or_default() {
                line if line.starts_with("//") => line.find('\n').unwrap_or(line.len()),
                block if block.starts_with("/*") => match block.get(2..).and_then(|inside| inside.find("*/")) {
                    Some(end) => end.saturating_add(4),
                    None => return Err(Why::Wrong),
                },
                _ => 0,
            };
            self.skip(blank.saturating_add(comment));
            if comment == 0 {
                return Ok(());
            }
        }
    }

    /// A value. `way` is how many parts of the path led to it, where they did.
    fn value(&mut self, way: Option<usize>, depth: usize) -> Result<(), Why> {
        self.blanks()?;
        let wanted = way.is_some_and(|way| way == self.parts.len());
        match self.next() {
            Some(b'{') if wanted && self.seek == Seek::Table => self.object(None, depth.saturating_add(1), true),
            Some(b'{' | b'[') if wanted && self.seek == Seek::Scalar => {
                Err(Why::Unfit(Unfit(format!("`{}` is not one value", path::shown(self.parts)))))
            }
            _ if wanted && self.seek == Seek::Table => {
                Err(Why::Unfit(Unfit(format!("`{}` is not a table", path::shown(self.parts)))))
            }
            Some(b'{' | b'[') if depth >= DEPTH_MAX => Err(Why::Wrong),
            Some(b'{') => self.object(way, depth.saturating_add(1), false),
            Some(b'[') => self.list(way, depth.saturating_add(1)),
            _ => self.scalar(wanted),
        }
    }

    /// An object. The one that is sought is listed.
    fn object(&mut self, way: Option<usize>, depth: usize, sought: bool) -> Result<(), Why> {
        self.skip(1);
        let (start, mut entries, mut met) = (self.at, Vec::new(), false);
        loop {
            if self.take(b'}')? {
                break;
            }
            let key = self.string()?;
            let name: String = self.decode(&key)?;
            if !self.take(b':')? {
                return Err(Why::Wrong);
            }
            let here = way.filter(|way| self.parts.get(*way) == Some(&name)).map(|way| way.saturating_add(1));
            if here.is_some() && met {
                let twice = path::shown(self.parts.get(..here.unwrap_or(0)).unwrap_or_default());
                return Err(Why::Unfit(Unfit(format!("`{twice}` stands in it twice"))));
            }
            met |= here.is_some();
            self.blanks()?;
            let from = self.at;
            self.value(here, depth)?;
            if sought {
                let value = from..self.at;
                let is_text = self.text.get(value.clone()).is_some_and(|text| text.starts_with('"'));
                let text = if is_text { Some(Zeroizing::new(self.decode(&value)?)) } else { None };
                entries.push(Entry { name, key, value, text });
            }
            if !self.take(b',')? {
                match self.take(b'}')? {
                    true => break,
                    false => return Err(Why::Wrong),
                }
            }
        }
        if sought {
            let inside = start..self.at.saturating_sub(1);
            self.found = Some(Found::Table(Table::new(entries, Form::Braces(inside))));
        }
        Ok(())
    }

    fn list(&mut self, way: Option<usize>, depth: usize) -> Result<(), Why> {
        self.skip(1);
        let wanted = way.and_then(|way| self.parts.get(way)).and_then(|part| part.parse::<usize>().ok());
        for place in 0_usize.. {
            if self.take(b']')? {
                return Ok(());
            }
            let here = way.filter(|_| wanted == Some(place)).map(|way| way.saturating_add(1));
            self.value(here, depth)?;
            if !self.take(b',')? {
                return if self.take(b']')? { Ok(()) } else { Err(Why::Wrong) };
            }
        }
        Err(Why::Wrong)
    }

    fn scalar(&mut self, wanted: bool) -> Result<(), Why> {
        let start = self.at;
        let (kind, value) = match self.next() {
            Some(b'"') => {
                let place = self.string()?;
                // Only what is asked for is copied: a document may hold keys.
                (Kind::Text, if wanted { self.decode(&place)? } else { String::new() })
            }
            Some(b'-' | b'0'..=b'9') => {
                (Kind::Number, self.word(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))?)
            }
            _ => {
                let word = self.word(|b| b.is_ascii_alphabetic())?;
                match word.as_str() {
                    "true" | "false" => (Kind::Truth, word),
                    "null" => (Kind::Nothing, word),
                    _ => return Err(Why::Wrong),
                }
            }
        };
        if wanted {
            self.found = Some(Found::Scalar(Scalar { kind, value, span: start..self.at }));
        }
        Ok(())
    }

    /// A bare word that a strict reader takes.
    fn word(&mut self, inside: impl Fn(u8) -> bool) -> Result<String, Why> {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !inside(b)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_owned();
        // Only the form is of interest: how big a number is, is its owner's affair.
        serde_json::from_str::<&RawValue>(&word).map_err(|_| Why::Wrong)?;
        self.skip(end);
        Ok(word)
    }

    /// Where a string stands.
    fn string(&mut self) -> Result<Range<usize>, Why> {
        self.blanks()?;
        let rest = self.rest();
        if !rest.starts_with('"') {
            return Err(Why::Wrong);
        }
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        let end = end.ok_or(Why::Wrong)?.saturating_add(2);
        let text = rest.get(..end).ok_or(Why::Wrong)?;
        serde_json::from_str::<&RawValue>(text).map_err(|_| Why::Wrong)?;
        let start = self.at;
        self.skip(end);
        Ok(start..self.at)
    }

    fn decode(&self, place: &Range<usize>) -> Result<String, Why> {
        let text = self.text.get(place.clone()).ok_or(Why::Wrong)?;
        serde_json::from_str(text).map_err(|_| Why::Wrong)
    }
}
