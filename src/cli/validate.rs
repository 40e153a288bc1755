//! `keyrota validate`: everything that is wrong or doubtful, all at once.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use std::path::Path;

pub(super) fn run(folder: &Path, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let keys: usize = read.project.policies.iter().map(|policy| policy.keys.len()).sum();
    if console.json {
        console.out_json(&read.lints);
    } else {
        console.problems(&read.lints);
        let doubts = match read.lints.len() {
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
    Ok(Exit::Done)
}

/// `1 key`, `2 keys`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
