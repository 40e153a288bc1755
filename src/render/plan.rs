//! A plan for people: for a terminal, for a pull request, and as data for other programs.

mod forecast;
mod group;
pub(crate) mod leak;
mod proof;
mod step;
mod view;

pub use view::FORMAT;
pub use view::View;

use crate::plan::Document;
use crate::plan::document;
use crate::render::Paper;
use crate::render::page;
use crate::render::rest::Part;
use crate::render::words;
use serde::Serialize;

/// How many keys of one shape are listed.
const ROWS_MAX: usize = 40;

/// A plan for a terminal.
#[must_use]
pub fn text(document: &Document, paper: Paper) -> String {
    page::text("plan.txt", &Screen::of(&View::of(document)), paper)
}

/// A plan for a pull request.
#[must_use]
pub fn markdown(document: &Document) -> String {
    page::markdown("plan.md", &Screen::of(&View::of(document)))
}

/// A plan for other programs: the view, one JSON document in plain ASCII. Its format is named.
#[must_use]
pub fn json(document: &Document) -> String {
    document::json(&View::of(document)) + "\n"
}

/// A view cut to what people read.
#[derive(Serialize)]
struct Screen<'a> {
    summary: &'a view::Summary,
    notes: &'a [view::Note],
    groups: Vec<Shown<'a>>,
    rest: Vec<Part>,
}

/// A group with its first keys.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    told: &'a group::Told,
    table: Vec<Table>,
}

/// The first keys of a group, and how many more there are.
#[derive(Serialize)]
struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    more: Vec<String>,
}

impl<'a> Screen<'a> {
    fn of(view: &'a View) -> Self {
        let groups = view.groups.iter().map(|group| Shown { told: &group.told, table: table(group) });
        Self { summary: &view.summary, notes: &view.notes, groups: groups.collect(), rest: view.rest.parts() }
    }
}

/// Nothing for a single key: its group speaks of nothing else.
fn table(group: &group::Group) -> Vec<Table> {
    let (shown, more) = group.keys.split_at(group.keys.len().min(ROWS_MAX));
    if group.keys.len() < 2 {
        return Vec::new();
    }
    let row = |key: &group::Row| vec![key.key.clone(), key.verdict.clone(), key.old.clone(), key.why.clone()];
    let more = match more.len() {
        0 => Vec::new(),
        count => vec![format!("... and {} more; see --json", words::count(count, "key", "keys"))],
    };
    let title = words::count(group.keys.len(), "key", "keys");
    vec![Table { title, rows: shown.iter().map(row).collect(), more }]
}
