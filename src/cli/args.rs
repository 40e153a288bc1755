//! The arguments.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use clap::CommandFactory;
use clap::Parser;
use clap::Subcommand;
use std::path::PathBuf;

/// Terraform for encryption-key rotation: plan, prove, apply and report, without losing data.
#[derive(Debug, Parser)]
#[command(
    name = "keyrota",
    version,
    about,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Only `plan` draws, only `apply` acts. Results go to standard output, everything else to standard error.\n\
                  Exit codes: 0 done or waiting, 1 failed, 5 refused or blocked, 6 approval needed, 7 journal broken, \
                  70 our bug;\nwith --exit-code also 2 changes planned, 3 waiting at a gate, 4 overdue."
)]
pub(super) struct Args {
    /// The project's folder.
    #[arg(short = 'C', long = "project", global = true, value_name = "FOLDER", default_value = ".")]
    pub(super) project: PathBuf,
    /// Print results for programs.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a whole rotation in a small world of its own, in seconds.
    Demo(super::demo::Args),
    /// Make a project's folder with a commented policy.
    Init(super::init::Args),
    /// Say everything that is wrong or doubtful in the policies.
    Validate(super::validate::Args),
    /// Decide what is due, draw it, prove it, show it.
    Plan(super::plan::Args),
    /// Show a saved plan.
    Show(super::show::Args),
    /// Go on to the next gate, with this plan or with every open run.
    Apply(super::apply::Args),
    /// Every key: its versions, what is due, the open run and its next gate.
    Status(super::status::Args),
    /// Why a key is (not) rotated, and its old versions (not) retired or destroyed.
    Why(super::why::Args),
    /// Open every value, count every value, change nothing.
    Verify(super::verify::Args),
    /// Give up a run, in a safe state.
    Cancel(super::cancel::Args),
    /// Take a version over that somebody else made.
    Adopt(super::adopt::Args),
    /// Values that do not open: list, accept or open them again.
    #[command(subcommand)]
    Quarantine(super::quarantine::Args),
    /// What happened: show, verify or export the journal.
    #[command(subcommand)]
    Journal(super::journal::Args),
    /// The evidence: what was rotated, when, by whom, and how it was proved safe.
    Report(super::report::Args),
    /// What a code means, and what to do about it.
    Explain(super::explain::Args),
    /// The policy language as a JSON Schema.
    Schema(super::schema::Args),
    /// A completion script for a shell.
    Completions(super::completions::Args),
}

impl Args {
    pub(super) fn run(self, console: &mut Console) -> Result<Exit, Fail> {
        let folder = &self.project;
        match self.command {
            Command::Demo(args) => super::demo::run(&args, console),
            Command::Init(args) => super::init::run(folder, &args, console),
            Command::Validate(args) => super::validate::run(folder, &args, console),
            Command::Plan(args) => super::plan::run(folder, &args, console),
            Command::Show(args) => super::show::run(&args, console),
            Command::Apply(args) => super::apply::run(folder, &args, console),
            Command::Status(args) => super::status::run(folder, &args, console),
            Command::Why(args) => super::why::run(folder, &args, console),
            Command::Verify(args) => super::verify::run(folder, &args, console),
            Command::Cancel(args) => super::cancel::run(folder, &args, console),
            Command::Adopt(args) => super::adopt::run(folder, &args, console),
            Command::Quarantine(args) => super::quarantine::run(folder, &args, console),
            Command::Journal(args) => super::journal::run(folder, &args, console),
            Command::Report(args) => super::report::run(folder, &args, console),
            Command::Explain(args) => super::explain::run(&args, console),
            Command::Schema(args) => Ok(super::schema::run(&args, console)),
            Command::Completions(args) => Ok(super::completions::run(&args, Args::command(), console)),
        }
    }
}
