//! The arguments.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use clap::Parser;
use clap::Subcommand;
use std::path::PathBuf;

/// Terraform for encryption-key rotation: plan, prove, apply and report, without losing data.
#[derive(Debug, Parser)]
#[command(name = "keyrota", version, about, disable_help_subcommand = true)]
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
    Validate,
    /// Decide what is due, draw it, prove it, show it.
    Plan(super::plan::Args),
    /// Show a saved plan.
    Show(super::show::Args),
    /// Go on to the next gate, with this plan or with every open run.
    Apply(super::apply::Args),
}

impl Args {
    pub(super) fn run(self, console: &mut Console) -> Result<Exit, Fail> {
        let folder = &self.project;
        match self.command {
            Command::Demo(args) => super::demo::run(&args, console),
            Command::Init(args) => super::init::run(folder, &args, console),
            Command::Validate => super::validate::run(folder, console),
            Command::Plan(args) => super::plan::run(folder, &args, console),
            Command::Show(args) => super::show::run(&args, console),
            Command::Apply(args) => super::apply::run(folder, &args, console),
        }
    }
}
