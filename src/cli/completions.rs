//! `keyrota completions SHELL`: a completion script, for the shell's own folder of them.

use crate::cli::console::Console;
use crate::cli::exit::Exit;

/// The arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, mut command: clap::Command, console: &mut Console) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "keyrota", &mut script);
    console.out(&String::from_utf8_lossy(&script));
    Exit::Done
}
