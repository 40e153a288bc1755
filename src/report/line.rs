//! One entry of the journal as one line for people.

use crate::journal::Event;
use crate::journal::Fact;
use crate::journal::Facts;
use crate::journal::Mark;
use crate::journal::Opened;
use crate::journal::Place;
use crate::journal::RunId;
use crate::journal::Settled;
use crate::journal::StepName;
use crate::model::Change;
use crate::model::KeyName;

/// The run that an event begins or ends.
#[must_use]
pub fn of_run(event: &Event) -> Option<&RunId> {
    match event {
        Event::RunOpened { run, .. } | Event::RunFinished { run } | Event::RunCancelled { run, .. } => Some(run),
        _ => None,
    }
}

/// What happened, in words. What others wrote (names in databases, messages of servers) stands in it as it is: whoever
/// prints it makes it harmless for the place.
#[must_use]
pub fn told(event: &Event) -> String {
    match event {
        Event::Begun { tool, .. } => format!("the journal begins (keyrota {tool})"),
        Event::RunOpened { run, plan, keys, .. } => {
            let keys: Vec<String> = keys.keys().map(ToString::to_string).collect();
            format!("{run} opened: plan {} for {}", plan.short(), keys.join(", "))
        }
        Event::RunFinished { run } => format!("{run} finished"),
        Event::RunCancelled { run, why } => format!("{run} cancelled: {why}"),
        Event::Approval { plan, stage, principal, .. } => {
            format!("{principal} approved plan {} up to `{stage}`", plan.short())
        }
        Event::SetAside { file, bytes, .. } => {
            format!("{bytes} bytes that were torn or broken were kept aside as {file}")
        }
        Event::Recovered { wrong, entries, why, .. } => {
            format!(
                "a new journal began in place of one that was broken or lost ({wrong}; {entries} entries were whole), because {why}"
            )
        }
        Event::Note { text } => text.clone(),
        Event::Override { what, why } => format!("went past a rule: {what}, because {why}"),
        other => of_step(other).or_else(|| of_key(other)).unwrap_or_default(),
    }
}

fn of_step(event: &Event) -> Option<String> {
    Some(match event {
        Event::Intent { step, attempt, mark } => format!("{step} begins{}{}", again(*attempt), made(mark)),
        Event::Done { step, facts, change, undone, .. } => {
            let change: Vec<String> = change.iter().map(|(key, change)| changed(key, change)).collect();
            let change = if change.is_empty() { String::new() } else { format!(": {}", change.join(", ")) };
            let names: Vec<&str> = undone.iter().map(StepName::as_str).collect();
            let again = if names.is_empty() { String::new() } else { format!("; ahead again: {}", names.join(", ")) };
            format!("{step} done{change}{}{again}", facts_told(facts))
        }
        Event::Failed { step, attempt, fault } => format!("{step} failed{}: {fault}", again(*attempt)),
        Event::Waited { step, gate, because } => format!("{step}: {gate}: open ({})", opened(*because)),
        Event::Chunk { step, store, round, moved, up_to, .. } => {
            format!("{step}: {moved} moved in `{store}`, round {round}, up to {up_to}")
        }
        Event::Round { step, store, round, moved, found, quarantined } => {
            format!("{step}: round {round} in `{store}` found {found}, moved {moved}, {quarantined} do not open")
        }
        _ => return None,
    })
}

fn of_key(event: &Event) -> Option<String> {
    Some(match event {
        Event::Observation { key, members, .. } => {
            let seen: usize = members.values().map(std::collections::BTreeMap::len).sum();
            match members.is_empty() {
                true => format!("{key}: looked at"),
                false => format!("{key}: looked at; {seen} members gave a sign"),
            }
        }
        Event::Census { key, store, under, strange, .. } => {
            let mut counts: Vec<String> = under.iter().map(|(id, count)| format!("{count} under {id}")).collect();
            if *strange > 0 {
                counts.push(format!("{strange} under no version of it"));
            }
            let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
            format!("{key}: counted in `{store}`: {counts}")
        }
        Event::Asked { key, store, scope, dry_run, target, moved, there, failed } => {
            let of = scope.as_ref().map(|scope| format!(", only `{scope}`")).unwrap_or_default();
            let moved = if *dry_run { format!("it would move {moved}") } else { format!("it moved {moved}") };
            format!("{key}: asked the service of `{store}`{of}: to {target} {moved}, {there} are there, {failed} fail")
        }
        Event::Quarantined { key, at, why, .. } => format!("{key}: {} does not open: {why}", place(at)),
        Event::QuarantineSettled { key, at, how: Settled::Accepted, by } => {
            format!("{key}: {by} accepts that {} does not open", place(at))
        }
        Event::QuarantineSettled { key, at, how: Settled::Retried, .. } => {
            format!("{key}: {} opens again, or is gone", place(at))
        }
        Event::Adopted { key, version, current, .. } => {
            let current = if *current { ", the current one" } else { "" };
            format!("{key}@{version} adopted{current}")
        }
        Event::TakenBack { key } => {
            format!("the last rotation of {key} was taken back, and nobody had planned it since")
        }
        Event::Compromised { key, version, why } => format!("{key}@{version} is known to others: {why}"),
        _ => return None,
    })
}

/// A sealed value by where it stands.
#[must_use]
pub fn place(at: &Place) -> String {
    format!("`{}`: `{}.{}` where {}", at.store, at.table, at.column, at.row.join(", "))
}

/// What was done to a version.
#[must_use]
pub fn changed(key: &KeyName, change: &Change) -> String {
    match change {
        Change::Add { version, promotes: true, .. } => format!("{key}@{version} made, current at once"),
        Change::Add { version, .. } => format!("{key}@{version} made"),
        Change::Switch { to } => format!("{key}@{to} is current"),
        Change::Retire { version } => format!("{key}@{version} disabled"),
        Change::Enable { version } => format!("{key}@{version} enabled again"),
        Change::Discard { version } => format!("{key}@{version} discarded, never used"),
        Change::Destroy { version } => format!("{key}@{version} destroyed"),
    }
}

/// How a gate opened.
#[must_use]
pub const fn opened(because: Opened) -> &'static str {
    match because {
        Opened::Time => "the hour came",
        Opened::Proof => "every member proved it",
        Opened::Hand => "a person did it",
    }
}

fn again(attempt: u32) -> String {
    if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() }
}

fn made(mark: &Mark) -> String {
    mark.version.as_ref().map(|version| format!(" with {version}")).unwrap_or_default()
}

fn facts_told(facts: &Facts) -> String {
    let told: Vec<String> = facts.iter().map(|(name, fact)| format!("{name} {}", fact_told(fact))).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

/// A small fact.
#[must_use]
pub fn fact_told(fact: &Fact) -> String {
    match fact {
        Fact::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Fact::Count(count) => count.to_string(),
        Fact::Text(text) => text.clone(),
    }
}
