//! `keyrota validate`: everything that is wrong or doubtful, all at once.

mod checks;
mod online;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::policy;
use crate::policy::Problem;
use crate::policy::Read;
use std::path::Path;

/// The arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print a SARIF log, for platforms that show problems beside a change.
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// Reach everything that the policies name, and ask whether it fits. Changes nothing.
    #[arg(long, conflicts_with = "sarif")]
    online: bool,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    if args.online {
        return online::run(folder, &project::read(folder)?.project, console);
    }
    // What is wrong is what was asked for: it is the result, not a failure beside it.
    let (exit, problems, read) = match project::read(folder) {
        Ok(read) => (Exit::Done, read.lints.clone(), Some(read)),
        Err(Fail::Problems(problems)) => (Exit::Failed, problems, None),
        Err(other) => return Err(other),
    };
    match (args.sarif, console.json, read) {
        (true, ..) => console.out_json(&policy::sarif(&problems, env!("CARGO_PKG_VERSION"))),
        (_, true, _) => console.out_json(&problems),
        (_, _, None) => console.out(&policy::show(&problems, console.look())),
        (_, _, Some(read)) => well(&read, &problems, console),
    }
    Ok(exit)
}

fn well(read: &Read, lints: &[Problem], console: &mut Console) {
    if !lints.is_empty() {
        console.out(&policy::show(lints, console.look()));
    }
    let keys: usize = read.project.policies.iter().map(|policy| policy.keys.len()).sum();
    let doubts = match lints.len() {
        0 => String::new(),
        1 => "; 1 thing to think about".into(),
        many => format!("; {many} things to think about"),
    };
    console.out(&format!(
        "{} in {} read well{doubts}",
        count(keys, "key", "keys"),
        count(read.project.policies.len(), "policy", "policies")
    ));
}

/// `1 key`, `2 keys`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
