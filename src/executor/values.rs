//! Acts on sealed values: opened, kept, moved, counted. Every one of them goes on from the data.

use crate::executor::Executor;
use crate::executor::keep::Keeper;
use crate::executor::pace::Pacer;
use crate::executor::people::turned;
use crate::executor::perform::Outcome;
use crate::executor::rewrap;
use crate::executor::rewrap::About;
use crate::executor::rewrap::Flow;
use crate::executor::rewrap::Job;
use crate::executor::rewrap::Progress;
use crate::executor::rewrap::Quarantined;
use crate::executor::rewrap::Ring;
use crate::executor::scene::Scene;
use crate::executor::told::Told;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::journal::Event;
use crate::journal::Facts;
use crate::journal::Known;
use crate::journal::PRE_IMAGES_UNDER;
use crate::journal::Place as Row;
use crate::journal::StepName;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::store::Place;
use crate::port::backend::Failed;
use crate::port::facts::Facts as VersionFacts;
use crate::port::store::Block;
use crate::port::store::Store;
use crate::port::store::Versions;
use crate::port::world::World;
use std::sync::atomic::Ordering;

/// The values of one store that a key seals, with the keys to open them.
pub struct Lot<'a> {
    /// The store's name.
    pub name: Name,
    /// The store.
    pub store: &'a dyn Store,
    /// What is to be moved, and where to.
    pub job: Job,
    /// The keys.
    pub ring: Ring,
}

/// Every store of a key that we move values in, with the keys of every version that opens.
///
/// # Errors
/// A store, the backend or a template stands in the way.
pub fn lots<'a>(world: &'a dyn World, scene: &Scene<'_>, target: &VersionId) -> Result<Vec<Lot<'a>>, Fault> {
    lots_of(world, scene.policy, scene.name(), scene.key, &scene.expected, target)
}

/// The same for a key that no step is about: its policy, and its versions as they were looked at.
///
/// # Errors
/// As [`lots`].
pub fn lots_of<'a>(
    world: &'a dyn World,
    policy: &Policy,
    name: &KeyName,
    key: &meant::Key,
    seen: &Key,
    target: &VersionId,
) -> Result<Vec<Lot<'a>>, Fault> {
    let mut versions = Versions::new();
    for version in &seen.versions {
        let facts = VersionFacts::of(version);
        let words =
            ["n", "sha256"].into_iter().filter_map(|word| Some((word.to_owned(), facts.know(word)?.into_owned())));
        versions = versions.with(version.id.clone(), words);
    }
    let mut lots = Vec::new();
    for sealed in &key.seals {
        // What nobody sees is nobody's to move.
        let Some(meant) = policy.stores.get(sealed).filter(|store| store.place != Place::Unseen) else { continue };
        let store = world.store(name, sealed)?;
        let blocks = Block::all(&meant.sealed, key.each.as_deref(), &versions)?;
        let mut ring = Ring::new();
        for version in seen.opening() {
            let material = world.backend(name, &key.backend)?.material(&key.at, &version.id);
            let material = material.map_err(|failed| match failed {
                Failed::Fault(fault) => fault,
                other => Fault::ask_operator(format!("use version `{}` of `{name}`", version.id), other),
            })?;
            ring.add(&version.id, &material, &blocks)?;
        }
        let job = Job { atomic: meant.atomic, ..Job::new(blocks, target.clone()) };
        lots.push(Lot { name: sealed.clone(), store, job, ring });
    }
    Ok(lots)
}

/// Where a value that does not open stands, as the journal names it.
#[must_use]
pub fn place(store: &Name, value: &Quarantined) -> Row {
    Row { store: store.clone(), table: value.table.clone(), column: value.column.clone(), row: vec![value.row.clone()] }
}

/// Who follows a rewrap for the journal and the screen.
struct Follower<'a, 'b, 'd> {
    executor: &'a mut Executor<'b, 'd>,
    key: crate::model::KeyName,
    step: StepName,
    store: Name,
    keeper: Option<Keeper>,
    pacer: Pacer,
    journal: Option<Fault>,
}

impl rewrap::Watch for Follower<'_, '_, '_> {
    fn keep(&mut self, about: &About<'_>) -> Result<(), Fault> {
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.keep(about))
    }

    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        let at = place(&self.store, value);
        let known = self.executor.desk.ledger().keys.get(&self.key);
        if known.is_some_and(|known| known.quarantine.contains_key(&at) || known.accepted.contains_key(&at)) {
            return Ok(());
        }
        let (names, why) = (value.version.clone(), value.why.to_string());
        let key = self.key.clone();
        self.write(Event::Quarantined { key, at, names, why })
    }

    fn chunk(&mut self, progress: &Progress<'_>) -> Result<Flow, Fault> {
        let event = Event::Chunk {
            step: self.step.clone(),
            store: self.store.clone(),
            round: progress.round,
            moved: progress.moved,
            quarantined: progress.quarantined_so_far,
            up_to: progress.row.to_owned(),
        };
        self.write(event)?;
        self.executor.screen.tell(&Told::Moved {
            step: self.step.as_str(),
            store: self.store.as_str(),
            round: progress.round,
            moved: progress.moved_so_far,
            about: progress.rows_about,
            rate: progress.rate(),
        });
        self.pacer.keep(progress.moved, self.executor.world.clock());
        Ok(if self.executor.stop.load(Ordering::SeqCst) { Flow::Stop } else { Flow::Go })
    }
}

impl Follower<'_, '_, '_> {
    /// A line that cannot be kept ends the run, not only the walk.
    fn write(&mut self, event: Event) -> Result<(), Fault> {
        self.executor.desk.jot(vec![event]).inspect_err(|fault| self.journal = Some(fault.clone()))
    }
}

/// Moves every value to the new version.
pub(super) fn rewrap(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    move_all(executor, scene, step)
}

/// Moves what was written meanwhile, as a part of another step.
pub(super) fn sweep(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<(), Fault> {
    match move_all(executor, scene, step)? {
        Outcome::Failed(fault) => Err(fault),
        Outcome::Done { .. } | Outcome::Stopped => Ok(()),
    }
}

fn move_all(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    let target = match scene.new_version() {
        Ok(target) => target.clone(),
        Err(fault) => return Ok(fault.into()),
    };
    let lots = match lots(executor.world, scene, &target) {
        Ok(lots) => lots,
        Err(fault) => return Ok(fault.into()),
    };
    let (mut moved, mut rounds) = (0_u64, 0_u64);
    for lot in &lots {
        let keeper = match keeper(executor, scene, &lot.name) {
            Ok(keeper) => keeper,
            Err(fault) => return Ok(fault.into()),
        };
        let pace = scene.policy.stores.get(&lot.name).and_then(|store| store.pace);
        let pacer = Pacer::new(pace, executor.world.clock());
        let mut follower = Follower {
            key: scene.name().clone(),
            step: step.clone(),
            store: lot.name.clone(),
            keeper,
            pacer,
            journal: None,
            executor,
        };
        let outcome = rewrap::run(lot.store, &lot.job, &lot.ring, &mut follower);
        if let Some(fault) = follower.journal {
            return Err(fault);
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(fault) => return Ok(fault.into()),
        };
        moved = moved.saturating_add(outcome.moved);
        rounds = rounds.max(u64::from(outcome.rounds));
        executor.desk.jot(vec![Event::Round {
            step: step.clone(),
            store: lot.name.clone(),
            round: outcome.rounds,
            moved: outcome.last.moved,
            found: outcome.last.moved.saturating_add(outcome.last.lost),
            quarantined: outcome.last.quarantined,
        }])?;
        if outcome.last.stopped {
            return Ok(Outcome::Stopped);
        }
        count(executor, scene, lot, &outcome.census)?;
    }
    let mut facts = Facts::new();
    facts.insert("moved".into(), moved.into());
    facts.insert("rounds".into(), rounds.into());
    Ok(Outcome::Done { facts, change: turned(scene, &target) })
}

/// Writes a count into the journal, all blocks of the store together.
fn count(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    lot: &Lot<'_>,
    blocks: &[Census],
) -> Result<Census, Fault> {
    let mut all = Census { exact: true, ..Census::default() };
    for census in blocks {
        all.strange = all.strange.saturating_add(census.strange);
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

/// The closing round: moves what is left, and is done when nothing but quarantined values is under the old
/// version.
pub(super) fn close(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    match move_all(executor, scene, step)? {
        Outcome::Done { facts, change } => match left(executor, scene)? {
            Ok(()) => Ok(Outcome::Done { facts, change }),
            Err(fault) => Ok(fault.into()),
        },
        other => Ok(other),
    }
}

/// Counts that nothing is under the old version.
pub(super) fn recount(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    match left(executor, scene)? {
        Ok(()) => Ok(Outcome::done()),
        Err(fault) => Ok(fault.into()),
    }
}

fn left(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Result<(), Fault>, Fault> {
    let Ok(old) = scene.old_version() else { return Ok(Ok(())) };
    let target = scene.expected.current().map_or_else(|| old.clone(), |version| version.id.clone());
    let lots = match lots(executor.world, scene, &target) {
        Ok(lots) => lots,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut found = 0_u64;
    for lot in &lots {
        let census = match rewrap::recount(lot.store, &lot.job, &lot.ring) {
            Ok(blocks) => count(executor, scene, lot, &blocks)?,
            Err(fault) => return Ok(Err(fault)),
        };
        let under = census.of(old).saturating_add(census.strange);
        let accepted = match accepted(executor, scene, lot, under) {
            Ok(accepted) => accepted,
            Err(fault) => return Ok(Err(fault)),
        };
        found = found.saturating_add(under.saturating_sub(accepted));
    }
    if found == 0 {
        return Ok(Ok(()));
    }
    let doing = format!("find nothing left under `{old}` of `{}`", scene.name());
    let hint = format!(
        "`keyrota quarantine list` names what does not open; `keyrota why {}@{old}` tells the rest",
        scene.name()
    );
    Ok(Err(Fault::ask_operator(doing, format!("{found} values are, or may be, under it")).hint(hint)))
}

/// How many of the values that were counted are among those that somebody accepted as lost. Each is looked at again, so
/// that none hides another.
fn accepted(executor: &Executor<'_, '_>, scene: &Scene<'_>, lot: &Lot<'_>, counted: u64) -> Result<u64, Fault> {
    let known = executor.desk.ledger().keys.get(scene.name());
    let Some(known) = known.filter(|known| counted > 0 && !known.accepted.is_empty()) else { return Ok(0) };
    let mut seen = Accepted { known, store: &lot.name, old: scene.old.as_ref(), count: 0 };
    rewrap::verify(lot.store, &lot.job, &lot.ring, None, &mut seen)?;
    Ok(seen.count)
}

/// Who counts the accepted values of a store.
struct Accepted<'a> {
    known: &'a Known,
    store: &'a Name,
    old: Option<&'a VersionId>,
    count: u64,
}

impl rewrap::Watch for Accepted<'_> {
    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        let concerns = value.version.is_none() || value.version.as_ref() == self.old;
        if concerns && self.known.accepted.contains_key(&place(self.store, value)) {
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }
}

/// Opens what the old version sealed.
pub(super) fn open(executor: &mut Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    let old = match scene.old_version() {
        Ok(old) => old.clone(),
        Err(fault) => return Ok(fault.into()),
    };
    let lots = match lots(executor.world, scene, &old) {
        Ok(lots) => lots,
        Err(fault) => return Ok(fault.into()),
    };
    let (mut opened, mut unopened) = (0_u64, 0_u64);
    for lot in &lots {
        let mut quiet = Quiet { stop: executor.stop };
        match rewrap::verify(lot.store, &lot.job, &lot.ring, None, &mut quiet) {
            Err(fault) => return Ok(fault.into()),
            Ok(found) => {
                if found.iter().any(|block| block.stopped) {
                    return Ok(Outcome::Stopped);
                }
                for block in &found {
                    opened = opened.saturating_add(block.opened);
                    unopened = unopened.saturating_add(block.unopened);
                }
                let counted: Vec<Census> = found.iter().map(|block| block.census.clone()).collect();
                count(executor, scene, lot, &counted)?;
            }
        }
    }
    if opened == 0 && unopened > 0 {
        let doing = format!("open what `{old}` of `{}` sealed", scene.name());
        let why = format!("none of {unopened} values opens");
        let hint = "the key at hand is not the one that sealed them, or the policy's seal or associated data is wrong";
        return Ok(Fault::give_up(doing, why).hint(hint).into());
    }
    let mut facts = Facts::new();
    facts.insert("opened".into(), opened.into());
    facts.insert("did not open".into(), unopened.into());
    Ok(Outcome::Done { facts, change: Vec::new() })
}

/// Who follows a walk that changes nothing.
struct Quiet<'a> {
    stop: &'a std::sync::atomic::AtomicBool,
}

impl rewrap::Watch for Quiet<'_> {
    fn chunk(&mut self, _progress: &Progress<'_>) -> Result<Flow, Fault> {
        Ok(if self.stop.load(Ordering::SeqCst) { Flow::Stop } else { Flow::Go })
    }
}

/// Sees to it that there is a place for pre-images. The wrapped values themselves are kept by the rewrap, chunk by
/// chunk, before it replaces them.
pub(super) fn keep(executor: &Executor<'_, '_>, scene: &Scene<'_>) -> Result<Outcome, Fault> {
    for name in &scene.key.seals {
        keeper(executor, scene, name)?;
    }
    // What may be replaced, and so may come back, for as long as the copies are there.
    let old = scene.old.as_ref();
    let versions = scene.expected.versions.iter().filter(|version| version.state.opens() || Some(&version.id) == old);
    let under: Vec<&str> = versions.map(|version| version.id.as_str()).collect();
    let facts = Facts::from([(PRE_IMAGES_UNDER.to_owned(), under.join(" ").into())]);
    Ok(Outcome::Done { facts, change: Vec::new() })
}

/// Who keeps pre-images of one store, where the policy asks for them.
fn keeper(executor: &Executor<'_, '_>, scene: &Scene<'_>, store: &Name) -> Result<Option<Keeper>, Fault> {
    let Some(wanted) = &scene.key.pre_images else { return Ok(None) };
    if wanted.to != "file" {
        let doing = format!("keep pre-images of `{}`", scene.name());
        return Err(Fault::give_up(doing, format!("this build cannot keep them in `{}`", wanted.to))
            .hint("use `to = \"file\"`"));
    }
    let run = executor.desk.run()?;
    Keeper::open(executor.pre_images, run.as_str(), scene.name(), store).map(Some)
}
