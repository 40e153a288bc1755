//! Values moved: rounds that the journal and the screen follow, each going on from the data; and the closing round.

use crate::executor::Executor;
use crate::executor::asking;
use crate::executor::asking::Went;
use crate::executor::counting;
use crate::executor::counting::Left;
use crate::executor::keep::Keeper;
use crate::executor::keep::keeper;
use crate::executor::pace::Pacer;
use crate::executor::people::turned;
use crate::executor::perform::Outcome;
use crate::executor::rewrap as engine;
use crate::executor::rewrap::About;
use crate::executor::rewrap::Flow;
use crate::executor::rewrap::Progress;
use crate::executor::rewrap::Quarantined;
use crate::executor::scene::Scene;
use crate::executor::told::Told;
use crate::executor::values;
use crate::executor::values::lots;
use crate::executor::values::place;
use crate::fault::Fault;
use crate::journal::Event;
use crate::journal::Fact;
use crate::journal::Facts;
use crate::journal::StepName;
use crate::model::Name;
use crate::plan::Part;
use std::sync::atomic::Ordering;

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

impl engine::Watch for Follower<'_, '_, '_> {
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

/// Moves what was written meanwhile, as a part of another step: whether there was anything.
pub(super) fn sweep(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<bool, Fault> {
    match rewrap(executor, scene, step)? {
        Outcome::Failed(fault) => Err(fault),
        Outcome::Done { facts, .. } => Ok(moved(&facts)),
        Outcome::Stopped | Outcome::Late(_) => Ok(false),
    }
}

/// Whether a round moved anything.
pub(super) fn moved(facts: &Facts) -> bool {
    matches!(facts.get("moved"), Some(Fact::Count(moved)) if *moved > 0)
}

/// Moves every value to the new version.
pub(super) fn rewrap(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
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
        if let Some(asked) = &lot.asked {
            // It is asked in a step of its own; the others only look whether it has.
            if scene.step.part != (Part::Rewrap { service: true }) {
                continue;
            }
            match asking::move_all(executor, scene, step, asked, &target)? {
                Went::Done { moved: theirs, calls, census } => {
                    moved = moved.saturating_add(theirs);
                    rounds = rounds.max(calls);
                    counting::count(executor, scene, lot, &[census])?;
                }
                Went::Stopped => return Ok(Outcome::Stopped),
                Went::Failed(fault) => return Ok(fault.into()),
            }
            continue;
        }
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
        let outcome = engine::run(lot.store, &lot.job, &lot.ring, &mut follower);
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
        counting::count(executor, scene, lot, &outcome.census)?;
    }
    let mut facts = Facts::new();
    facts.insert("moved".into(), moved.into());
    facts.insert("rounds".into(), rounds.into());
    Ok(Outcome::Done { facts, change: turned(scene, &target) })
}

/// The closing round: moves what is left, and is done when nothing but quarantined values is under the old
/// version.
pub(super) fn close(executor: &mut Executor<'_, '_>, scene: &Scene<'_>, step: &StepName) -> Result<Outcome, Fault> {
    match rewrap(executor, scene, step)? {
        Outcome::Done { mut facts, change } => Ok(match counting::left(executor, scene)? {
            Ok(None) => match values::opens_anew(executor, scene) {
                Ok(Some(opened)) => {
                    facts.insert("opened".into(), opened.into());
                    Outcome::Done { facts, change }
                }
                Ok(None) => Outcome::Done { facts, change },
                Err(stop) => stop,
            },
            // A service moves what it left, and what it had under way lands, before anybody looks again.
            Ok(Some(Left { fault, stuck: false })) if scene.by_service => Outcome::Late(fault),
            Ok(Some(Left { fault, .. })) | Err(fault) => Outcome::Failed(fault),
        }),
        other => Ok(other),
    }
}
