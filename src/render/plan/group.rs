//! Keys of one shape: their steps are told once, and the keys are listed.

use crate::course::forecast::Expected;
use crate::course::forecast::forecast;
use crate::decision::Decision;
use crate::decision::Reason;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::document::shapes;
use crate::policy::Policy;
use crate::policy::meant::Key;
use crate::policy::meant::key::Accept;
use crate::policy::meant::key::Retire;
use crate::render::plan::forecast::then;
use crate::render::plan::proof;
use crate::render::plan::proof::ProofView;
use crate::render::plan::step;
use crate::render::plan::step::StepView;
use crate::render::words;
use serde::Serialize;

/// Keys of one shape.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// What is told once.
    #[serde(flatten)]
    pub told: Told,
    /// The keys, each with its own figures.
    pub keys: Vec<Row>,
}

/// What is told once for all keys of a shape.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Which keys, and how they stand.
    pub title: String,
    /// Why, and what happens, in a few lines.
    pub why: Vec<String>,
    /// How many steps there are, and when.
    pub steps_line: String,
    /// The steps.
    pub steps: Vec<StepView>,
    /// What was proved.
    pub proof: ProofView,
    /// What comes after the plan.
    pub then: Vec<String>,
    /// The fleets that are timed, not proven.
    pub timed: Vec<String>,
    /// The risks that the policy accepts.
    pub accepted: Vec<String>,
    /// Where there is no way back, and what can be done instead.
    pub no_way_back: Vec<String>,
    /// When the last of it is done.
    pub ends: Hour,
}

/// One key with its own figures.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The key.
    pub key: String,
    /// What is to be done.
    pub verdict: String,
    /// The version that is left behind.
    pub old: String,
    /// Why, in words.
    pub why: String,
    /// Values to be moved or opened.
    pub values: u64,
    /// When it must begin.
    pub start_by: Option<Hour>,
    /// When its current version must no longer be written under.
    pub due_by: Option<Hour>,
    /// When it is expected to be done.
    pub done: Hour,
}

/// One unit with what is told of it.
pub(super) struct Case<'a> {
    pub(super) unit: &'a Unit,
    pub(super) keys: Vec<KeyCase<'a>>,
    pub(super) expected: Vec<Expected>,
}

/// One key of a unit.
pub(super) struct KeyCase<'a> {
    pub(super) planned: &'a Planned,
    pub(super) policy: Option<&'a Policy>,
    pub(super) key: Option<&'a Key>,
    pub(super) decision: Option<&'a Decision>,
}

/// What the words about a key take from its policy.
type OfPolicy<'a> = (Retire, Option<Span>, &'a [Accept]);

/// What units must share, beside their shape, to be told together.
#[derive(PartialEq)]
struct Alike<'a> {
    shape: usize,
    keys: Vec<(&'a Name, Option<OfPolicy<'a>>)>,
}

impl<'a> Alike<'a> {
    fn of(shape: usize, case: &Case<'a>) -> Self {
        let keys = case.keys.iter().map(|key| {
            let of_policy = key.key.map(|meant| (meant.retire, restorable(key), meant.accepts.as_slice()));
            (key.planned.name.policy(), of_policy)
        });
        Self { shape, keys: keys.collect() }
    }
}

/// How long a backup of any store of a key may come back.
pub(super) fn restorable(case: &KeyCase<'_>) -> Option<Span> {
    let (policy, key) = (case.policy?, case.key?);
    key.seals.iter().filter_map(|name| policy.stores.get(name)).filter_map(|store| store.restorable_for).max()
}

/// The plan's units, those of one shape together.
pub(super) fn groups(plan: &Plan) -> Vec<Group> {
    let shapes = shapes(&plan.units);
    let mut groups: Vec<(Alike<'_>, Vec<Case<'_>>)> = Vec::new();
    for (unit, shape) in plan.units.iter().zip(shapes.of) {
        let case = case(plan, unit);
        let alike = Alike::of(shape, &case);
        match groups.iter_mut().rev().find(|(other, _)| *other == alike) {
            Some((_, cases)) => cases.push(case),
            None => groups.push((alike, vec![case])),
        }
    }
    groups.into_iter().filter_map(|(_, cases)| group(plan, &cases)).collect()
}

fn case<'a>(plan: &'a Plan, unit: &'a Unit) -> Case<'a> {
    let keys = unit.keys.iter().map(|planned| {
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
        let key = policy.and_then(|policy| policy.keys.get(planned.name.key()));
        let decision = plan.decisions.binary_search_by(|decision| decision.key.cmp(&planned.name)).ok();
        KeyCase { planned, policy, key, decision: decision.and_then(|at| plan.decisions.get(at)) }
    });
    let expected = forecast(unit, &plan.policies, &plan.settings.calendar, plan.made);
    Case { unit, keys: keys.collect(), expected }
}

impl Case<'_> {
    /// When the last of it is expected to be done.
    pub(super) fn ends(&self, made: Hour) -> Hour {
        self.expected.iter().map(|expected| expected.done).max().unwrap_or(made)
    }
}

fn group(plan: &Plan, cases: &[Case<'_>]) -> Option<Group> {
    let first = cases.first()?;
    let steps = step::steps(cases);
    let ends = cases.iter().map(|case| case.ends(plan.made)).max().unwrap_or(plan.made);
    let rows: Vec<Row> = cases.iter().flat_map(|case| rows(case, plan.made)).collect();
    let timed = proof::timed(first);
    let proof = proof::proof(first, &timed);
    let steps_line = format!(
        "{}, from {} to {}",
        words::count(steps.len(), "step", "steps"),
        words::hour(plan.made),
        words::hour(ends)
    );
    let told = Told {
        title: title(&rows),
        why: why(first, &rows, plan.made),
        steps_line,
        no_way_back: no_way_back(&steps, &rows),
        steps,
        accepted: proof::accepted(first),
        proof,
        then: then(cases),
        timed: timed.into_iter().map(|fleet| fleet.name).collect(),
        ends,
    };
    Some(Group { told, keys: rows })
}

fn title(rows: &[Row]) -> String {
    if let [row] = rows {
        return format!("{}: {}", row.key, row.verdict);
    }
    let mut verdicts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match verdicts.iter_mut().find(|(verdict, _)| *verdict == row.verdict) {
            Some((_, count)) => *count += 1,
            None => verdicts.push((&row.verdict, 1)),
        }
    }
    if let [(verdict, count)] = verdicts.as_slice() {
        return format!("{} with the same steps: {verdict}", words::count(*count, "key", "keys"));
    }
    let of_each = verdicts.iter().map(|(verdict, count)| words::count(*count, verdict, verdict));
    let of_each: Vec<String> = of_each.collect();
    format!("{} with the same steps: {}", words::count(rows.len(), "key", "keys"), of_each.join(", "))
}

fn why(first: &Case<'_>, rows: &[Row], made: Hour) -> Vec<String> {
    let mut lines = Vec::new();
    if let ([row], [key]) = (rows, first.keys.as_slice()) {
        lines.extend(reasons(key));
        if !matches!(key.planned.kind, Kind::Destroy | Kind::Discard | Kind::Back) {
            lines.extend(row.start_by.map(|by| format!("it {} to be in time", begin_by(by, made))));
        }
        lines.push(change(key.planned, true));
        lines.extend(moments(first));
        return lines;
    }
    let begin = rows.iter().filter_map(|row| row.start_by).min();
    lines.extend(begin.map(|by| format!("the first of them {} to be in time", begin_by(by, made))));
    let alone = rows.len() == first.keys.len();
    for key in &first.keys {
        let change = change(key.planned, alone);
        lines.push(if alone { format!("{}: {change}", key.planned.name) } else { change });
    }
    lines.extend(moments(first));
    lines
}

fn begin_by(by: Hour, made: Hour) -> String {
    let verb = if by < made { "had to" } else { "must" };
    format!("{verb} begin by {}", words::hour(by))
}

/// Why one key is planned. Where something old ends, the age of the current version is beside the point.
fn reasons(case: &KeyCase<'_>) -> Vec<String> {
    let Some(decision) = case.decision else { return Vec::new() };
    let told = decision.reasons.iter().filter(|reason| match case.planned.kind {
        Kind::Destroy => matches!(reason, Reason::MayGo { .. }),
        Kind::Discard => matches!(reason, Reason::PreImages { .. }),
        Kind::Back => !matches!(reason, Reason::Age { .. } | Reason::AgeUnknown { .. }),
        _ => true,
    });
    told.map(|reason| words::reason(&decision.key, reason).0).collect()
}

/// What happens to a key's versions; without their names where that is told of many keys.
fn change(planned: &Planned, alone: bool) -> String {
    let named = |version: String, any: &str| if alone { format!("`{version}`") } else { any.to_owned() };
    let old =
        planned.old.as_ref().map_or("the old version".to_owned(), |old| named(old.to_string(), "the old version"));
    let new = named(planned.new.to_string(), "the current one");
    match planned.kind {
        Kind::First => "its first version is made".into(),
        Kind::Rotate => format!("a new version takes the place of {old}"),
        Kind::Follow => format!("what is left under {old} moves to {new}, which is current already"),
        Kind::Back => format!("{new} takes the place of {old}; both stay readable, and {old} stays what it is"),
        Kind::Reopen => format!("{old} is enabled again, its values move to {new}, and it is retired anew"),
        Kind::Destroy => format!("{old} is destroyed for good"),
        Kind::Discard => "pre-images are deleted for good; no version changes".into(),
    }
}

/// The hours that people plan by.
fn moments(case: &Case<'_>) -> Option<String> {
    let begins = |of: fn(&Step) -> bool| {
        let steps = case.unit.steps.iter().zip(&case.expected);
        steps.filter(|(step, _)| of(step)).map(|(_, expected)| expected.begins).min().map(words::hour)
    };
    let turn = begins(|step| step.turn).map(|hour| format!("members write with it from {hour} on"));
    let retired = begins(|step| step.part == Part::Retire).map(|hour| format!("the old one is disabled on {hour}"));
    let moments: Vec<String> = turn.into_iter().chain(retired).collect();
    (!moments.is_empty()).then(|| format!("expected: {}", moments.join("; ")))
}

fn no_way_back(steps: &[StepView], rows: &[Row]) -> Vec<String> {
    let whose = match rows {
        [row] => format!("`{}`", row.key),
        rows => words::count(rows.len(), "key", "keys"),
    };
    let lost = steps.iter().filter(|step| step.turn);
    let lost = lost.filter_map(|step| step.undo.iter().find(|undo| !undo.possible).map(|undo| (step, undo)));
    lost.take(1)
        .map(|(step, undo)| format!("No way back for {whose} once {} is done: {}.", step.short, undo.how))
        .collect()
}

fn rows(case: &Case<'_>, made: Hour) -> Vec<Row> {
    let ends = case.ends(made);
    let mut rows = Vec::with_capacity(case.keys.len());
    for (slot, key) in case.keys.iter().enumerate() {
        let estimates = case.unit.steps.iter().filter(|step| step.key == slot).map(|step| step.estimate.values);
        let decision = key.decision;
        rows.push(Row {
            key: key.planned.name.to_string(),
            verdict: decision.map_or("asked for", |decision| decision.verdict.words()).to_owned(),
            old: key.planned.old.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            why: decision.map(|decision| short(&decision.reasons)).unwrap_or_default(),
            values: estimates.max().unwrap_or(0),
            start_by: decision.and_then(|decision| decision.start_by),
            due_by: decision.and_then(|decision| decision.due_by),
            done: ends,
        });
    }
    rows
}

/// The reasons of one key in the cell of a table.
fn short(reasons: &[Reason]) -> String {
    let one = |reason: &Reason| match reason {
        Reason::NoVersion => Some("no version yet".to_owned()),
        Reason::Age { age, at_most, .. } => Some(format!("{} old, at most {at_most}", words::about(*age))),
        Reason::AgeUnknown { .. } => Some("age unknown".into()),
        Reason::Asked | Reason::AskedBack { .. } => Some("asked for".into()),
        Reason::TakenBack => Some("taken back before".into()),
        Reason::Compromised { .. } | Reason::OpensAnew { .. } => Some("known to others".into()),
        Reason::Algorithm { is, .. } => Some(format!("a key of {is}")),
        Reason::Uses { uses, at_most, .. } => {
            Some(format!("{} uses, at most {}", words::number(*uses), words::number(*at_most)))
        }
        Reason::Values { count, .. } | Reason::ValuesUnderRetired { count, .. } => {
            Some(format!("{} values left", words::number(*count)))
        }
        Reason::PreImages { since, .. } => Some(format!("kept until {}", words::day(*since))),
        Reason::MayGo { since, .. } => Some(format!("may go since {}", words::day(*since))),
        _ => None,
    };
    reasons.iter().filter_map(one).collect::<Vec<_>>().join("; ")
}
