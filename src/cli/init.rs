//! `keyrota init`: the folder of a project, with a policy that says what may stand in it.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::disk;
use crate::simulated::app;
use crate::simulated::app::App;
use std::path::Path;

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also make a small database and a first key, with waits of seconds, to go the whole way for real.
    #[arg(long)]
    example: bool,
}

const SETTINGS: &str = include_str!("init/keyrota.toml");
const POLICY: &str = include_str!("init/policy.toml");
const EXAMPLE: &str = include_str!("init/example.toml");

/// The rows of the example's table.
const ROWS: i64 = 1000;
/// Policies and settings are for everybody who may look at the project.
const OPEN_FILE: u32 = 0o644;
const OPEN_FOLDER: u32 = 0o755;

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let example = ["keys", "app.db"];
    let named =
        ["keyrota.toml", "policies/example.toml"].into_iter().chain(example.into_iter().filter(|_| args.example));
    let taken: Vec<&str> = named.filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
    if !taken.is_empty() {
        let why = format!("there is a `{}` already, and nothing is written over", taken.join("` and a `"));
        return Err(Fail::refused(why, "choose another folder: `keyrota -C FOLDER init`"));
    }
    disk::make_folder(&folder.join("policies"), OPEN_FOLDER)?;
    if args.example {
        let key = app::first_key(&folder.join("keys"))?;
        App::create(&folder.join("app.db"))?.fill(1..=ROWS, "v1", &key)?;
    }
    let policy = if args.example { EXAMPLE } else { POLICY };
    disk::create_new(&folder.join("keyrota.toml"), SETTINGS.as_bytes(), OPEN_FILE)?;
    disk::create_new(&folder.join("policies/example.toml"), policy.as_bytes(), OPEN_FILE)?;
    let at = if folder == Path::new(".") { String::new() } else { format!(" -C {}", folder.display()) };
    console.out(&told(args.example).replace("keyrota@", &format!("keyrota{at}")));
    Ok(Exit::Done)
}

/// What is there now, and what to do with it.
fn told(example: bool) -> &'static str {
    if example { TOLD_EXAMPLE } else { TOLD }
}

const TOLD: &str = "\
Made `keyrota.toml` and `policies/example.toml`.

The policy is an example: say in it where your key lives, what it seals and who uses it. Then:
  keyrota@ validate            what is wrong or doubtful in it
  keyrota@ plan                what would be done, and why; changes nothing
`keyrota init --example` makes a project with a database and a key, to try on.";

const TOLD_EXAMPLE: &str = "\
Made a project to try, with waits of seconds:
  policies/example.toml   what is rotated, how often, and what must be true on the way
  keyrota.toml            the project
  app.db                  a table of 1,000 data keys, each sealed under version v1
  keys/v1.key             that version; nobody wrote down how old it is, so it is due

Go the whole way (a minute):
  keyrota@ validate
  keyrota@ plan -o plan.json       decide, draw and prove; changes nothing
  keyrota@ apply plan.json         go on to the first gate, and stop there
  keyrota@ apply --wait            go on through every gate to the end
  keyrota@ plan --destroy -o end.json         ten seconds later: the old version may go
  keyrota@ apply end.json --destroy example/app-kek@v1";

#[cfg(test)]
mod tests {
    use super::EXAMPLE;
    use super::POLICY;
    use super::SETTINGS;
    use crate::policy;
    use crate::policy::Around;
    use crate::policy::Text;
    use crate::policy::Texts;

    #[test]
    fn what_is_written_reads_without_a_doubt() {
        for text in [POLICY, EXAMPLE] {
            let policies = vec![Text::new("policies/example.toml", text.as_bytes().to_vec())];
            let texts = Texts { settings: Some(Text::new("keyrota.toml", SETTINGS.as_bytes().to_vec())), policies };
            let env = |_: &str| None;
            let file = |_: &str| -> Result<String, crate::fault::Fault> { Ok(String::new()) };
            let read = policy::read(&texts, &Around { env: &env, file: &file, built: &crate::cli::wire::BUILT });
            assert_eq!(read.map(|read| read.lints.len()), Ok(0), "{text}");
        }
    }

    #[test]
    fn settings_that_are_commented_out_are_true_ones() {
        let shown: String = SETTINGS.lines().filter_map(setting).map(|line| format!("{line}\n")).collect();
        let policies = vec![Text::new("policies/example.toml", POLICY.as_bytes().to_vec())];
        let texts = Texts { settings: Some(Text::new("keyrota.toml", shown.clone().into_bytes())), policies };
        let env = |_: &str| None;
        let file = |_: &str| -> Result<String, crate::fault::Fault> { Ok(String::new()) };
        let read = policy::read(&texts, &Around { env: &env, file: &file, built: &crate::cli::wire::BUILT });
        assert_eq!(read.map(|read| read.lints.len()), Ok(0), "{shown}");
    }

    /// A line of settings without its mark; prose is left out.
    fn setting(line: &str) -> Option<&str> {
        let line = line.strip_prefix("# ")?;
        (line.starts_with('[') || line.contains(" = ")).then_some(line)
    }
}
