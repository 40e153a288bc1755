//! `keyrota explain CODE`: what a code means, and what to do about it.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project::nearest;
use crate::explain;

/// The arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The code, such as K012. Without one, all of them are listed.
    code: Option<String>,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let Some(code) = &args.code else {
        list(console);
        return Ok(Exit::Done);
    };
    let Some(page) = explain::page(code) else {
        let hint = nearest(&code.to_uppercase(), explain::codes()).unwrap_or_default();
        return Err(Fail::refused(
            format!("no code is called `{code}`"),
            format!("{hint}`keyrota explain` lists all of them"),
        ));
    };
    match console.json {
        true => console.out_json(&serde_json::json!({ "code": code.to_uppercase(), "text": page })),
        false => console.out(page),
    }
    Ok(Exit::Done)
}

fn list(console: &mut Console) {
    let titles = explain::codes().map(|code| (code, explain::title(code).unwrap_or_default()));
    if console.json {
        let all: Vec<_> = titles.map(|(code, title)| serde_json::json!({ "code": code, "title": title })).collect();
        return console.out_json(&all);
    }
    let lines: Vec<String> = titles.map(|(code, title)| format!("{code}  {title}")).collect();
    console.out(&lines.join("\n"));
}
