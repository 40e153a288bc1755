//! `keyrota schema`: the policy language as a JSON Schema, for editors.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::policy;

/// The arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which file it is for.
    #[arg(value_enum, default_value = "policy")]
    of: File,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum File {
    /// `policies/*.toml`
    Policy,
    /// `keyrota.toml`
    Project,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Exit {
    console.out_json(policy::schema(match args.of {
        File::Policy => policy::Kind::Policy,
        File::Project => policy::Kind::Project,
    }));
    Exit::Done
}
