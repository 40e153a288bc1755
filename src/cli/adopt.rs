//! `keyrota adopt KEY@V`: a version that somebody else made, or made current, is ours from here on.

use crate::cli::at;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::target::Exactly;
use crate::cli::wire;
use crate::executor::Desk;
use crate::journal::Clock as JournalClock;
use crate::journal::Event;
use crate::model::State;
use crate::port::world::World;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The arguments of `adopt`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key and the version.
    #[arg(value_name = "POLICY/KEY@VERSION")]
    target: Exactly,
}

pub(super) fn run(folder: &Path, args: &Args, console: &mut Console) -> Result<Exit, Fail> {
    let read = project::read(folder)?;
    let (name, version) = (&args.target.key, &args.target.version);
    let (_, key) = project::key(&read.project, name)?;
    let settings = &read.project.settings;
    let stop = Arc::new(AtomicBool::new(false));
    let wired = wire::Wired::new(folder, &read.project.policies, &settings.allow, Arc::clone(&stop))?;
    let mut home = wire::home(folder, settings)?;
    let clock = wire::clock(&stop);
    let mut desk = Desk::take(&mut home, clock.as_ref(), JournalClock::Real, &wire::actor(settings))?;
    let known = desk.ledger().keys.get(name);
    if let Some(run) = known.and_then(|known| known.open_run.clone()) {
        return Err(Fail::refused(
            format!("{run} works on `{name}`, and may go on only in a world that it knows"),
            format!("`keyrota cancel {run}` first, then adopt and plan anew"),
        ));
    }
    let backend = wired.backend(name, &key.backend)?;
    let now = desk.now();
    let otherwise = format!("`keyrota why {name}` lists the versions that are there");
    backend.adopt(&key.at, version, now).map_err(|failed| at::failed(failed, &otherwise))?;
    let seen = at::look(&wired, name, key)?;
    let Some(found) = seen.version(version) else {
        return Err(Fail::refused(format!("`{name}` has no version `{version}`"), otherwise));
    };
    let current = found.state == State::Current;
    let same = known.is_some_and(|known| {
        known.versions().contains(version) && (!current || known.left_current.as_ref() == Some(version))
    });
    if !same {
        let (key, version, fingerprint) = (name.clone(), version.clone(), found.fingerprint.clone());
        desk.say(vec![Event::Adopted { key, version, fingerprint, current }])?;
    }
    let head = desk.head()?;
    match console.json {
        true => console.out_json(&serde_json::json!({ "key": name, "version": found, "was-ours": same })),
        false if same => console.out(&format!("`{name}@{version}` is ours already ({}).", found.state)),
        false => console.out(&format!("`{name}@{version}` is ours from here on ({}).", found.state)),
    }
    console.say(&head.to_string());
    Ok(Exit::Done)
}
