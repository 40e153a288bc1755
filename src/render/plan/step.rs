//! The steps of a shape in words: what each does and when, what it waits for and because of what, what it
//! costs and risks, and how it is undone.

use crate::course::forecast::Expected;
use crate::model::Hour;
use crate::model::Risk;
use crate::plan::Gate;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::phrase;
use crate::render::plan::group::Case;
use crate::render::words;
use serde::Serialize;

/// A step as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    /// Its name; `KEY/..` where several keys share it.
    pub name: String,
    /// Its name without the key.
    pub short: String,
    /// What it does, in words.
    pub title: String,
    /// Its number and what it does.
    pub head: String,
    /// Its name, and what it risks and costs.
    pub about: String,
    /// When it is expected to begin, in words.
    pub when: String,
    /// When it is expected to begin, for the first of the keys.
    pub begins: Hour,
    /// The same for the last of the keys.
    pub begins_last: Hour,
    /// The steps that come before it, and why.
    pub needs: Vec<NeedView>,
    /// What else it waits for.
    pub waits: Vec<String>,
    /// By when that must have been.
    pub deadline: Option<String>,
    /// What it costs, as far as can be told.
    pub cost: Option<String>,
    /// What it risks.
    pub risk: Risk,
    /// Whether it is the turn.
    pub turn: bool,
    /// How it is taken back; nothing for steps that only look or wait.
    pub undo: Option<UndoView>,
    /// Needs, gates and undo, a line each.
    pub told: Vec<String>,
    /// What must not be overlooked.
    pub marks: Vec<String>,
}

/// Steps that come before, and why.
#[derive(Debug, Clone, Serialize)]
pub struct NeedView {
    /// The steps.
    pub steps: Vec<String>,
    /// The rule's code.
    pub rule: String,
    /// Why.
    pub because: String,
}

/// How a step is taken back.
#[derive(Debug, Clone, Serialize)]
pub struct UndoView {
    /// Whether there is a way back.
    pub possible: bool,
    /// How.
    pub how: String,
    /// The step that closes this way back.
    pub until: Option<String>,
}

/// The steps that these cases share.
pub(super) fn steps(cases: &[Case<'_>]) -> Vec<StepView> {
    let Some(first) = cases.first() else { return Vec::new() };
    let names = Names::of(first.unit, cases.len() > 1);
    let views = first.unit.steps.iter().enumerate();
    views.map(|(at, step)| view(cases, first.unit, &names, at, step)).collect()
}

/// The names of a unit's steps: whole, and as they are called among themselves.
struct Names {
    whole: Vec<String>,
    short: Vec<String>,
}

impl Names {
    fn of(unit: &Unit, many: bool) -> Self {
        let whole = unit.step_names();
        let bare = |name: &String| name.rsplit_once('/').map_or_else(|| name.clone(), |(_, short)| short.to_owned());
        let alone = unit.keys.len() == 1;
        // Among several keys a step is called with its key.
        let short: Vec<String> = whole.iter().map(|name| if alone { bare(name) } else { name.clone() }).collect();
        if !many {
            return Self { whole, short };
        }
        let of_any = |(step, name): (&Step, &String)| {
            let key = if alone { "KEY".to_owned() } else { format!("KEY-{}", step.key + 1) };
            format!("{key}/{}", bare(name))
        };
        let any: Vec<String> = unit.steps.iter().zip(&whole).map(of_any).collect();
        let short = if alone { short } else { any.clone() };
        Self { whole: any, short }
    }

    fn short(&self, at: usize) -> String {
        self.short.get(at).cloned().unwrap_or_default()
    }

    fn all(&self, steps: &[usize]) -> Vec<String> {
        steps.iter().map(|at| self.short(*at)).collect()
    }
}

fn view(cases: &[Case<'_>], unit: &Unit, names: &Names, at: usize, step: &Step) -> StepView {
    let expected = cases.first().map(|case| case.expected.as_slice()).unwrap_or_default();
    let begins = || cases.iter().filter_map(|case| case.expected.get(at)).map(|expected| expected.begins);
    let first = begins().min().unwrap_or_default();
    let last = begins().max().unwrap_or_default();
    let (from, to) = (words::hour(first), words::hour(last));
    let when = if from == to { from } else { format!("{from} to {to}") };
    let needs = needs(names, step);
    let (waits, deadline) = (waits(names, step), deadline(names, unit, step, expected));
    let cost = cost(cases, at);
    let undo = phrase::undo(step, unit).map(|undo| UndoView {
        possible: undo.possible,
        how: undo.how,
        until: undo.until.map(|until| names.short(until)),
    });
    let name = names.whole.get(at).cloned().unwrap_or_default();
    let short = names.short(at);
    let number = short.rsplit_once('/').map_or(short.as_str(), |(_, bare)| bare).split('-').next().unwrap_or_default();
    let title = phrase::told(unit.keys.get(step.key), &step.part);
    let marks = marks(unit, step, undo.as_ref());
    let mut about = vec![name.clone(), step.risk.to_string()];
    about.extend(cost.clone());
    StepView {
        head: format!("{number}. {title}"),
        about: about.join("  "),
        told: told(&needs, &waits, deadline.as_ref(), undo.as_ref()),
        name,
        short,
        title,
        when,
        begins: first,
        begins_last: last,
        needs,
        waits,
        deadline,
        cost,
        risk: step.risk,
        turn: step.turn,
        undo,
        marks,
    }
}

/// The steps before it, those with one reason together.
fn needs(names: &Names, step: &Step) -> Vec<NeedView> {
    let mut all: Vec<(&'static str, crate::plan::rule::Code, Vec<usize>)> = Vec::new();
    for need in &step.needs {
        let because = phrase::because(need.rule);
        match all.iter_mut().find(|(other, _, _)| *other == because) {
            Some((_, _, steps)) => steps.push(need.step),
            None => all.push((because, need.rule, vec![need.step])),
        }
    }
    let view = |(because, rule, steps): (&str, crate::plan::rule::Code, Vec<usize>)| NeedView {
        steps: names.all(&steps),
        rule: format!("{rule:?}"),
        because: because.to_owned(),
    };
    all.into_iter().map(view).collect()
}

/// What it waits for beside other steps.
fn since(names: &Names, step: &Step) -> String {
    let steps: Vec<usize> = step.needs.iter().map(|need| need.step).collect();
    match steps.as_slice() {
        [] => "the run is opened".to_owned(),
        [one] => names.short(*one),
        many => format!("the last of {}", words::all_of(&names.all(many))),
    }
}

fn waits(names: &Names, step: &Step) -> Vec<String> {
    let waits = step.gates.iter().filter_map(|gate| {
        Some(match gate {
            Gate::NotAfter { .. } => return None,
            Gate::After { by } => format!("{by} after {}", since(names, step)),
            Gate::Proof { fleet, at_least } => {
                let members = words::count(usize::try_from(*at_least).unwrap_or(0), "member", "members");
                format!("every member of `{fleet}`, at least {members}, has proved that it knows the new version")
            }
            Gate::Window { window, lasts } if lasts.is_zero() => format!("the window `{window}` is open"),
            Gate::Window { window, lasts } => {
                format!("the window `{window}` is open, and stays open for {lasts}")
            }
            Gate::Approval { class } => format!("the voices for `{class}` are there"),
        })
    });
    waits.collect()
}

/// By when it must have opened, and what happens else.
fn deadline(names: &Names, unit: &Unit, step: &Step, expected: &[Expected]) -> Option<String> {
    let within = step.gates.iter().find_map(|gate| match gate {
        Gate::NotAfter { within } => Some(*within),
        _ => None,
    })?;
    let made = unit.making(step.key);
    let begins = made.and_then(|made| expected.get(made)).map(|expected| expected.begins);
    let by = begins.map(|begins| format!("{}, ", words::hour(within.after(begins)))).unwrap_or_default();
    let since = made.map_or_else(|| "the run is opened".to_owned(), |made| format!("{} begins", names.short(made)));
    Some(format!("{by}{within} after {since}; if that is missed the run stops, with both versions open"))
}

/// What it costs: the least and the most of all cases.
fn cost(cases: &[Case<'_>], at: usize) -> Option<String> {
    let estimates = || cases.iter().filter_map(|case| case.unit.steps.get(at)).map(|step| step.estimate);
    let least = estimates().map(|estimate| estimate.values).min()?;
    let most = estimates().map(|estimate| estimate.values).max()?;
    let seconds = estimates().map(|estimate| estimate.seconds).max()?;
    let span = words::about(crate::model::Span::seconds(seconds));
    match (least, most) {
        (0, 0) if seconds == 0 => None,
        (0, 0) => Some(format!("up to {span}")),
        (least, most) if least == most => Some(format!("{} values, about {span}", words::number(most))),
        (least, most) => Some(format!("{} to {} values each, about {span}", words::number(least), words::number(most))),
    }
}

fn told(needs: &[NeedView], waits: &[String], deadline: Option<&String>, undo: Option<&UndoView>) -> Vec<String> {
    let mut told: Vec<String> =
        needs.iter().map(|need| format!("after {}: {}", words::all_of(&need.steps), need.because)).collect();
    told.extend(waits.iter().map(|wait| format!("waits until {wait}")));
    told.extend(deadline.map(|by| format!("deadline: {by}")));
    told.extend(undo.filter(|undo| undo.possible).map(|undo| match &undo.until {
        Some(until) => format!("undo: {}; until {until}", undo.how),
        None => format!("undo: {}", undo.how),
    }));
    told
}

fn marks(unit: &Unit, step: &Step, undo: Option<&UndoView>) -> Vec<String> {
    let mut marks = Vec::new();
    if step.turn && step.risk != Risk::Safe {
        let turn = "the turn: from here on somebody writes with the new version".to_owned();
        marks.push(phrase::named(unit.keys.get(step.key), turn));
    }
    if let Some(undo) = undo.filter(|undo| !undo.possible) {
        marks.push(format!("no way back after this step: {}", undo.how));
    }
    marks
}
