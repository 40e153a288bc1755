//! `keyrota show`: a saved plan, for people and programs.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::plan::PLAN_BYTES_MAX;
use crate::disk;
use crate::plan::Document;
use crate::plan::document::Refused;
use std::path::PathBuf;

/// The arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan's file.
    plan: PathBuf,
    /// Print it for a pull request.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let document = Document::read(disk::read(&args.plan, PLAN_BYTES_MAX)?).map_err(unreadable)?;
    match args.markdown {
        true => console.out(&crate::render::plan::markdown(&document)),
        false => print(&document, console),
    }
    Ok(Exit::Done)
}

/// Prints a plan.
pub(super) fn print(document: &Document, console: &mut Console) {
    match console.json {
        true => console.out(&crate::render::plan::json(document)),
        false => console.out(&crate::render::plan::text(document, console.paper())),
    }
}

/// Why bytes are no plan.
pub(super) fn unreadable(refused: Refused) -> Fail {
    Fail::refused(
        format!("this is not a plan that can be used: {refused}"),
        "draw a new one with `keyrota plan -o FILE`",
    )
}
