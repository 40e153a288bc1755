//! The view of a whole plan: every word in it is decided here and below, once for all formats.

use crate::decision::Decision;
use crate::decision::Leak;
use crate::inventory::Reopens;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Risk;
use crate::plan::Document;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::render::plan::group;
use crate::render::plan::group::Group;
use crate::render::plan::leak;
use crate::render::rest::Rest;
use crate::render::words;
use serde::Serialize;
use std::collections::BTreeSet;

/// The format of the view as JSON.
pub const FORMAT: &str = "keyrota-plan-view/1";

/// A plan as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// The format's name.
    pub format: &'static str,
    /// The plan's id.
    pub id: String,
    /// The digest of what it would do.
    pub intent: String,
    /// The version of keyrota that drew it.
    pub tool: String,
    /// When it was drawn.
    pub made: Hour,
    /// Until when it may be opened.
    pub expires: Hour,
    /// All of it in a line, and in numbers.
    pub summary: Summary,
    /// The versions that others know, with what would break without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// What a reader must know before anything else.
    pub notes: Vec<Note>,
    /// Keys of equal shape, with their steps told once.
    pub groups: Vec<Group>,
    /// The keys that are not in the plan.
    pub rest: Rest,
}

/// A plan in a line, and in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The line.
    pub line: String,
    /// Its tone.
    pub tone: &'static str,
    /// Keys that get a new version in place of an old one.
    pub rotate: usize,
    /// Keys that get their first version.
    pub new: usize,
    /// Keys whose values move to the version that is current already.
    pub finish: usize,
    /// Keys whose retired version's values are moved.
    pub reopen: usize,
    /// Keys of which a version that is there already takes the current one's place.
    pub back: usize,
    /// Keys of which an old version is destroyed.
    pub destroy: usize,
    /// Keys whose pre-images are deleted.
    pub discard: usize,
    /// All steps.
    pub steps: usize,
    /// Whether every step was proved safe.
    pub proved: bool,
    /// When it begins, if it is opened at once.
    pub begins: Hour,
    /// When it is done, if nothing fails.
    pub ends: Hour,
}

/// Something that a reader must know.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// Its tone.
    pub tone: &'static str,
    /// What it says.
    pub text: String,
}

impl View {
    /// The view of a plan.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let plan = document.plan();
        let groups = group::groups(plan);
        let planned: BTreeSet<&KeyName> = plan.units.iter().flat_map(|unit| &unit.keys).map(|key| &key.name).collect();
        let others = plan.decisions.iter().filter(|decision| !planned.contains(&decision.key));
        let others: Vec<&Decision> = others.collect();
        let (id, intent) = (document.id(), document.intent());
        Self {
            format: FORMAT,
            id: id.hex(),
            intent: intent.hex(),
            tool: plan.tool.clone(),
            made: plan.made,
            expires: plan.expires,
            summary: summary(plan, &groups),
            leaks: plan.leaks.clone(),
            notes: notes(plan, &groups, &id.short(), &intent.short()),
            groups,
            rest: Rest::of(&others),
        }
    }
}

fn summary(plan: &Plan, groups: &[Group]) -> Summary {
    let keys = || plan.units.iter().flat_map(|unit| &unit.keys);
    let of = |kind: Kind| keys().filter(|key| key.kind == kind).count();
    let steps = plan.units.iter().map(|unit| unit.steps.len()).sum();
    let proved = plan.units.iter().all(|unit| unit.proof.is_some());
    let begins = plan.made;
    let ends = groups.iter().map(|group| group.told.ends).max().unwrap_or(plan.made);
    let (rotate, new, finish, reopen) = (of(Kind::Rotate), of(Kind::First), of(Kind::Follow), of(Kind::Reopen));
    let (destroy, discard, back) = (of(Kind::Destroy), of(Kind::Discard), of(Kind::Back));
    let mut parts = vec![
        words::count(rotate, "key to rotate", "keys to rotate"),
        format!("{} new", words::number(u64::try_from(new).unwrap_or(u64::MAX))),
    ];
    if finish > 0 {
        parts.push(words::count(finish, "to finish", "to finish"));
    }
    if back > 0 {
        parts.push(words::count(back, "to go back", "to go back"));
    }
    if reopen > 0 {
        parts.push(words::count(reopen, "reopened", "reopened"));
    }
    parts.push(words::count(destroy, "to destroy", "to destroy"));
    if discard > 0 {
        parts.push(words::count(discard, "with pre-images to delete", "with pre-images to delete"));
    }
    let timed: BTreeSet<&String> = groups.iter().flat_map(|group| &group.told.timed).collect();
    let safe = match (proved, timed.len()) {
        (false, _) => "safe: NOT PROVED".to_owned(),
        (true, 0) => "safe: proved".to_owned(),
        (true, fleets) => format!("safe: proved ({} timed, not proven)", words::count(fleets, "fleet", "fleets")),
    };
    let when = if words::day(begins) == words::day(ends) {
        format!("on {}", words::day(begins))
    } else {
        format!("from {} to {}", words::day(begins), words::day(ends))
    };
    let line = match steps {
        0 if !plan.leaks.is_empty() => "Plan: nothing to do, and something to write down.".to_owned(),
        0 => "Plan: nothing to do.".to_owned(),
        _ => format!("Plan: {}; {}; {safe}; {when}", parts.join(", "), words::count(steps, "step", "steps")),
    };
    let tone = if proved { "bold" } else { "bad" };
    Summary { line, tone, rotate, new, finish, reopen, back, destroy, discard, steps, proved, begins, ends }
}

fn notes(plan: &Plan, groups: &[Group], id: &str, intent: &str) -> Vec<Note> {
    let mut notes = leak::notes(plan);
    if plan.units.is_empty() {
        notes.extend(unmanaged(plan));
        return notes;
    }
    notes.push(ends(plan));
    notes.extend(
        groups.iter().flat_map(|group| group.told.no_way_back.iter().cloned()).map(|text| Note { tone: "warn", text }),
    );
    notes.extend(served(plan));
    notes.extend(floors(plan));
    let accepted: BTreeSet<&String> = groups.iter().flat_map(|group| &group.told.accepted).collect();
    if !accepted.is_empty() {
        let all: Vec<String> = accepted.into_iter().cloned().collect();
        notes.push(Note {
            tone: "warn",
            text: format!("Accepted risks: {} (why, and until when, below).", words::all_of(&all)),
        });
    }
    notes.extend(unmanaged(plan));
    notes.extend(voices(plan).map(|text| Note { tone: "plain", text }));
    let text = format!("Open it by {}. Plan {id}, intent {intent}. All hours are UTC.", words::hour(plan.expires));
    notes.push(Note { tone: "dim", text });
    notes
}

/// How many versions that end are named on the first page.
const NAMES_MAX: usize = 6;

/// Whether key material ends, and which.
fn ends(plan: &Plan) -> Note {
    let keys = plan.units.iter().flat_map(|unit| &unit.keys).filter(|key| key.kind == Kind::Destroy);
    let names: Vec<String> =
        keys.filter_map(|key| key.old.as_ref().map(|old| format!("`{}@{old}`", key.name))).collect();
    if names.is_empty() {
        let text = "Nothing here destroys key material: old versions end by a plan of their own.".to_owned();
        return Note { tone: "plain", text };
    }
    let (shown, more) = names.split_at(names.len().min(NAMES_MAX));
    let mut shown = shown.to_vec();
    if !more.is_empty() {
        shown.push(format!("{} more", words::number(u64::try_from(more.len()).unwrap_or(u64::MAX))));
    }
    let text = format!("This plan destroys key material, and that cannot be undone: {}.", words::all_of(&shown));
    Note { tone: "bad", text }
}

/// The keys whose values only a service opens, and how it is seen to that it does.
fn served(plan: &Plan) -> Option<Note> {
    let moves = |unit: &Unit| unit.steps.iter().any(|step| step.part == Part::Rewrap { service: false });
    let keys = plan.units.iter().filter(|unit| moves(unit)).flat_map(|unit| &unit.keys);
    let served: Vec<String> = keys
        .filter(|key| key.base.able.reopens == Reopens::Service)
        .map(|key| format!("`{}`", key.name))
        .take(NAMES_MAX)
        .collect();
    let text = || {
        format!(
            "Only its service opens what {} sealed. It opens a probe before anything is written, and some of each page before \
             and after; what is replaced is kept; and every value is opened once before the old version goes.",
            words::all_of(&served)
        )
    };
    (!served.is_empty()).then(|| Note { tone: "warn", text: text() })
}

/// Where disabling one version disables others too.
fn floors(plan: &Plan) -> Vec<Note> {
    let retires = |unit: &Unit| unit.steps.iter().any(|step| step.part == Part::Retire);
    let keys = plan.units.iter().filter(|unit| retires(unit)).flat_map(|unit| &unit.keys);
    let told = keys.filter_map(|key| {
        let old = key.old.as_ref()?;
        let others: Vec<String> =
            key.falls().iter().filter(|id| *id != old).map(|id| format!("`{}@{id}`", key.name)).collect();
        let with = words::all_of(&others);
        let text = format!("With `{}@{old}`, {with} is disabled: its backend knows only a floor.", key.name);
        (!others.is_empty()).then_some(Note { tone: "warn", text })
    });
    told.take(NAMES_MAX).collect()
}

/// What was seen beside the keys and is in no policy.
fn unmanaged(plan: &Plan) -> Option<Note> {
    let (shown, more) = plan.unmanaged.split_at(plan.unmanaged.len().min(NAMES_MAX));
    let mut shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
    if !more.is_empty() {
        shown.push(format!("{} more", words::number(u64::try_from(more.len()).unwrap_or(u64::MAX))));
    }
    (!shown.is_empty()).then(|| Note { tone: "warn", text: format!("Not managed: {}.", shown.join("; ")) })
}

/// The voices that the plan needs before it may go on.
fn voices(plan: &Plan) -> Option<String> {
    let need = &plan.settings.approval.as_ref()?.need;
    let classes: BTreeSet<Risk> = plan.units.iter().flat_map(|unit| &unit.steps).map(|step| step.risk).collect();
    let needed = need.iter().filter(|(class, count)| **count > 0 && classes.contains(class));
    let all: Vec<String> = needed
        .map(|(class, count)| {
            format!("{} for `{class}`", words::count(usize::try_from(*count).unwrap_or(0), "voice", "voices"))
        })
        .collect();
    (!all.is_empty()).then(|| format!("It needs {} (`keyrota approve`).", words::all_of(&all)))
}
