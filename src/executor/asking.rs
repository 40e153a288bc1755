//! What a service moves of its own: it is asked scope by scope to look, to move, and to look again, until it finds nothing;
//! each call is journaled. What it says is believed only where it adds up and names the version that was meant.
//! Never here: opening or writing a row.

use crate::executor::Executor;
use crate::executor::rewrap::Quarantined;
use crate::executor::rewrap::Why;
use crate::executor::scene::Scene;
use crate::executor::told::Told;
use crate::executor::values::place;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::journal::Event;
use crate::journal::Known;
use crate::journal::StepName;
use crate::model::VersionId;
use crate::port::store::service::Answer;
use crate::port::store::service::Asked;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// So often one scope is looked at in one attempt; each look but the last may find more to move.
const LOOKS_MAX: u32 = 5;
/// How many rows that fail are named in one sentence; all are in the journal.
const NAMED_MAX: usize = 3;

/// How a service's move ended.
pub(super) enum Went {
    /// Nothing is left that it can move.
    Done {
        /// Rows that it moved.
        moved: u64,
        /// How often it was asked.
        calls: u64,
        /// What is there by its last look at everything.
        census: Census,
    },
    /// It was stopped between two calls.
    Stopped,
    /// It failed.
    Failed(Fault),
}

/// What a look found left.
pub(super) struct Left {
    /// Rows under another version than the target, by the look.
    pub(super) rows: u64,
    /// Those among them that somebody accepted as lost.
    pub(super) accepted: u64,
    /// Whether the service can move any of them.
    pub(super) movable: bool,
}

/// What cannot be moved and did not only change meanwhile, by its name.
#[must_use]
pub fn unmoved(asked: &Asked<'_>, answer: &Answer) -> Vec<Quarantined> {
    let version = asked.other(answer);
    let failures = answer.failures.iter().filter(|failure| !failure.again);
    let named = failures.map(|failure| Quarantined {
        table: asked.method().to_owned(),
        column: failure.field.clone(),
        row: failure.row.clone(),
        version: version.clone(),
        why: Why::Said(failure.why.clone()),
    });
    named.collect()
}

/// The fault of a reply that is about another version.
fn behind(doing: String, answer: &Answer, target: &VersionId) -> Fault {
    let why = format!("it moves to `{}`, not to `{target}`", answer.target);
    Fault::retry(doing, why).hint(format!(
        "an instance that has not restarted may have answered: restart it, see that every instance knows `{target}` as \
         current, then run `keyrota apply` again; nothing was taken for done"
    ))
}

/// Asks it once, for the journal. The reply must be about this version.
///
/// # Errors
/// The journal failed.
pub(super) fn ask(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    asked: &Asked<'_>,
    (scope, dry_run): (Option<&str>, bool),
    target: &VersionId,
) -> Result<Result<Answer, Fault>, Fault> {
    let answer = match asked.call(scope, dry_run) {
        Ok(answer) => answer,
        Err(fault) => return Ok(Err(fault)),
    };
    executor.desk.jot(vec![Event::Asked {
        key: scene.name().clone(),
        store: asked.store().clone(),
        scope: scope.map(str::to_owned),
        dry_run,
        target: answer.target.clone(),
        moved: answer.moved,
        there: answer.there,
        failed: answer.failed,
    }])?;
    if answer.target != *target {
        return Ok(Err(behind(asked.doing(scope, dry_run), &answer, target)));
    }
    put_aside(executor, scene, asked, &answer)?;
    Ok(Ok(answer))
}

/// Names what cannot be moved, once.
fn put_aside(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    asked: &Asked<'_>,
    answer: &Answer,
) -> Result<(), Fault> {
    let known = executor.desk.ledger().keys.get(scene.name());
    let news = unmoved(asked, answer).into_iter().filter_map(|value| {
        let at = place(asked.store(), &value);
        let told = known.is_some_and(|known| known.quarantine.contains_key(&at) || known.accepted.contains_key(&at));
        let (key, why) = (scene.name().clone(), value.why.to_string());
        (!told).then_some(Event::Quarantined { key, at, names: value.version, why })
    });
    let news: Vec<Event> = news.collect();
    if news.is_empty() { Ok(()) } else { executor.desk.jot(news) }
}

/// What an answer says is left.
pub(super) fn left(executor: &Executor<'_, '_>, scene: &Scene<'_>, asked: &Asked<'_>, answer: &Answer) -> Left {
    let known = executor.desk.ledger().keys.get(scene.name());
    let accepted = |known: &Known| {
        let lost: Vec<Quarantined> = unmoved(asked, answer);
        let lost = |row: &str, field: &str| {
            let named = lost.iter().find(|value| value.row == row && value.column == field);
            named.is_some_and(|value| known.accepted.contains_key(&place(asked.store(), value)))
        };
        // A row is lost where all that fails in it is.
        let rows = answer.by_row();
        rows.iter().filter(|(row, failures)| failures.iter().all(|failure| lost(row, &failure.field))).count()
    };
    let accepted = u64::try_from(known.map_or(0, accepted)).unwrap_or(u64::MAX).min(answer.failed);
    let movable = answer.moved > 0 || answer.failures.iter().any(|failure| failure.again);
    Left { rows: answer.moved.saturating_add(answer.failed), accepted, movable }
}

/// Lets it move everything: each scope of the roll-out, and at last whatever there is. A look comes before each move and after
/// the last, so it also tells what a call did whose answer never came.
///
/// # Errors
/// The journal failed.
pub(super) fn move_all(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    step: &StepName,
    asked: &Asked<'_>,
    target: &VersionId,
) -> Result<Went, Fault> {
    let scopes = match asked.scopes() {
        Ok(scopes) => scopes,
        Err(fault) => return Ok(Went::Failed(fault)),
    };
    let mut walk = Walk { step, asked, target, began: Instant::now(), moved: 0, calls: 0 };
    let mut last = None;
    for scope in scopes.iter().map(|scope| Some(scope.as_str())).chain([None]) {
        match walk.scope(executor, scene, scope)? {
            Ok(Some(answer)) => last = Some(answer),
            Ok(None) => return Ok(Went::Stopped),
            Err(fault) => return Ok(Went::Failed(fault)),
        }
    }
    let census = last.map(|answer| asked.census(&answer)).unwrap_or_default();
    Ok(Went::Done { moved: walk.moved, calls: walk.calls, census })
}

struct Walk<'a> {
    step: &'a StepName,
    asked: &'a Asked<'a>,
    target: &'a VersionId,
    began: Instant,
    moved: u64,
    calls: u64,
}

impl Walk<'_> {
    /// One scope: the look that found nothing left to move; nothing where it was stopped.
    fn scope(
        &mut self,
        executor: &mut Executor<'_, '_>,
        scene: &Scene<'_>,
        scope: Option<&str>,
    ) -> Result<Result<Option<Answer>, Fault>, Fault> {
        for round in 1..=LOOKS_MAX {
            let look = match self.ask(executor, scene, (scope, true))? {
                Ok(Some(look)) => look,
                other => return Ok(other),
            };
            if !left(executor, scene, self.asked, &look).movable {
                return Ok(Ok(Some(look)));
            }
            if round == LOOKS_MAX {
                break;
            }
            match self.ask(executor, scene, (scope, false))? {
                Ok(Some(done)) => self.tell(executor, round, &done),
                other => return Ok(other),
            }
        }
        let why = format!("after {} moves it still finds rows to move", LOOKS_MAX.saturating_sub(1));
        let fault = Fault::retry(self.asked.doing(scope, false), why);
        Ok(Err(fault.hint("look for an instance that still writes under an old version")))
    }

    /// One call, unless somebody wants to stop. What fails for good is a fault, before the call that would move the rest.
    fn ask(
        &mut self,
        executor: &mut Executor<'_, '_>,
        scene: &Scene<'_>,
        call: (Option<&str>, bool),
    ) -> Result<Result<Option<Answer>, Fault>, Fault> {
        if executor.stop.load(Ordering::SeqCst) {
            return Ok(Ok(None));
        }
        self.calls = self.calls.saturating_add(1);
        let answer = match ask(executor, scene, self.asked, call, self.target)? {
            Ok(answer) => answer,
            Err(fault) => return Ok(Err(fault)),
        };
        let again = answer.by_row().values().filter(|failures| failures.iter().any(|failure| failure.again)).count();
        let again = u64::try_from(again).unwrap_or(u64::MAX);
        let accepted = left(executor, scene, self.asked, &answer).accepted;
        let stuck = answer.failed.saturating_sub(accepted).saturating_sub(again);
        if stuck > 0 {
            return Ok(Err(self.stuck(call, stuck, &answer)));
        }
        Ok(Ok(Some(answer)))
    }

    fn stuck(&self, (scope, dry_run): (Option<&str>, bool), stuck: u64, answer: &Answer) -> Fault {
        let named = unmoved(self.asked, answer);
        let some: Vec<String> = named.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let more = if named.len() > NAMED_MAX { "; and more" } else { "" };
        let rows = if stuck == 1 { "row fails" } else { "rows fail" };
        let why = format!("{stuck} {rows}: {}{more}", some.join("; "));
        let moved = if dry_run { "nothing of it was moved" } else { "the rest of it was moved" };
        Fault::ask_operator(self.asked.doing(scope, dry_run), why).hint(format!(
            "{moved}; mend what fails (the old version still opens it), or accept it as lost by `keyrota quarantine accept`, \
             then run `keyrota apply` again"
        ))
    }

    fn tell(&mut self, executor: &mut Executor<'_, '_>, round: u32, done: &Answer) {
        self.moved = self.moved.saturating_add(done.moved);
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        executor.screen.tell(&Told::Moved {
            step: self.step.as_str(),
            store: self.asked.store().as_str(),
            round,
            moved: self.moved,
            about: None,
            rate: self.moved.saturating_mul(1000) / millis,
        });
    }
}
