//! Values counted: how many are left under the old version, whatever was moved before.

use crate::executor::Executor;
use crate::executor::asking;
use crate::executor::perform::Outcome;
use crate::executor::rewrap;
use crate::executor::rewrap::Quarantined;
use crate::executor::scene::Scene;
use crate::executor::values::Lot;
use crate::executor::values::lots;
use crate::executor::values::place;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::journal::Event;
use crate::journal::Known;
use crate::model::Name;
use crate::model::VersionId;
use crate::port::world::World;

/// Writes a count into the journal, all blocks of the store together.
pub(super) fn count(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    lot: &Lot<'_>,
    blocks: &[Census],
) -> Result<Census, Fault> {
    let mut all = Census { exact: true, ..Census::default() };
    for census in blocks {
        // What names no version may be under any.
        all.strange = all.strange.saturating_add(census.strange).saturating_add(census.by_trial);
        all.exact &= census.exact;
        for (version, count) in &census.under {
            let slot = all.under.entry(version.clone()).or_default();
            *slot = slot.saturating_add(*count);
        }
    }
    let clean = all.exact && all.strange == 0;
    let (key, store, under, strange) = (scene.name().clone(), lot.name.clone(), all.under.clone(), all.strange);
    executor.desk.jot(vec![Event::Census { key, store, under, strange, clean }])?;
    Ok(all)
}

/// Counts that nothing is under the old version.
pub(super) fn recount(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    Ok(match left(executor, scene)? {
        Ok(None) => Outcome::done(),
        Ok(Some(Left { fault, .. })) | Err(fault) => Outcome::Failed(fault),
    })
}

/// Values that are, or may be, under the old version.
pub(super) struct Left {
    /// How many, and the way out.
    pub(super) fault: Fault,
    /// Whether only rows are left that their service cannot move: to ask it again would change nothing.
    pub(super) stuck: bool,
}

/// What is left under the old version, as a fault to tell; nothing where nothing is, or why that could not be counted.
///
/// # Errors
/// The journal failed.
pub(super) fn left(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Result<Option<Left>, Fault>, Fault> {
    let Ok(old) = scene.old_version() else { return Ok(Ok(None)) };
    let target = scene.expected.current().map_or_else(|| old.clone(), |version| version.id.clone());
    let lots = match lots(executor.world, scene, &target) {
        Ok(lots) => lots,
        Err(fault) => return Ok(Err(fault)),
    };
    let (mut found, mut movable) = (0_u64, false);
    for lot in &lots {
        if let Some(asked) = &lot.asked {
            let answer = match asking::ask(executor, scene, asked, (None, true), &target)? {
                Ok(answer) => answer,
                Err(fault) => return Ok(Err(fault)),
            };
            count(executor, scene, lot, &[asked.census(&answer)])?;
            let left = asking::left(executor, scene, asked, &answer);
            found = found.saturating_add(left.rows.saturating_sub(left.accepted));
            movable |= left.movable;
            continue;
        }
        let census = match lot.recount() {
            Ok(blocks) => count(executor, scene, lot, &blocks)?,
            Err(fault) => return Ok(Err(fault)),
        };
        let under = under(scene, &census).saturating_add(census.strange);
        let accepted = match accepted(executor, scene, lot, under) {
            Ok(accepted) => accepted,
            Err(fault) => return Ok(Err(fault)),
        };
        let under = under.saturating_sub(accepted);
        found = found.saturating_add(under);
        movable |= under > 0;
    }
    if found == 0 {
        return Ok(Ok(None));
    }
    let doing = format!("see that nothing is left under `{old}` of `{}`", scene.name());
    let hint = format!(
        "`keyrota quarantine list` names what does not open; `keyrota why {}@{old}` tells the rest",
        scene.name()
    );
    let fault = Fault::ask_operator(doing, format!("{found} values are, or may be, under it")).hint(hint);
    Ok(Ok(Some(Left { fault, stuck: !movable })))
}

/// How many values are under the versions that go out of use.
fn under(scene: &Scene<'_>, census: &Census) -> u64 {
    scene.falls.iter().fold(0, |sum: u64, version| sum.saturating_add(census.of(version)))
}

/// How many of the values that were counted are among those that somebody accepted as lost. Each is looked at again, so
/// that none hides another.
fn accepted(executor: &Executor<'_, '_>, scene: &Scene<'_>, lot: &Lot<'_>, counted: u64) -> Result<u64, Fault> {
    let known = executor.desk.ledger().keys.get(scene.name());
    let Some(known) = known.filter(|known| counted > 0 && !known.accepted.is_empty()) else { return Ok(0) };
    let mut seen = Accepted { known, store: &lot.name, falls: &scene.falls, count: 0 };
    rewrap::verify(lot.store, &lot.job, &lot.ring, None, &mut seen)?;
    Ok(seen.count)
}

/// Who counts the accepted values of a store.
struct Accepted<'a> {
    known: &'a Known,
    store: &'a Name,
    falls: &'a [VersionId],
    count: u64,
}

impl rewrap::Watch for Accepted<'_> {
    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        let concerns = value.version.as_ref().is_none_or(|version| self.falls.contains(version));
        if concerns && self.known.accepted.contains_key(&place(self.store, value)) {
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }
}

/// Whether a rewrap that was begun has done its work: nothing is left under the old version. Where members take turns, it
/// is enough that anything is under the new one: from then on they cannot start, and it must be finished.
pub(super) fn is_moved(world: &dyn World, scene: &Scene<'_>) -> Result<bool, Fault> {
    let new = scene.new_version()?;
    let (mut left, mut moved) = (0_u64, 0_u64);
    for lot in lots(world, scene, new)? {
        // A service is asked in a step of its own, which looks before it moves.
        if lot.asked.is_some() {
            continue;
        }
        for census in lot.recount()? {
            left = left
                .saturating_add(under(scene, &census))
                .saturating_add(census.strange)
                .saturating_add(census.by_trial);
            moved = moved.saturating_add(census.of(new));
        }
    }
    Ok(left == 0 || scene.spans && moved > 0)
}
