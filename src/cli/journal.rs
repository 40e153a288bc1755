//! `keyrota journal show | verify | export | recover | move`: what happened, whether it still says so, and where it is kept.

mod moved;
mod recover;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::list;
use crate::cli::project;
use crate::cli::project::nearest;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::disk;
use crate::journal::Entry;
use crate::journal::Head;
use crate::journal::Journal;
use crate::journal::RunId;
use crate::policy::visible;
use crate::report;
use std::path::Path;
use std::path::PathBuf;

/// The arguments of `journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Print its entries, one a line.
    Show {
        /// Only those of this run.
        #[arg(long, value_name = "RUN")]
        run: Option<RunId>,
    },
    /// Check the whole chain against its head, and print the head.
    Verify {
        /// An exported journal: it is checked alone, without a project, by its chain and the witness.
        file: Option<PathBuf>,
        /// A line `keyrota-journal COUNT DIGEST` that an earlier command printed: the journal must have come by it.
        #[arg(long, value_name = "LINE")]
        witness: Option<Head>,
    },
    /// Keep a journal aside that is broken or lost, and begin a new one that says so.
    Recover {
        /// Why, and by whose leave, for the journal and the report.
        #[arg(long, value_name = "TEXT")]
        because: String,
        /// Go on without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Copy the whole journal, byte for byte.
    Export {
        /// To this file, instead of standard output.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Move the journal and its plans into another home; the old one opens no more.
    Move {
        /// A project file (`keyrota.toml` as it is to be) whose `[home]` is the new one.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    if let Args::Verify { file: Some(file), witness } = args {
        return alone(file, witness.as_ref(), console);
    }
    if let Args::Recover { because, yes } = args {
        return recover::run(folder, because, *yes, console);
    }
    if let Args::Move { to } = args {
        return moved::run(folder, to, console);
    }
    let home = wire::home(folder, &project::settings(folder)?)?;
    match args {
        Args::Show { run } => show(&home.read()?, run.as_ref(), console)?,
        Args::Verify { witness, .. } => {
            let checked = home.verify(witness.as_ref())?;
            // The chain is whole; now every entry must also say something that can follow what stands before it.
            crate::journal::ledger(&home.read()?)?;
            verified(checked.head, checked.torn, console);
        }
        Args::Recover { .. } => {}
        Args::Export { out } => {
            let journal = home.read()?;
            match out {
                Some(file) => {
                    disk::write_whole(file, journal.lines(), disk::PRIVATE_FILE)?;
                    console.say(&format!("{} written to {}", entries(&journal), file.display()));
                }
                None => console.raw(journal.lines()),
            }
            console.say(&journal.head().to_string());
        }
        Args::Move { .. } => {}
    }
    Ok(Exit::Done)
}

/// Checks a file that holds a journal: whoever was handed one needs nothing else.
fn alone(file: &Path, witness: Option<&Head>, console: &mut Console) -> Result<Exit, Fail> {
    let journal = crate::journal::read(disk::read(file, EXPORT_BYTES_MAX)?, witness)?;
    crate::journal::ledger(&journal)?;
    verified(journal.head(), journal.torn().map_or(0, |torn| torn.bytes.len() as u64), console);
    Ok(Exit::Done)
}

/// The largest export that is checked in memory.
const EXPORT_BYTES_MAX: u64 = 1 << 32;

fn entries(journal: &Journal) -> String {
    count(usize::try_from(journal.count()).unwrap_or(usize::MAX), "entry", "entries")
}

fn verified(head: Head, torn: u64, console: &mut Console) {
    if console.json {
        return console.out_json(&serde_json::json!({
            "whole": true, "entries": head.count, "digest": head.digest, "torn": torn
        }));
    }
    if head.count == 0 {
        return console.out("There is no journal yet: the first `keyrota apply` begins it.");
    }
    console.out(&head.to_string());
    console.say(&format!(
        "whole: {}, each where it was written",
        count(usize::try_from(head.count).unwrap_or(usize::MAX), "entry", "entries")
    ));
    if torn > 0 {
        console.hint(&format!("{torn} bytes behind the last line are a write that a crash cut off; the next `keyrota apply` keeps them aside"));
    }
}

fn show(journal: &Journal, run: Option<&RunId>, console: &mut Console) -> Result<(), Fail> {
    if let Some(run) = run {
        let ledger = crate::journal::ledger(journal)?;
        if !ledger.runs.contains_key(run) {
            let near = nearest(run.as_str(), ledger.runs.keys().map(RunId::as_str)).unwrap_or_default();
            return Err(Fail::refused(
                format!("the journal knows no run `{run}`"),
                format!("{near}`keyrota journal show` names every run"),
            ));
        }
    }
    let mut text = String::new();
    for (entry, raw) in journal.entries().zip(journal.lines().split_inclusive(|byte| *byte == b'\n')) {
        let entry = entry?;
        if run.is_some_and(|run| !belongs(&entry, run)) {
            continue;
        }
        match console.json {
            true => text.push_str(&String::from_utf8_lossy(raw)),
            false => text.push_str(&line(&entry)),
        }
    }
    if text.is_empty() && !console.json {
        text.push_str("There is no journal yet: the first `keyrota apply` begins it.");
    }
    console.raw(text.as_bytes());
    Ok(())
}

fn belongs(entry: &Entry, run: &RunId) -> bool {
    entry.run.as_ref() == Some(run) || report::line::of_run(&entry.event) == Some(run)
}

fn line(entry: &Entry) -> String {
    let text = report::line::told(&entry.event);
    format!("{:>5}  {}  {}  {}\n", entry.n, list::hour(entry.at), visible(&entry.actor), visible(&text))
}
