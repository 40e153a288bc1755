//! Members restarted: one after the other, the next only when the one before is well. Where they hold one version, each takes
//! its turn: what a late writer left is moved, and it is started again.

use crate::executor::Executor;
use crate::executor::moving;
use crate::executor::people::chosen;
use crate::executor::people::members;
use crate::executor::perform::Outcome;
use crate::executor::scene::Scene;
use crate::fault::Fault;
use crate::journal::Facts as Journaled;
use crate::journal::StepName;
use crate::model::Hour;
use crate::model::Member;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Kind;
use crate::plan::Part;
use crate::policy::meant;
use crate::policy::meant::Check;
use crate::policy::meant::check::Ask;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::RestartHow;
use crate::port::facts::Facts;
use std::collections::BTreeSet;

/// How often a member is asked whether it is well again.
const ASK_AGAIN: Span = Span::seconds(1);

/// How long a member that was started is left alone before the first look whether a late writer left something that keeps it
/// down. Each further start is given twice as long, so that one that is slow comes up beside one that writes often.
const SWEEP_AGAIN: Span = Span::seconds(2);

/// Restarts a fleet, or one member of it.
pub(super) fn restart(
    executor: &mut Executor<'_, '_>,
    scene: &Scene<'_>,
    step: &StepName,
    name: &Name,
    member: Option<&Member>,
) -> Result<Outcome, Fault> {
    let world = executor.world;
    let fleet = scene.fleet(name)?;
    let Some(restart) = &fleet.restart else {
        return Err(Fault::report_bug(format!("restart `{name}`"), "the plan does not say how"));
    };
    let turn = Turn { scene, step, name, fleet, within: restart.within, sweeps: sweeps(scene, fleet) };
    if restart.how == RestartHow::All && member.is_none() {
        let since = executor.desk.now();
        world.fleet(scene.name(), name)?.restart(None, &scene.plain_facts())?;
        for member in members(world, scene, name)? {
            turn.until_well(executor, &member, since, restart.within.after(since))?;
        }
        return Ok(Outcome::done());
    }
    let mut members = chosen(world, scene, name, member)?;
    let mut told = turn.down_first(executor, &members)?;
    if turn.sweeps && members.len() > 1 {
        let mut down = BTreeSet::new();
        for member in &members {
            if turn.is_down(executor, member)? {
                down.insert(member.clone());
            }
        }
        members.sort_by_key(|member| !down.contains(member));
    }
    for member in members {
        turn.take(executor, &member, &mut told)?;
    }
    Ok(Outcome::Done { facts: told, change: Vec::new() })
}

/// Whether members start only where every value is under the version that they hold.
fn sweeps(scene: &Scene<'_>, fleet: &meant::Fleet) -> bool {
    fleet.holds == Holds::One && matches!(scene.planned.kind, Kind::Rotate | Kind::Follow | Kind::Back)
}

/// A turn of one fleet's members.
struct Turn<'a> {
    scene: &'a Scene<'a>,
    step: &'a StepName,
    name: &'a Name,
    fleet: &'a meant::Fleet,
    within: Span,
    sweeps: bool,
}

/// How a start went.
enum Start {
    /// It is well.
    Well,
    /// A late writer had left something, which is moved now.
    Again,
    /// It is not, and its time is over.
    Over(Fault),
}

impl Turn<'_> {
    /// One member's restart, until it is well or its time is over.
    fn take(&self, executor: &mut Executor<'_, '_>, member: &Member, told: &mut Journaled) -> Result<(), Fault> {
        let deadline = self.within.after(executor.desk.now());
        // Hours may lie between the sweep before and an attempt that goes on: what came in meanwhile would keep it down.
        let standing = executor.desk.standing(executor.approved.id());
        if self.sweeps && standing.is_some_and(|standing| standing.step(self.step).attempts > 1) {
            moving::sweep(executor, self.scene, self.step)?;
        }
        let (mut starts, mut patience) = (0_u64, SWEEP_AGAIN);
        loop {
            starts = starts.saturating_add(1);
            let start = self.start(executor, member, patience, deadline)?;
            patience = patience.plus(patience);
            match start {
                Start::Well if starts > 1 => {
                    let text = format!("well at start {starts}: values under the old version had come in before");
                    told.insert(member.to_string(), text.into());
                    return Ok(());
                }
                Start::Well => return Ok(()),
                Start::Again => {}
                Start::Over(fault) => return Err(fault),
            }
        }
    }

    fn start(
        &self,
        executor: &mut Executor<'_, '_>,
        member: &Member,
        patience: Span,
        deadline: Hour,
    ) -> Result<Start, Fault> {
        let since = executor.desk.now();
        let facts = self.scene.plain_facts().with_member(member);
        let port = executor.world.fleet(self.scene.name(), self.name)?;
        if let Err(fault) = port.restart(Some(member), &facts) {
            // An init system that waits for its service says so itself when that does not come up.
            let again =
                self.sweeps && moving::sweep(executor, self.scene, self.step)? && executor.desk.now() < deadline;
            return Ok(if again { Start::Again } else { Start::Over(fault) });
        }
        loop {
            let until = if self.sweeps { patience.after(executor.desk.now()).min(deadline) } else { deadline };
            let Err(fault) = self.until_well(executor, member, since, until) else { return Ok(Start::Well) };
            let over = !fault.may_retry() || executor.desk.now() >= deadline;
            if self.sweeps && moving::sweep(executor, self.scene, self.step)? && !over {
                return Ok(Start::Again);
            }
            if over {
                return Ok(Start::Over(self.stopped(member, fault)));
            }
        }
    }

    /// Asks until every check passes. Whoever is not up yet cannot be asked: that is no answer, but no end either.
    fn until_well(
        &self,
        executor: &Executor<'_, '_>,
        member: &Member,
        since: Hour,
        deadline: Hour,
    ) -> Result<(), Fault> {
        let world = executor.world;
        let probe = world.probe(self.scene.name())?;
        let facts = self.scene.plain_facts().with_member(member).with_since(since);
        for check in &self.fleet.healthy {
            loop {
                let saw = match probe.ask(check, &facts) {
                    Ok(answer) if answer.passed => break,
                    Ok(answer) => answer.saw,
                    Err(fault) if fault.may_retry() => fault.source,
                    Err(fault) => return Err(fault),
                };
                let now = world.clock().now();
                if now >= deadline {
                    let waited = Span::between(since, now);
                    let doing = format!("see `{member}` well again (`{}`)", check.name);
                    return Err(Fault::retry(doing, format!("{saw} (waited {waited})")));
                }
                world.clock().sleep_until(ASK_AGAIN.after(now).min(deadline));
            }
        }
        Ok(())
    }

    /// A member that does not come back stops the roll-out.
    fn stopped(&self, member: &Member, mut fault: Fault) -> Fault {
        let others = "no other member was restarted after it, and all are as they are";
        let hint = format!("look at the log of `{member}`; {others}; `keyrota apply` restarts it again and goes on");
        fault.remedy = crate::fault::Remedy::AskOperator;
        fault.hint(hint)
    }

    /// A member that is down anyhow has its turn before one that serves: it is pointed and started now, and its own turn
    /// finds it well. That it does not come up yet stops nobody.
    fn down_first(&self, executor: &mut Executor<'_, '_>, turn: &[Member]) -> Result<Journaled, Fault> {
        let mut told = Journaled::new();
        if !self.sweeps {
            return Ok(told);
        }
        for member in self.ahead(executor).into_iter().filter(|member| !turn.contains(member)) {
            if !self.is_down(executor, &member)? {
                continue;
            }
            let world = executor.world;
            let port = world.fleet(self.scene.name(), self.name)?;
            if self.fleet.point.is_some() {
                let new = self.scene.new_version()?;
                port.point(&member, &self.scene.facts(new).with_member(&member))?;
            }
            moving::sweep(executor, self.scene, self.step)?;
            let deadline = self.within.after(executor.desk.now());
            let text = match self.start(executor, &member, SWEEP_AGAIN, deadline)? {
                Start::Well => "was down, and had its turn first",
                Start::Again | Start::Over(_) => "is down, and did not come up when it was given its turn first",
            };
            told.insert(member.to_string(), text.into());
        }
        Ok(told)
    }

    /// The members of this fleet whose turn is ahead.
    fn ahead(&self, executor: &Executor<'_, '_>) -> Vec<Member> {
        let Some(standing) = executor.desk.standing(executor.approved.id()) else { return Vec::new() };
        let units = executor.approved.plan().units.iter();
        let steps = units.flat_map(|unit| unit.steps.iter().zip(unit.step_names()).map(move |step| (unit, step)));
        let mine = steps.filter(|(unit, (step, name))| {
            let key = unit.keys.get(step.key).is_some_and(|key| key.name == *self.scene.name());
            key && name.parse().is_ok_and(|name: StepName| standing.done_at(&name).is_none())
        });
        let restarts = mine.filter_map(|(_, (step, _))| match &step.part {
            Part::Restart { fleet, member, .. } if fleet == self.name => member.clone(),
            _ => None,
        });
        restarts.collect()
    }

    /// Whether a check says that it is down. One that asks what happened since a restart says nothing of a member that had none.
    fn is_down(&self, executor: &Executor<'_, '_>, member: &Member) -> Result<bool, Fault> {
        let probe = executor.world.probe(self.scene.name())?;
        let facts: Facts = self.scene.plain_facts().with_member(member);
        for check in self.fleet.healthy.iter().filter(|check| !asks_since(check)) {
            match probe.ask(check, &facts) {
                Ok(answer) if !answer.passed => return Ok(true),
                Err(fault) if fault.may_retry() => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Whether a check asks about the time since a restart.
fn asks_since(check: &Check) -> bool {
    match &check.ask {
        Ask::Http { url, .. } => url.asks_for("since"),
        Ask::Command { command, .. } => command.iter().any(|word| word.asks_for("since")),
        Ask::Sql { .. } => false,
    }
}
