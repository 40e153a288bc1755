//! Looking: opens what there is, counts it by the version that opened it, changes nothing.

use super::Job;
use super::Ring;
use super::judge::Aad;
use super::judge::broken;
use super::judge::leave;
use super::judge::named;
use super::judge::no_bytes;
use super::lanes;
use super::served;
use super::tell::Progress;
use super::tell::Quarantined;
use super::tell::Watch;
use super::tell::Why;
use crate::envelope::Refused;
use crate::envelope::Sealed;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Page;
use crate::port::store::Store;
use crate::port::store::Value;
use crate::port::store::Want;

/// How many values that do not open are kept by name; all are counted and told.
const NAMED_MAX: usize = 100;

/// What was found in one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// By the version that each value names, or that opened it where it names none. Exact where everything was opened.
    pub census: Census,
    /// Values that opened.
    pub opened: u64,
    /// Values that did not.
    pub unopened: u64,
    /// The first of these.
    pub examples: Vec<Quarantined>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Opens every value of every block, or about `sample` rows of each, spread over the table; in the order of the job's blocks.
///
/// # Errors
/// The store, the watcher or a cipher failed.
pub fn verify(
    store: &dyn Store,
    job: &Job,
    ring: &Ring,
    sample: Option<u64>,
    watch: &mut dyn Watch,
) -> Result<Vec<Verified>, Fault> {
    let mut all = Vec::new();
    for block in &job.blocks {
        let seen = one(store, job, block, ring, sample, watch)?;
        let stopped = seen.stopped;
        all.push(seen);
        if stopped {
            break;
        }
    }
    Ok(all)
}

pub(super) fn one(
    store: &dyn Store,
    job: &Job,
    block: &Block,
    ring: &Ring,
    sample: Option<u64>,
    watch: &mut dyn Watch,
) -> Result<Verified, Fault> {
    let began = std::time::Instant::now();
    let (name, rows_about) = (block.name(), store.estimate(block)?);
    let stride = match (sample, rows_about) {
        (None, _) => 1,
        // Where nobody knows how many there are, one page in ten is a sample of any size.
        (Some(_), None) => 10,
        (Some(rows), Some(about)) => usize::try_from(about / rows.max(1)).unwrap_or(usize::MAX).max(1),
    };
    let mut sum = Verified { census: Census { exact: sample.is_none(), ..Census::default() }, ..Verified::default() };
    sum.stopped = lanes::run(
        store.reader(block, Want::All)?,
        (job.lanes(ring), job.rows_per_chunk),
        || Ok(Look { block, ring, stride, next: 0, aads: aads(block), text: String::new() }),
        |look: &mut Look<'_>, page| look.page(&page).map(|seen| (seen, page)),
        |(seen, page)| {
            for value in &seen.examples {
                watch.quarantined(value)?;
            }
            sum.add(seen);
            let row = page.name(page.rows().saturating_sub(1));
            watch.chunk(&Progress {
                block: &name,
                round: 0,
                row: &row,
                moved: 0,
                moved_so_far: 0,
                lost_so_far: 0,
                quarantined_so_far: sum.unopened,
                rows_about,
                took: began.elapsed(),
                locked: std::time::Duration::ZERO,
            })
        },
    )?;
    sum.census.exact &= !sum.stopped;
    Ok(sum)
}

fn aads(block: &Block) -> Vec<Aad<'_>> {
    block.columns.iter().map(|column| Aad::new(block, column, None)).collect()
}

impl Verified {
    fn add(&mut self, other: Self) {
        for (version, count) in other.census.under {
            let sum = self.census.under.entry(version).or_default();
            *sum = sum.saturating_add(count);
        }
        self.census.strange = self.census.strange.saturating_add(other.census.strange);
        self.opened = self.opened.saturating_add(other.opened);
        self.unopened = self.unopened.saturating_add(other.unopened);
        let room = NAMED_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }

    /// A value that does not open.
    pub(super) fn leave(&mut self, value: Quarantined) {
        self.unopened = self.unopened.saturating_add(1);
        self.examples.push(value);
    }

    pub(super) fn count(&mut self, version: Option<&VersionId>) {
        let slot = match version {
            None => &mut self.census.strange,
            Some(version) => self.census.under.entry(version.clone()).or_default(),
        };
        *slot = slot.saturating_add(1);
    }
}

/// Opens values of one block.
struct Look<'a> {
    block: &'a Block,
    ring: &'a Ring,
    stride: usize,
    next: usize,
    aads: Vec<Aad<'a>>,
    text: String,
}

impl Look<'_> {
    fn page(&mut self, page: &Page) -> Result<Verified, Fault> {
        if let Some(service) = self.ring.serves(self.block)? {
            let rows: Vec<usize> = (self.next..page.rows()).step_by(self.stride).collect();
            let after = rows.last().map_or(self.next, |last| last.saturating_add(self.stride));
            self.next = after.saturating_sub(page.rows());
            return served::look::rows((self.block, self.ring, service), &mut self.aads, page, &rows);
        }
        let mut seen = Verified::default();
        while self.next < page.rows() {
            for at in 0..self.block.columns.len() {
                if !page.value(self.next, at).is_null() {
                    self.value(page, self.next, at, &mut seen)?;
                }
            }
            self.next = self.next.saturating_add(self.stride);
        }
        self.next = self.next.saturating_sub(page.rows());
        Ok(seen)
    }

    fn value(&mut self, page: &Page, row: usize, at: usize, seen: &mut Verified) -> Result<(), Fault> {
        let (names, found) = match self.names(page, row, at) {
            Err(why) => (None, Err(why)),
            Ok(names) => (names.clone(), self.open(page, row, at, names.as_ref())?),
        };
        seen.count(names.as_ref().or(found.as_ref().ok()));
        match found {
            Ok(_) => seen.opened = seen.opened.saturating_add(1),
            Err(why) => seen.leave(leave(self.block, page, row, at, names, why)),
        }
        Ok(())
    }

    /// The own version that a value names; none where only opening tells.
    fn names(&mut self, page: &Page, row: usize, at: usize) -> Result<Option<VersionId>, Why> {
        let Some(column) = self.block.columns.get(at) else { return Ok(None) };
        if self.block.version_beside().is_none() {
            return named(self.block, column, page.value(row, at)).map(|version| version.cloned());
        }
        let beside = page.version(row);
        self.text.clear();
        match (beside, beside.write_to(&mut self.text)) {
            (Value::Null, _) => Ok(None),
            (_, true) if self.block.version_of(&self.text).is_some() => Ok(self.block.version_of(&self.text).cloned()),
            _ => Err(Why::NamesNone(beside.to_string())),
        }
    }

    /// The version that opens a value, among those it may be under.
    fn open(
        &mut self,
        page: &Page,
        row: usize,
        at: usize,
        names: Option<&VersionId>,
    ) -> Result<Result<VersionId, Why>, Fault> {
        let (Some(column), Some(aad)) = (self.block.columns.get(at), self.aads.get_mut(at)) else {
            return Ok(Err(Why::NoKey));
        };
        let Some(bytes) = page.value(row, at).bytes() else { return Ok(Err(no_bytes())) };
        if let Err(column) = aad.make(page, row) {
            return Ok(Err(Why::NoAad(column)));
        }
        let mut why = Why::NoKey;
        for known in self.block.versions.iter().rev().filter(|known| names.is_none_or(|names| *names == known.id)) {
            let Some(key) = self.ring.get(&known.id, column.seal.cipher()) else { continue };
            match column.seal.open(key, Sealed::Bytes(bytes), aad.old()) {
                Ok(_) => return Ok(Ok(known.id.clone())),
                Err(Refused::DoesNotOpen) => why = Why::DoesNotOpen,
                Err(Refused::Misfit(misfit)) => why = Why::Misfit(misfit.0),
                Err(refused) => return Err(broken(column, &page.name(row), refused)),
            }
        }
        Ok(Err(why))
    }
}
