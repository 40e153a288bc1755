//! Values that only a service opens, a page at a time: rewrapped by it where nothing binds them to their rows, opened and
//! sealed by it where associated data does. A sample of each page is opened before and after, and compared, before the page is
//! written.

pub(super) mod look;

use std::collections::BTreeSet;

use super::judge::Aad;
use super::judge::Judged;
use super::judge::leave;
use super::judge::named;
use super::judge::no_bytes;
use super::ring::Ring;
use super::tell::Quarantined;
use super::tell::Why;
use crate::envelope::Parts;
use crate::envelope::Sealed;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::policy::meant::store::VersionAt;
use crate::port::service::Answer;
use crate::port::service::Asked;
use crate::port::service::No;
use crate::port::service::Plain;
use crate::port::service::Service;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Page;
use crate::port::store::Value;
use crate::secret::Secret;

/// Judges rows of one block whose values only a service opens.
pub(super) struct Served<'a> {
    block: &'a Block,
    target: &'a VersionId,
    ring: &'a Ring,
    service: &'a dyn Service,
    aads: Vec<Aad<'a>>,
    text: String,
}

/// A value on its way.
pub(super) struct Item<'a> {
    row: usize,
    at: usize,
    /// The version that it names.
    names: Option<&'a VersionId>,
    bytes: Vec<u8>,
    old: Vec<u8>,
    new: Vec<u8>,
    end: End<'a>,
}

/// What became of a value.
enum End<'a> {
    Waits(Why),
    There,
    Sealed(&'a VersionId, Vec<u8>),
    Left(Why),
}

impl Why {
    pub(super) fn of(no: No) -> Self {
        match no {
            No::Misfit(why) => Self::Misfit(why),
            No::NoKey => Self::NoKey,
            No::DoesNotOpen => Self::DoesNotOpen,
            No::Said(why) => Self::Said(why),
        }
    }
}

impl Item<'_> {
    fn may_be_under(&self, version: &VersionId) -> bool {
        matches!(self.end, End::Waits(_)) && self.names.is_none_or(|names| names == version)
    }

    fn asked<'i>(&'i self, version: &'i VersionId) -> Asked<'i> {
        Asked { version, bytes: &self.bytes, aad: &self.old }
    }

    /// What does not open under one version may open under another, where it names none.
    fn refused(&mut self, no: No) {
        let why = Why::of(no);
        self.end = if self.names.is_some() { End::Left(why) } else { End::Waits(why) };
    }
}

impl<'a> Served<'a> {
    pub(super) fn new(block: &'a Block, target: &'a VersionId, ring: &'a Ring, service: &'a dyn Service) -> Self {
        let text = block.text_of(target);
        let aads = block.columns.iter().map(|column| Aad::new(block, column, text)).collect();
        Self { block, target, ring, service, aads, text: String::new() }
    }

    pub(super) fn page(&mut self, page: Page) -> Result<Judged, Fault> {
        let mut judged =
            Judged { changes: Changes::new(self.block.columns.len()), page, there: 0, quarantined: Vec::new() };
        let mut items = Vec::new();
        for row in 0..judged.page.rows() {
            self.row(&judged.page, row, &mut items, &mut judged.there, &mut judged.quarantined);
        }
        let versions = self.block.versions.iter().rev().map(|known| &known.id);
        for version in versions {
            self.under(version, &mut items)?;
        }
        self.sample(&judged.page, &items)?;
        self.write(items, &mut judged)?;
        Ok(judged)
    }

    /// What is to be asked about one row.
    fn row(
        &mut self,
        page: &Page,
        row: usize,
        items: &mut Vec<Item<'a>>,
        there: &mut u64,
        quarantined: &mut Vec<Quarantined>,
    ) {
        let beside = match names_beside(self.block, page, row, &mut self.text) {
            Ok(beside) => beside,
            Err(why) => {
                let sealed = (0..self.block.columns.len()).filter(|at| !page.value(row, *at).is_null());
                quarantined.extend(sealed.map(|at| leave(self.block, page, row, at, None, why.clone())));
                return;
            }
        };
        for at in 0..self.block.columns.len() {
            if page.value(row, at).is_null() {
                continue;
            }
            match self.item(page, row, at, beside) {
                Ok(item) if item.names == Some(self.target) => *there = there.saturating_add(1),
                Ok(item) => items.push(item),
                Err((names, why)) => {
                    let (bytes, old, new) = <(Vec<u8>, Vec<u8>, Vec<u8>)>::default();
                    items.push(Item { row, at, names, bytes, old, new, end: End::Left(why) });
                }
            }
        }
    }

    fn item(
        &mut self,
        page: &Page,
        row: usize,
        at: usize,
        beside: Option<&'a VersionId>,
    ) -> Result<Item<'a>, (Option<&'a VersionId>, Why)> {
        let (Some(column), Some(aad)) = (self.block.columns.get(at), self.aads.get_mut(at)) else {
            return Err((None, Why::NoKey));
        };
        take(self.block, (page, row, at), column, aad, beside)
    }

    /// Asks about every value that is, or may be, under a version.
    fn under(&self, version: &'a VersionId, items: &mut [Item<'a>]) -> Result<(), Fault> {
        let mine: Vec<&mut Item<'a>> = items.iter_mut().filter(|item| item.may_be_under(version)).collect();
        if mine.is_empty() {
            return Ok(());
        }
        if !self.ring.opens(version) {
            mine.into_iter().for_each(|item| item.refused(No::NoKey));
            return Ok(());
        }
        if version == self.target && self.block.version_beside().is_none() {
            // It names no version; where it opens under this one, it is where it should be.
            let opened = self.service.open(&asked(&mine, version))?;
            for (item, answer) in all(mine, opened)? {
                match answer {
                    Ok(_) => item.end = End::There,
                    Err(no) => item.refused(no),
                }
            }
            return Ok(());
        }
        let (bound, free): (Vec<_>, Vec<_>) =
            mine.into_iter().partition(|item| !item.old.is_empty() || !item.new.is_empty());
        if !free.is_empty() {
            let sealed = self.service.rewrap(&asked(&free, version), self.target)?;
            for (item, answer) in all(free, sealed)? {
                match answer {
                    Ok(bytes) => item.end = End::Sealed(version, bytes),
                    Err(no) => item.refused(no),
                }
            }
        }
        self.bound(version, bound)
    }

    /// A service's own rewrap carries no associated data: what has some is opened and sealed.
    fn bound(&self, version: &'a VersionId, bound: Vec<&mut Item<'a>>) -> Result<(), Fault> {
        if bound.is_empty() {
            return Ok(());
        }
        let opened = self.service.open(&asked(&bound, version))?;
        let mut plain = Vec::new();
        let mut ready = Vec::new();
        for (item, answer) in all(bound, opened)? {
            match answer {
                Ok(secret) => {
                    plain.push(secret);
                    ready.push(item);
                }
                Err(no) => item.refused(no),
            }
        }
        let values: Vec<Plain<'_>> =
            ready.iter().zip(&plain).map(|(item, bytes)| Plain { bytes, aad: &item.new }).collect();
        let sealed = self.service.seal(&values, self.target)?;
        drop(values);
        for (item, answer) in all(ready, sealed)? {
            match answer {
                Ok(bytes) => item.end = End::Sealed(version, bytes),
                Err(no) => item.refused(no),
            }
        }
        Ok(())
    }

    /// Opens one value of each column and version before and after, and compares: a service that seals something else anew
    /// than it was given is found before anything of it is written.
    fn sample(&self, page: &Page, items: &[Item<'a>]) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        let mut picked: Vec<(&Item<'a>, Asked<'_>, Asked<'_>)> = Vec::new();
        for item in items {
            if let End::Sealed(version, sealed) = &item.end
                && seen.insert((item.at, *version))
            {
                let after = Asked { version: self.target, bytes: sealed, aad: &item.new };
                picked.push((item, item.asked(version), after));
            }
        }
        if picked.is_empty() {
            return Ok(());
        }
        let before: Vec<Asked<'_>> = picked.iter().map(|(_, before, _)| *before).collect();
        let after: Vec<Asked<'_>> = picked.iter().map(|(_, _, after)| *after).collect();
        let answers = self.service.open(&before)?.into_iter().zip(self.service.open(&after)?);
        for ((item, ..), (before, after)) in picked.iter().zip(answers) {
            if !matches!((&before, &after), (Ok(before), Ok(after)) if before.same(after)) {
                let column = self.block.columns.get(item.at).map_or("", |column| column.name.as_str());
                let doing = format!("have `{column}` sealed anew where {}", page.name(item.row));
                let said = |answer: &Answer<Secret>| answer.as_ref().err().map(ToString::to_string);
                let why = said(&before).or(said(&after)).unwrap_or_else(|| "it opens to other bytes".to_owned());
                return Err(Fault::give_up(doing, format!("the service does not open it to the same: {why}"))
                    .hint("nothing of this page was written; find out what answers there before you go on"));
            }
        }
        Ok(())
    }

    /// The rows as they will stand: where a version stands beside the values, all of a row move or none.
    fn write(&self, items: Vec<Item<'a>>, judged: &mut Judged) -> Result<(), Fault> {
        let Judged { page, changes, there, quarantined } = judged;
        let together = self.block.version_beside().is_some();
        let mut items = items.into_iter().peekable();
        while let Some(first) = items.next() {
            let row = first.row;
            let mut mine = vec![first];
            while let Some(item) = items.next_if(|item| item.row == row) {
                mine.push(item);
            }
            let left = mine.iter().position(|item| !matches!(item.end, End::Sealed(..) | End::There));
            if together && let Some(left) = left.map(|at| mine.swap_remove(at)) {
                quarantined.push(self.left(page, left));
                continue;
            }
            changes.begin(row);
            let mut moved = false;
            for item in mine {
                match item.end {
                    End::There => *there = there.saturating_add(1),
                    End::Sealed(_, bytes) => {
                        changes.put(item.at, &self.whole(page, row, item.at, bytes)?);
                        moved = true;
                    }
                    End::Waits(_) | End::Left(_) => quarantined.push(self.left(page, item)),
                }
            }
            if !moved {
                changes.undo();
            }
        }
        Ok(())
    }

    fn left(&self, page: &Page, item: Item<'a>) -> Quarantined {
        let why = match item.end {
            End::Waits(why) | End::Left(why) => why,
            End::There | End::Sealed(..) => Why::NoKey,
        };
        leave(self.block, page, item.row, item.at, item.names.cloned(), why)
    }

    /// A value in the form that it had, with new bytes in it.
    fn whole(&self, page: &Page, row: usize, at: usize, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let bug =
            |why: String| Fault::report_bug(format!("write down what was sealed anew in {}", page.name(row)), why);
        let (Some(column), Some(before)) = (self.block.columns.get(at), page.value(row, at).bytes()) else {
            return Err(bug("its column is gone".to_owned()));
        };
        let version = self.block.text_of(self.target).filter(|_| column.seal.names_version()).map(str::to_owned);
        let parts = Parts { ciphertext: bytes, version, ..Parts::default() };
        let out = column.seal.put_together(&parts, Some(Sealed::Bytes(before)));
        let out = out.map_err(|misfit| bug(misfit.to_string()))?;
        out.as_bytes().map(<[u8]>::to_vec).ok_or_else(|| bug("it came out as fields".to_owned()))
    }
}

fn asked<'i>(items: &'i [&mut Item<'_>], version: &'i VersionId) -> Vec<Asked<'i>> {
    items.iter().map(|item| item.asked(version)).collect()
}

/// Each value with its answer.
fn all<I, T>(items: Vec<I>, answers: Vec<Answer<T>>) -> Result<impl Iterator<Item = (I, Answer<T>)>, Fault> {
    if items.len() != answers.len() {
        let why = format!("{} answers about {} values", answers.len(), items.len());
        return Err(Fault::report_bug("ask a service", why));
    }
    Ok(items.into_iter().zip(answers))
}

/// The version that stands beside the values of a row; none where it stands elsewhere, or nothing does.
fn names_beside<'a>(
    block: &'a Block,
    page: &Page,
    row: usize,
    text: &mut String,
) -> Result<Option<&'a VersionId>, Why> {
    if block.version_beside().is_none() {
        return Ok(None);
    }
    let beside = page.version(row);
    text.clear();
    match (beside, beside.write_to(text)) {
        (Value::Null, _) => Ok(None),
        (_, true) if block.version_of(text).is_some() => Ok(block.version_of(text)),
        _ => Err(Why::NamesNone(beside.to_string())),
    }
}

/// A value taken apart, with what binds it.
fn take<'a>(
    block: &'a Block,
    (page, row, at): (&Page, usize, usize),
    column: &'a crate::port::store::Column,
    aad: &mut Aad<'a>,
    beside: Option<&'a VersionId>,
) -> Result<Item<'a>, (Option<&'a VersionId>, Why)> {
    let value = page.value(row, at);
    let bytes = value.bytes().ok_or_else(|| (beside, no_bytes()))?;
    let parts = column.seal.take_apart(Sealed::Bytes(bytes)).map_err(|misfit| (beside, Why::Misfit(misfit.0)))?;
    let names = match block.version {
        VersionAt::InSeal => named(block, column, value).map_err(|why| (None, why))?,
        VersionAt::Column(_) | VersionAt::Field(_) | VersionAt::ByTrial => beside,
    };
    aad.make(page, row).map_err(|column| (names, Why::NoAad(column)))?;
    let (old, new) = (aad.old().to_vec(), aad.renewed().to_vec());
    Ok(Item { row, at, names, bytes: parts.ciphertext, old, new, end: End::Waits(Why::NoKey) })
}
