//! `keyrota journal move`: from the home that the project names to the one that another project file names.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::executor::removal;
use std::path::Path;
use std::sync::Arc;

pub(super) fn run(folder: &Path, file: &Path, console: &mut Console) -> Result<Exit, Fail> {
    let settings = project::settings(folder)?;
    let (mut from, mut to) = (wire::movable(folder, &settings)?, wire::movable(folder, &project::settings_in(file)?)?);
    let now = wire::clock(&Arc::default()).now();
    let moved = removal::carry(from.as_mut(), to.as_mut(), &wire::actor(&settings), now)?;
    let head = moved.head;
    if console.json {
        console.out_json(&serde_json::json!({
            "from": moved.from, "to": moved.to, "entries": head.count, "digest": head.digest, "plans": moved.plans
        }));
    } else {
        let entries = count(usize::try_from(head.count).unwrap_or(usize::MAX), "entry", "entries");
        let plans = count(moved.plans, "plan", "plans");
        console.out(&format!("Moved: {entries} and {plans}, checked against the old home's head."));
        console.out(&format!("  from {}, which opens no more", moved.from));
        console.out(&format!("  to   {}", moved.to));
        console.out(&format!("Put the `[home]` of `{}` into `keyrota.toml` now.", file.display()));
        console.out("Pre-images stay where they are: they are no part of the home.");
    }
    console.say(&head.to_string());
    Ok(Exit::Done)
}
