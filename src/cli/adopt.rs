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
use crate::survey::trace;
use std::collections::BTreeMap;
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
    let mut desk = Desk::take(home.as_mut(), clock.as_ref(), JournalClock::Real, &wire::actor(settings))?;
    let known = desk.ledger().keys.get(name);
    if let Some(run) = known.and_then(|known| known.open_run.clone()) {
        return Err(Fail::refused(
            format!("{run} works on `{name}`, and may go on only in a world that it knows"),
            format!("`keyrota cancel {run}` first, then adopt and plan anew"),
        ));
    }
    let backend = wired.backend(name, &key.backend)?;
    let now = desk.now();
    // The mark of a run that this journal knows stays; that of another, whose journal is lost, ends here.
    let mark = backend.look(&key.at).ok().and_then(|look| look.run);
    let (ours, lost): (Option<String>, Option<String>) = match mark {
        Some(run) if trace::knows(desk.ledger(), &run) => (Some(run), None),
        other => (None, other),
    };
    if let Some(run) = ours {
        backend.sign_as(&run);
    }
    let otherwise = format!("`keyrota why {name}` lists the versions that are there");
    backend.adopt(&key.at, version, now).map_err(|failed| at::failed(failed, &otherwise))?;
    let seen = at::look(&wired, name, key)?;
    let Some(found) = seen.version(version) else {
        return Err(Fail::refused(format!("`{name}` has no version `{version}`"), otherwise));
    };
    let current = found.state == State::Current;
    let same = lost.is_none()
        && known.is_some_and(|known| {
            known.versions().contains(version) && (!current || known.left_current.as_ref() == Some(version))
        });
    if !same {
        let (id, fingerprint) = (version.clone(), found.fingerprint.clone());
        let mut events = Vec::new();
        if let Some(run) = &lost {
            let what = format!("`{name}` bears the mark of `{run}`, which this journal does not know");
            events.push(Event::Override { what, why: "somebody adopted the key as it stands".into() });
        }
        if lost.is_some() || known.is_none_or(|known| known.versions().is_empty()) {
            // A journal that knows nothing of the key takes all of it over, as it stands.
            events.push(Event::Observation { key: name.clone(), versions: seen.clone(), members: BTreeMap::new() });
        }
        events.push(Event::Adopted { key: name.clone(), version: id, fingerprint, current });
        desk.say(events)?;
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
