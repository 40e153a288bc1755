//! Where everything stands: the view of `status`. What is well is told in one line.

use crate::decision::Reason;
use crate::decision::Verdict;
use crate::digest::Digest;
use crate::inventory::Unmanaged;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Version;
use crate::render::Paper;
use crate::render::outline::Outline;
use crate::render::terminal::Tone;
use crate::render::words;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where everything stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// When it was looked at.
    pub hour: Hour,
    /// Whether the journal's hours are a simulation's.
    pub simulated: bool,
    /// Every key.
    pub keys: Vec<Key>,
    /// Every open run.
    pub runs: Vec<Run>,
    /// What looks like a key and is in no policy.
    pub unmanaged: Vec<Unmanaged>,
}

/// One key.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Its name.
    pub key: KeyName,
    /// Whom to ask.
    pub owner: String,
    /// What is to be done.
    pub verdict: Verdict,
    /// Its versions.
    pub versions: Vec<Version>,
    /// Since when the current one may have been written with.
    pub current_since: Option<Hour>,
    /// When its rotation must begin.
    pub start_by: Option<Hour>,
    /// When the current version must no longer be written under.
    pub due_by: Option<Hour>,
    /// Whether that has passed.
    pub overdue: bool,
    /// The guards that it is past.
    pub violates: Vec<String>,
    /// How many values wait in quarantine.
    pub quarantined: usize,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// One open run.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Its name.
    pub run: String,
    /// Its plan.
    pub plan: Digest,
    /// When it was opened.
    pub opened_at: Hour,
    /// By whom.
    pub opened_by: String,
    /// The keys it works on.
    pub keys: Vec<KeyName>,
    /// How many steps it has.
    pub steps: usize,
    /// How many of them are done.
    pub done: usize,
    /// Where each fleet stands, member by member.
    pub fleets: Vec<FleetStands>,
    /// The steps that come next, and what they wait for.
    pub next: Vec<Next>,
    /// The steps that failed: why, and the way out.
    pub failed: Vec<(Next, String, Option<String>)>,
    /// Whether a gate was missed.
    pub late: bool,
    /// Whether an operator may go away.
    pub safe_to_leave: String,
}

/// Where a fleet stands in a run.
#[derive(Debug, Clone, Serialize)]
pub struct FleetStands {
    /// The key.
    pub key: KeyName,
    /// The fleet.
    pub fleet: String,
    /// What was done for each member, and what comes next for it.
    pub members: Vec<(String, String)>,
}

/// A step that comes next, and what it waits for.
#[derive(Debug, Clone, Serialize)]
pub struct Next {
    /// Its name.
    pub step: String,
    /// What it does.
    pub title: String,
    /// When its gate opens, where the hour alone decides.
    pub opens: Option<Hour>,
    /// By when it must have opened.
    pub by: Option<Hour>,
    /// What else it waits for.
    pub waits_for: Vec<String>,
}

/// The view for a terminal.
#[must_use]
pub fn text(status: &Status, all: bool, paper: Paper) -> String {
    let mut out = Outline::default();
    let told: Vec<&Key> = status.keys.iter().filter(|key| all || !is_well(key)).collect();
    let quiet = status.keys.len() - told.len();
    for run in &status.runs {
        tell_run(&mut out, run);
    }
    let more = if all { 0 } else { told.len().saturating_sub(KEYS_MAX) };
    for key in told.iter().take(told.len() - more) {
        tell_key(&mut out, key);
    }
    if more > 0 {
        out.line(Tone::Warn, 0, &rest(told.iter().rev().take(more).copied()));
    }
    if quiet > 0 || status.keys.is_empty() {
        out.line(Tone::Good, 0, &well(status, quiet));
    }
    let many = if all { 0 } else { status.unmanaged.len().saturating_sub(KEYS_MAX) };
    for one in status.unmanaged.iter().take(status.unmanaged.len() - many) {
        out.line(Tone::Warn, 0, &format!("not managed: {one}"));
    }
    if many > 0 {
        out.line(
            Tone::Warn,
            0,
            &format!(
                "and {} more not managed; `keyrota status --all` tells each",
                words::number(u64::try_from(many).unwrap_or(u64::MAX))
            ),
        );
    }
    if status.simulated {
        out.line(Tone::Dim, 0, "The hours of this journal were made up by a simulation.");
    }
    out.text(paper)
}

/// How many members of a fleet are told.
const MEMBERS_MAX: usize = 20;

/// How many keys are told in full, unless all are asked for.
const KEYS_MAX: usize = 20;

/// The keys that are not told in full, counted by what is to be done about them.
fn rest<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys {
        *counts.entry(if key.overdue { "overdue" } else { key.verdict.words() }).or_default() += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("and more: {}; `keyrota status --all` tells each", words::all_of(&counts))
}

fn is_well(key: &Key) -> bool {
    let drifted = key.reasons.iter().any(|reason| matches!(reason, Reason::Drifted { .. }));
    key.verdict == Verdict::Well && !key.overdue && key.violates.is_empty() && key.quarantined == 0 && !drifted
}

fn well(status: &Status, quiet: usize) -> String {
    let keys = words::count(quiet, "key is", "keys are");
    let next = status.keys.iter().filter(|key| is_well(key)).filter_map(|key| Some((key.start_by?, key)));
    match next.min_by_key(|(start, _)| *start) {
        Some((start, key)) => {
            format!("{keys} well; the next rotation is due to begin {} (`{}`)", words::hour(start), key.key)
        }
        None => format!("{keys} well."),
    }
}

fn tell_run(out: &mut Outline, run: &Run) {
    let keys: Vec<String> = run.keys.iter().take(3).map(|key| format!("`{key}`")).collect();
    let more = run.keys.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    out.head(&format!("{} for {}{more}", run.run, keys.join(", ")));
    let opened = format!("opened {} by {}", words::hour(run.opened_at), run.opened_by);
    out.line(Tone::Dim, 2, &format!("{opened}; {} of {} steps done", run.done, run.steps));
    for fleet in &run.fleets {
        let more = fleet.members.len().saturating_sub(MEMBERS_MAX);
        out.line(Tone::Plain, 2, &format!("`{}`, for {}:", fleet.fleet, fleet.key));
        for (member, stands) in fleet.members.iter().take(MEMBERS_MAX) {
            out.line(Tone::Plain, 4, &format!("{member}: {stands}"));
        }
        if more > 0 {
            out.line(Tone::Dim, 4, &format!("and {more} more; `keyrota status --json` tells each"));
        }
    }
    for (held, why, hint) in &run.failed {
        out.line(Tone::Bad, 2, &format!("{}: {}: failed: {why}", held.step, held.title));
        if let Some(hint) = hint {
            out.line(Tone::Plain, 4, hint);
        }
        let waits = held.opens.is_some() || !held.waits_for.is_empty();
        let when = if waits { format!(", once its gates are open: {}", self::waits(held)) } else { String::new() };
        out.line(Tone::Plain, 4, &format!("`keyrota apply` tries it again{when}"));
    }
    for held in &run.next {
        out.line(Tone::Plain, 2, &format!("{}: {}", held.step, waits(held)));
    }
    let tone = if run.safe_to_leave.contains(": no") { Tone::Bad } else { Tone::Good };
    out.line(tone, 2, &run.safe_to_leave);
    out.gap();
}

/// A step and what it waits for.
#[must_use]
pub fn waits(held: &Next) -> String {
    let mut text = held.title.clone();
    if let Some(opens) = held.opens {
        text.push_str(&format!("; opens {}", words::second(opens)));
    }
    if let Some(by) = held.by {
        text.push_str(&format!("; must open by {}", words::second(by)));
    }
    for waits_for in &held.waits_for {
        text.push_str(&format!("; waits for {waits_for}"));
    }
    if held.opens.is_none() && held.waits_for.is_empty() {
        text.push_str("; ready: `keyrota apply`");
    }
    text
}

fn tell_key(out: &mut Outline, key: &Key) {
    let (word, tone) = match key.verdict {
        _ if key.overdue || !key.violates.is_empty() => ("overdue", Tone::Bad),
        Verdict::Blocked | Verdict::RolledBack => (key.verdict.words(), Tone::Bad),
        Verdict::Well | Verdict::UnderWay => (key.verdict.words(), Tone::Good),
        _ => (key.verdict.words(), Tone::Warn),
    };
    out.pair(tone, &format!("{}: {word}", key.key), &key.owner);
    let versions: Vec<String> = key.versions.iter().map(version).collect();
    let versions = if versions.is_empty() { "no version yet".to_owned() } else { versions.join(", ") };
    out.line(Tone::Plain, 2, &versions);
    if let Some(due) = key.due_by {
        let start = key.start_by.filter(|_| !key.overdue);
        let start = start.map(|start| format!("; its rotation must begin by {}", words::hour(start)));
        let text = if key.overdue { "had to be replaced by" } else { "to be replaced by" };
        out.line(Tone::Plain, 2, &format!("{text} {}{}", words::hour(due), start.unwrap_or_default()));
    }
    for violates in &key.violates {
        out.line(Tone::Bad, 2, violates);
    }
    for reason in &key.reasons {
        let (text, hint) = words::reason(&key.key, reason);
        out.line(Tone::Plain, 2, &text);
        if let Some(hint) = hint {
            out.line(Tone::Dim, 4, &hint);
        }
    }
    match key.verdict {
        verdict if verdict.acts() => {
            out.line(Tone::Dim, 4, "plan it: `keyrota plan -o FILE`");
        }
        _ => {}
    }
    if key.quarantined > 0 {
        let values = words::count(key.quarantined, "value does not open and waits", "values do not open and wait");
        out.line(Tone::Warn, 2, &format!("{values} for you"));
        out.line(Tone::Dim, 4, "see them: `keyrota quarantine list`");
    }
    out.gap();
}

/// A reason in words.
#[must_use]
pub fn reason(key: &KeyName, reason: &Reason) -> String {
    words::reason(key, reason).0
}

fn version(version: &Version) -> String {
    let since = version.since.map(|since| format!(" since {}", words::hour(since))).unwrap_or_default();
    let compromised = if version.compromised { ", known to others" } else { "" };
    format!("`{}` {}{since}{compromised}", version.id, version.state)
}
