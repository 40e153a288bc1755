//! The command line: arguments in, one command a file, results on standard output, everything else on standard
//! error, and an exit code from the table.
//! Never here: anything that a library user would want.

mod adopt;
mod apply;
mod args;
mod at;
mod cancel;
mod completions;
mod console;
mod demo;
mod exit;
mod explain;
mod init;
mod journal;
mod leave;
mod list;
mod lost;
mod notice;
mod plan;
mod project;
mod quarantine;
mod report;
mod runs;
mod schema;
mod show;
mod stands;
mod status;
mod target;
mod validate;
mod verify;
mod why;
mod wire;

use clap::Parser;
use console::Console;
use exit::Exit;
use std::process::ExitCode;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| bug()));
    run().code()
}

/// A panic, in whatever thread: its text could quote what it was working on; the exit code and one sentence are enough.
#[expect(clippy::exit, reason = "nothing may go on after a bug, and the journal holds what was begun")]
fn bug() {
    Console::standard(false)
        .hint("this is a bug of keyrota; what was begun is in the journal, and `keyrota status` tells where it stands");
    std::process::exit(i32::from(Exit::Bug.number()))
}

fn run() -> Exit {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let wanted = !error.use_stderr();
            let _ = error.print();
            return if wanted { Exit::Done } else { Exit::Failed };
        }
    };
    let mut console = Console::standard(args.json);
    match args.run(&mut console) {
        Ok(exit) => exit,
        Err(fail) => console.fail(&fail),
    }
}
