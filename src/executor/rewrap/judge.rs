//! What becomes of each row: moved, there already, or left alone. One judge a thread; no allocation a row where all is well.

use std::borrow::Cow;

use super::ring::Ring;
use super::served::Served;
use super::tell::Quarantined;
use super::tell::Why;
use crate::envelope::Refused;
use crate::envelope::Rewrap;
use crate::envelope::Sealed;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::policy::meant::store::VersionAt;
use crate::port::store::Block;
use crate::port::store::Changes;
use crate::port::store::Column;
use crate::port::store::Page;
use crate::port::store::Value;
use crate::port::store::block::fill_aad;

/// A page and what is to become of it.
pub(super) struct Judged {
    pub(super) page: Page,
    pub(super) changes: Changes,
    pub(super) there: u64,
    pub(super) quarantined: Vec<Quarantined>,
}

/// Judges rows of one block.
pub(super) struct Judge<'a> {
    block: &'a Block,
    target: &'a VersionId,
    columns: Vec<Hand<'a>>,
    text: String,
    /// Who judges instead, where only a service opens the values.
    served: Option<Served<'a>>,
}

/// What is at hand for one column.
struct Hand<'a> {
    column: &'a Column,
    rewrap: Rewrap<'a>,
    new: &'a LocalKey,
    /// The key's own versions, newest first, which is the order to try them in; those whose key is not at hand have none.
    versions: Vec<(&'a VersionId, Option<&'a LocalKey>)>,
    aad: Aad<'a>,
    out: Vec<u8>,
}

/// How values of one column are bound to their rows.
pub(super) struct Aad<'a> {
    column: &'a Column,
    each: Option<&'a str>,
    /// The column with the version and what it becomes, where the associated data asks for it.
    renamed: Option<(&'a str, &'a str)>,
    old: String,
    new: String,
}

/// Why a value was not moved.
enum Stop {
    Leave(Option<VersionId>, Why),
    Fault(Fault),
}

impl<'a> Judge<'a> {
    pub(super) fn new(block: &'a Block, target: &'a VersionId, ring: &'a Ring) -> Result<Self, Fault> {
        if let Some(service) = ring.serves(block)? {
            let served = Some(Served::new(block, target, ring, service));
            return Ok(Self { block, target, columns: Vec::new(), text: String::new(), served });
        }
        let columns =
            block.columns.iter().map(|column| Hand::new(block, column, target, ring)).collect::<Result<_, _>>()?;
        Ok(Self { block, target, columns, text: String::new(), served: None })
    }

    pub(super) fn page(&mut self, page: Page) -> Result<Judged, Fault> {
        if let Some(served) = &mut self.served {
            return served.page(page);
        }
        let mut judged = Judged { changes: Changes::new(self.columns.len()), page, there: 0, quarantined: Vec::new() };
        for row in 0..judged.page.rows() {
            match &self.block.version {
                VersionAt::Column(_) | VersionAt::Field(_) => self.row(row, &mut judged)?,
                VersionAt::InSeal | VersionAt::ByTrial => self.values(row, &mut judged)?,
            }
        }
        Ok(judged)
    }

    /// A row whose values share the version beside them: all of them move, or none.
    fn row(&mut self, row: usize, judged: &mut Judged) -> Result<(), Fault> {
        let Judged { page, changes, there, quarantined } = judged;
        let beside = page.version(row);
        self.text.clear();
        let from = match (beside, beside.write_to(&mut self.text)) {
            (Value::Null, _) => None,
            (_, true) if self.block.version_of(&self.text).is_some() => self.block.version_of(&self.text),
            _ => {
                let why = || Why::NamesNone(beside.to_string());
                let sealed = (0..self.columns.len()).filter(|at| !page.value(row, *at).is_null());
                quarantined.extend(sealed.map(|at| leave(self.block, page, row, at, None, why())));
                return Ok(());
            }
        };
        if from == Some(self.target) {
            let sealed = (0..self.columns.len()).filter(|at| !page.value(row, *at).is_null()).count();
            *there = there.saturating_add(u64::try_from(sealed).unwrap_or(0));
            return Ok(());
        }
        changes.begin(row);
        for (at, hand) in self.columns.iter_mut().enumerate() {
            let value = page.value(row, at);
            if value.is_null() {
                continue;
            }
            match hand.moved(page, row, value, from) {
                Ok(new) => changes.put(at, new),
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Leave(version, why)) => {
                    changes.undo();
                    quarantined.push(leave(self.block, page, row, at, version, why));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A row whose values each say themselves what sealed them, or say nothing: each moves by itself.
    fn values(&mut self, row: usize, judged: &mut Judged) -> Result<(), Fault> {
        let Judged { page, changes, there, quarantined } = judged;
        let mut moved = false;
        changes.begin(row);
        for (at, hand) in self.columns.iter_mut().enumerate() {
            let value = page.value(row, at);
            if value.is_null() {
                continue;
            }
            let done = match named(self.block, hand.column, value) {
                Ok(Some(version)) if version == self.target => {
                    *there = there.saturating_add(1);
                    continue;
                }
                Ok(from) if from.is_none() && hand.opens_under_target(page, row, value)? => {
                    *there = there.saturating_add(1);
                    continue;
                }
                Ok(from) => hand.moved(page, row, value, from),
                Err(why) => Err(Stop::Leave(None, why)),
            };
            match done {
                Ok(new) => {
                    changes.put(at, new);
                    moved = true;
                }
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Leave(version, why)) => quarantined.push(leave(self.block, page, row, at, version, why)),
            }
        }
        if !moved {
            changes.undo();
        }
        Ok(())
    }
}

/// The own version that a value names inside itself; none by trial.
pub(super) fn named<'b>(block: &'b Block, column: &Column, value: Value<'_>) -> Result<Option<&'b VersionId>, Why> {
    if block.version == VersionAt::ByTrial {
        return Ok(None);
    }
    let bytes = value.bytes().ok_or_else(no_bytes)?;
    let parts = column.seal.take_apart(Sealed::Bytes(bytes)).map_err(|misfit| Why::Misfit(misfit.0))?;
    let text = parts.version.ok_or(Why::NamesNothing)?;
    match block.version_of(&text) {
        None => Err(Why::NamesNone(Value::Text(text.as_bytes()).to_string())),
        known => Ok(known),
    }
}

pub(super) fn leave(
    block: &Block,
    page: &Page,
    row: usize,
    at: usize,
    version: Option<VersionId>,
    why: Why,
) -> Quarantined {
    let column = block.columns.get(at).map_or_else(String::new, |column| column.name.clone());
    Quarantined { table: block.table.clone(), column, row: page.name(row), version, why }
}

pub(super) fn no_bytes() -> Why {
    Why::Misfit("it is a number, not text or bytes".to_owned())
}

impl<'a> Hand<'a> {
    fn new(block: &'a Block, column: &'a Column, target: &'a VersionId, ring: &'a Ring) -> Result<Self, Fault> {
        let new = ring.need(target, &column.seal, &block.name())?;
        let text = block.text_of(target).filter(|_| column.seal.names_version());
        let versions = block.versions.iter().rev();
        Ok(Self {
            column,
            rewrap: Rewrap::new(&column.seal, new, text),
            new,
            versions: versions.map(|known| (&known.id, ring.get(&known.id, column.seal.cipher()))).collect(),
            aad: Aad::new(block, column, block.text_of(target)),
            out: Vec::new(),
        })
    }

    /// The value under the target: opened with the version it names, or by trial where it names none.
    fn moved(&mut self, page: &Page, row: usize, value: Value<'_>, from: Option<&VersionId>) -> Result<&[u8], Stop> {
        let leave = |why| Stop::Leave(from.cloned(), why);
        let bytes = value.bytes().ok_or_else(|| leave(no_bytes()))?;
        self.aad.make(page, row).map_err(|column| leave(Why::NoAad(column)))?;
        let mut why = Why::NoKey;
        for (version, key) in &self.versions {
            if from.is_some_and(|from| from != *version) {
                continue;
            }
            let Some(key) = key else { continue };
            let (old, new) = (self.aad.old.as_bytes(), self.aad.renewed());
            match self.rewrap.value(key, Sealed::Bytes(bytes), old, new, &mut self.out) {
                Ok(()) => return Ok(&self.out),
                Err(Refused::DoesNotOpen) => why = Why::DoesNotOpen,
                Err(Refused::Misfit(misfit)) => why = Why::Misfit(misfit.0),
                Err(Refused::Fault(fault)) => return Err(Stop::Fault(fault)),
                Err(refused) => return Err(Stop::Fault(broken(self.column, &page.name(row), refused))),
            }
        }
        Err(leave(why))
    }

    fn opens_under_target(&mut self, page: &Page, row: usize, value: Value<'_>) -> Result<bool, Fault> {
        let (Some(bytes), Ok(())) = (value.bytes(), self.aad.make(page, row)) else { return Ok(false) };
        match self.column.seal.open(self.new, Sealed::Bytes(bytes), self.aad.renewed()) {
            Ok(_) => Ok(true),
            Err(Refused::DoesNotOpen | Refused::Misfit(_)) => Ok(false),
            Err(refused) => Err(broken(self.column, &page.name(row), refused)),
        }
    }
}

/// A cipher that fails where it should only refuse.
pub(super) fn broken(column: &Column, row: &str, refused: Refused) -> Fault {
    match refused {
        Refused::Fault(fault) => fault,
        Refused::DoesNotOpenAgain => Fault::report_bug(format!("seal `{}` anew where {row}", column.name), refused)
            .hint("nothing was written to this row; test the machine's memory too"),
        other => Fault::ask_operator(format!("rewrap `{}` where {row}", column.name), other),
    }
}

impl<'a> Aad<'a> {
    pub(super) fn new(block: &'a Block, column: &'a Column, target: Option<&'a str>) -> Self {
        let asks = |name: &&str| column.aad.as_ref().is_some_and(|aad| aad.asks_for(&format!("row.{name}")));
        let renamed = block.version_beside().filter(asks).zip(target);
        Self { column, each: block.each.as_deref(), renamed, old: String::new(), new: String::new() }
    }

    /// Makes the associated data of a row as it is, and as it will be where it holds the version; or names the column that
    /// cannot be written.
    pub(super) fn make(&mut self, page: &Page, row: usize) -> Result<(), String> {
        let Some(aad) = &self.column.aad else { return Ok(()) };
        let layout = page.layout();
        let cell = |name: &str| {
            match page.cell(row, layout.asked(name)?) {
                // As it is, without a copy.
                Value::Text(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
                other => {
                    let mut text = String::new();
                    other.write_to(&mut text).then_some(Cow::Owned(text))
                }
            }
        };
        fill_aad(aad, self.each, &mut self.old, cell)?;
        match self.renamed {
            None => Ok(()),
            Some((column, target)) => fill_aad(aad, self.each, &mut self.new, |name| {
                if name == column { Some(Cow::Borrowed(target)) } else { cell(name) }
            }),
        }
    }

    pub(super) fn old(&self) -> &[u8] {
        self.old.as_bytes()
    }

    pub(super) fn renewed(&self) -> &[u8] {
        if self.renamed.is_some() { self.new.as_bytes() } else { self.old.as_bytes() }
    }
}
