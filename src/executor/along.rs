//! How far a unit has come: by the journal, by what failed in this attempt, and by what the world shows of acts whose
//! outcome nobody wrote down.
//! Never here: acting, or writing the journal.

use crate::course;
use crate::course::Door;
use crate::course::Times;
use crate::executor::Executor;
use crate::executor::perform;
use crate::executor::scene::Scene;
use crate::fault::Fault;
use crate::journal::Standing;
use crate::journal::Stands;
use crate::journal::StepName;
use crate::model::Act;
use crate::model::Hour;
use crate::plan::Part;
use crate::plan::Unit;
use crate::plan::progress::At;
use crate::plan::progress::Progress;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// A step by the place of its unit and its own.
pub(super) type Place = (usize, usize);

/// What one attempt knows beside the journal.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// What failed in it: not tried again in it.
    pub(super) failed: BTreeMap<Place, Fault>,
    /// Retirements that were found to have been too early.
    pub(super) back: BTreeSet<Place>,
    /// How often a closing round found in it that a service has to move more.
    pub(super) rounds: BTreeMap<Place, u32>,
    /// What was begun before it, and whether the world shows that it took. Looked at once.
    looked: BTreeMap<Place, Result<bool, String>>,
}

/// How far a unit has come, by the journal. What failed in an earlier attempt is begun.
#[must_use]
pub fn progress(unit: &Unit, names: &[String], standing: &Standing) -> Progress {
    let mut progress = Progress::fresh(unit.steps.len());
    for (step, name) in names.iter().enumerate() {
        let Ok(name) = name.parse::<StepName>() else { continue };
        progress.put(
            step,
            match &standing.step(&name).stands {
                Stands::Pending => At::Ahead,
                Stands::Begun { .. } | Stands::Failed { .. } => At::Begun,
                Stands::Done { .. } => At::Done,
            },
        );
        // An undo that was begun is finished first, whatever the next look would say.
        if unit.steps.get(step).is_some_and(|step| step.part == Part::Retire) && undo_begun(unit, step, standing) {
            progress.put(step, At::Back);
        }
    }
    progress
}

fn undo_begun(unit: &Unit, retire: usize, standing: &Standing) -> bool {
    let name = undo_name(unit, retire).map(|name| standing.step(&name).stands.clone());
    matches!(name, Some(Stands::Begun { .. } | Stands::Failed { .. }))
}

/// The name of the act by which a retirement is taken back.
pub(super) fn undo_name(unit: &Unit, retire: usize) -> Option<StepName> {
    unit.name_beside(unit.steps.get(retire)?.key, Act::Enable).parse().ok()
}

/// When a unit's steps were begun and done, by the journal.
#[must_use]
pub fn times(unit: &Unit, names: &[String], standing: &Standing) -> Times {
    let named = |name: &String| name.parse::<StepName>().ok();
    let mut begun: Vec<Option<Hour>> =
        names.iter().map(|name| named(name).and_then(|name| standing.step(&name).first_begun)).collect();
    let mut done: Vec<Option<Hour>> =
        names.iter().map(|name| named(name).and_then(|name| standing.done_at(&name))).collect();
    begun.resize(unit.steps.len(), None);
    done.resize(unit.steps.len(), None);
    Times { opened: standing.opened_at, begun, done }
}

impl Attempt {
    /// What this attempt knows better than the journal.
    pub(super) fn overlay(&self, at: usize, progress: &mut Progress) {
        for (_, step) in self.back.range((at, 0)..=(at, usize::MAX)) {
            progress.put(*step, At::Back);
        }
        for ((_, step), _) in self.failed.range((at, 0)..=(at, usize::MAX)) {
            progress.put(*step, At::Failed);
        }
    }

    /// Looks at what was begun before this attempt and whose gates are shut now: whether it took, nobody wrote down.
    pub(super) fn settle(
        &mut self,
        executor: &Executor<'_, '_>,
        (at, unit, names): (usize, &Unit, &[String]),
        standing: &Standing,
        progress: &mut Progress,
        doors: &[Door],
    ) -> Result<(), Fault> {
        for (index, step) in unit.steps.iter().enumerate() {
            let shut = doors.get(index).is_some_and(|door| *door != Door::Open);
            if !shut || progress.at(index) != At::Begun || !course::may_begin(unit, progress, index) {
                continue;
            }
            let plan = executor.approved.plan();
            let scene = Scene::new(plan, unit, step, standing, names, index)?;
            let record = names.get(index).and_then(|name| name.parse::<StepName>().ok());
            let Some(record) = record.map(|name| standing.step(&name)) else { continue };
            let took = self.looked.entry((at, index)).or_insert_with(|| {
                // What cannot be seen is not known to have taken: it is tried anew when its gates are open.
                perform::took(executor.world, &scene, record).map_err(|fault| fault.to_string())
            });
            if *took == Ok(true) {
                progress.put(index, At::Took);
            }
        }
        Ok(())
    }

    /// Why it could not be seen whether a step took, where that was looked for.
    pub(super) fn unseen(&self, at: usize, step: usize) -> Option<&str> {
        self.looked.get(&(at, step)).and_then(|looked| looked.as_ref().err()).map(String::as_str)
    }
}
