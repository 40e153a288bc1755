//! r

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use std::path::Path;

/// The arguments of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
}
pub(super) fn run(_folder: &Path, _args: &Args, _console: &mut Console) -> Result<Exit, Fail> {
    Ok(Exit::Done)
}
