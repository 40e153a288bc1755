//! Decisions without a plan: when there is nothing to do, or nothing that can be done.

use crate::decision::Decision;
use crate::render::Paper;
use crate::render::page;
use crate::render::rest::Part;
use crate::render::rest::Rest;
use crate::render::words;
use serde::Serialize;

/// What is said when no step is drawn.
#[derive(Serialize)]
struct Screen {
    line: String,
    rest: Vec<Part>,
}

/// Decisions for a terminal, where nothing is to be done.
#[must_use]
pub fn text(decisions: &[Decision], paper: Paper) -> String {
    let all: Vec<&Decision> = decisions.iter().collect();
    let rest = Rest::of(&all);
    let held: usize = rest.held.iter().map(|held| held.keys.len()).sum();
    let line = match held {
        0 => "Nothing to do.".to_owned(),
        held => format!("Nothing to plan; {} to look at.", words::count(held, "key", "keys")),
    };
    page::text("decisions.txt", &Screen { line, rest: rest.parts() }, paper)
}
