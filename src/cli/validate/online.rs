//! `keyrota validate --online`: everything that the policies name is reached, and asked whether it fits. Nothing is changed,
//! and no program runs but those that list members, print proofs, print secrets or count seals.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::validate::checks;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::cli::wire::Wired;
use crate::command::Runner;
use crate::fault::Fault;
use crate::fault::Remedy;
use crate::model::Act;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::policy::Policy;
use crate::policy::Project;
use crate::policy::meant;
use crate::policy::meant::Check;
use crate::policy::meant::Fleet;
use crate::policy::meant::check::Ask;
use crate::policy::meant::check::HeaderValue;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::ProofFrom;
use crate::policy::meant::key::Retire;
use crate::policy::meant::store::Place;
use crate::policy::visible;
use crate::port::probe::Secrets;
use crate::port::store::Block;
use crate::port::world::World;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// One place, and what came of asking it.
#[derive(Debug, Serialize)]
struct Line {
    /// What was asked.
    what: String,
    /// What was found there, where it fits.
    found: Option<String>,
    /// What stands in the way.
    fault: Option<Fault>,
}

/// Asks everything that the policies name.
pub(super) fn run(folder: &Path, project: &Project, console: &mut Console) -> Result<Exit, Fail> {
    let stop = Arc::new(AtomicBool::new(false));
    let settings = &project.settings;
    let wired = Wired::new(folder, &project.policies, &settings.allow, stop)?;
    let runner = Arc::new(Runner::new(folder, settings.allow.iter().cloned()));
    let secrets = wire::secrets(&runner);
    let mut asked = Asked { wired: &wired, runner: &runner, secrets: secrets.as_ref(), lines: Vec::new() };
    let home = wire::home(folder, settings)?;
    asked.put("home".into(), home.verify(None).map(|checked| journal(checked.head.count)).map_err(Fail::from)?.into());
    for policy in &project.policies {
        for (name, key) in &policy.keys {
            asked.key(policy, policy.key_name(name), key);
        }
    }
    let lines = asked.lines;
    match console.json {
        true => console.out_json(&lines),
        false => show(&lines, console),
    }
    Ok(lines.iter().filter_map(|line| line.fault.as_ref()).map(exit).max().unwrap_or(Exit::Done))
}

fn journal(entries: u64) -> String {
    match entries {
        0 => "no journal yet: the first `keyrota apply` begins it".into(),
        entries => format!("the journal is whole, {entries} entries"),
    }
}

/// What cannot be reached may be reached later; anything else does not fit.
const fn exit(fault: &Fault) -> Exit {
    match fault.remedy {
        Remedy::Retry => Exit::Failed,
        Remedy::AskOperator | Remedy::GiveUp => Exit::Refused,
        Remedy::ReportBug => Exit::Bug,
    }
}

struct Asked<'a> {
    wired: &'a Wired,
    runner: &'a Runner,
    secrets: &'a dyn Secrets,
    lines: Vec<Line>,
}

/// What was found at a place, or what stands in the way.
type Found = Result<String, Fault>;

impl Asked<'_> {
    fn put(&mut self, what: String, found: FoundOr) {
        let FoundOr(found) = found;
        // Places that several keys share are asked once each, and told once.
        let told = self.lines.iter().position(|line| line.what == what);
        let (found, fault) = match found {
            Ok(found) => (Some(found), None),
            Err(fault) => (None, Some(fault)),
        };
        let line = Line { what, found, fault };
        match told.and_then(|at| self.lines.get_mut(at)) {
            None => self.lines.push(line),
            // What stands in the way of one of them is never hidden by another that fits.
            Some(known) if known.fault.is_none() && line.fault.is_some() => *known = line,
            Some(_) => {}
        }
    }

    fn key(&mut self, policy: &Policy, name: KeyName, key: &meant::Key) {
        let seen = self.backend(&name, key);
        let versions = seen.as_ref().cloned().unwrap_or_default();
        let told = seen.map(|key| versions_of(&key));
        self.put(format!("{name}: backend `{}` at `{}`", key.backend, visible(&key.at)), told.into());
        for (store, meant) in key.seals.iter().filter_map(|name| policy.stores.get_key_value(name)) {
            if meant.place != Place::Unseen {
                let found = self.store(&name, store, meant, key, &versions);
                self.put(format!("{name}: store `{store}`"), found.into());
            }
        }
        for (fleet, meant) in key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
            let found = self.fleet(&name, fleet, meant);
            self.put(format!("{}: fleet `{fleet}`", policy.name), found.into());
        }
        for check in &key.checks {
            let found = self.check((&name, key), &versions, check, None);
            self.put(format!("{name}: check `{}`", check.name), found.into());
        }
        for (fleet, meant) in key.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
            self.healthy((&name, key), &versions, (fleet, meant));
        }
        if let Some(counter) = &key.counter {
            let found = self.uses((&name, key), &versions, counter);
            self.put(format!("{name}: counter of `max_uses`"), found.into());
        }
        if let Some(notify) = &key.notify {
            let found = self.program("notify", notify.first().map(ToString::to_string).as_deref());
            self.put(format!("{name}: notify"), found.map(|()| "its program can be run".to_owned()).into());
        }
    }

    fn backend(&self, name: &KeyName, key: &meant::Key) -> Result<Key, Fault> {
        let backend = self.wired.backend(name, &key.backend)?;
        backend.world()?;
        let look = backend.look(&key.at)?;
        backend.fit(&key.at, &acts(key, backend.able().promotes))?;
        Ok(look.key)
    }

    fn store(&self, name: &KeyName, store: &Name, meant: &meant::Store, key: &meant::Key, seen: &Key) -> Found {
        let port = self.wired.store(name, store)?;
        port.world()?;
        if let Some(service) = port.service() {
            return service.shapes();
        }
        let blocks = Block::all(&meant.sealed, key.each.as_deref(), &crate::survey::versions(seen))?;
        let mut shapes = Vec::new();
        for block in &blocks {
            port.fit(block)?;
            let about = port.estimate(block)?.map(|rows| format!(" (about {rows} rows)")).unwrap_or_default();
            shapes.push(format!("{}{about}", visible(&block.name())));
        }
        Ok(shapes.join(", "))
    }

    fn fleet(&self, name: &KeyName, fleet: &Name, meant: &Fleet) -> Found {
        for (what, program) in programs(meant) {
            self.program(what, Some(&program))?;
        }
        let port = self.wired.fleet(name, fleet)?;
        let mut found = Vec::new();
        match &meant.members {
            Members::FromProof { .. } => {}
            Members::Listed(_) | Members::FromCommand { .. } => {
                let members = port.members()?;
                found.push(count(members.len(), "member", "members"));
                if meant.point.is_some() {
                    for member in &members {
                        port.pointed(member)?;
                    }
                    found.push("every pointer can be read".into());
                }
            }
        }
        if meant.proof.is_some() {
            found.push(count(port.proofs()?.len(), "proof", "proofs"));
        }
        Ok(found.join(", "))
    }

    /// What shows members well: pages and queries are asked of each of them, as far as they are known by name.
    fn healthy(&mut self, (name, key): (&KeyName, &meant::Key), seen: &Key, (fleet, meant): (&Name, &Fleet)) {
        let named = match &meant.members {
            Members::FromProof { .. } => Ok(Vec::new()),
            Members::Listed(_) | Members::FromCommand { .. } => {
                self.wired.fleet(name, fleet).and_then(crate::port::fleet::Fleet::members)
            }
        };
        for check in &meant.healthy {
            let what = format!("{name}: check `{}` of fleet `{fleet}`", check.name);
            if matches!(check.ask, Ask::Command { .. }) {
                let found = self.check((name, key), seen, check, None);
                self.put(what, found.into());
                continue;
            }
            match &named {
                Err(fault) => self.put(what, Err(fault.clone()).into()),
                Ok(members) if members.is_empty() => {
                    self.put(what, "its members are not known by name; it is not asked now".to_owned().into());
                }
                Ok(members) => {
                    for member in members {
                        let found = self.check((name, key), seen, check, Some(member));
                        self.put(format!("{what} at `{member}`"), found.into());
                    }
                }
            }
        }
    }

    fn check(&self, of: (&KeyName, &meant::Key), seen: &Key, check: &Check, member: Option<&Member>) -> Found {
        match &check.ask {
            Ask::Http { .. } | Ask::Sql { .. } => checks::ask(self.wired, of, seen, check, member),
            Ask::Command { command, env } => {
                self.program(check.name.as_str(), command.first().map(ToString::to_string).as_deref())?;
                for value in env.values() {
                    if let HeaderValue::Secret(source) = value {
                        self.secrets.reveal(source)?;
                    }
                }
                Ok("its program can be run; it is not asked now".into())
            }
        }
    }

    fn uses(&self, (name, key): (&KeyName, &meant::Key), seen: &Key, counter: &meant::Command) -> Found {
        let Some(current) = seen.current() else { return Ok("no version has sealed anything yet".into()) };
        let facts = checks::facts(self.wired, (name, key), seen, None);
        let uses = self.wired.probe(name)?.uses(counter, &facts)?;
        let at_most = key.max_uses.map(|most| format!(", at most {most}")).unwrap_or_default();
        Ok(format!(
            "`{}` has sealed {}{at_most}",
            current.id,
            count(usize::try_from(uses).unwrap_or(usize::MAX), "value", "values")
        ))
    }

    fn program(&self, what: &str, program: Option<&str>) -> Result<(), Fault> {
        program.map_or(Ok(()), |program| self.runner.can_run(&format!("run `{what}`"), program).map(drop))
    }
}

/// What was found, or what stands in the way.
struct FoundOr(Found);

impl From<Found> for FoundOr {
    fn from(found: Found) -> Self {
        Self(found)
    }
}

impl From<String> for FoundOr {
    fn from(found: String) -> Self {
        Self(Ok(found))
    }
}

/// What the policy will ask of a backend, sooner or later.
fn acts(key: &meant::Key, promotes: bool) -> Vec<Act> {
    let mut acts = vec![Act::Add, Act::Switch];
    acts.extend((!promotes).then_some(Act::Discard));
    if let Retire::After { destroy_after, .. } = &key.retire {
        acts.push(Act::Retire);
        acts.extend(destroy_after.map(|_| Act::Destroy));
    }
    acts
}

/// The programs by which a fleet is reached.
fn programs(fleet: &Fleet) -> Vec<(&'static str, String)> {
    let proof = fleet.proof.as_ref();
    let from = proof.and_then(|proof| match &proof.from {
        ProofFrom::Command { command } => Some(command),
        ProofFrom::Store { .. } | ProofFrom::Http { .. } => None,
    });
    let members = match &fleet.members {
        Members::FromCommand { command, .. } => Some(command),
        Members::Listed(_) | Members::FromProof { .. } => None,
    };
    let all = [
        ("deliver", fleet.deliver.as_ref().map(|deliver| &deliver.command)),
        ("withdraw", fleet.withdraw.as_ref()),
        ("restart", fleet.restart.as_ref().map(|restart| &restart.command)),
        ("proof", from),
        ("gone", proof.and_then(|proof| proof.gone.as_ref())),
        ("members", members),
    ];
    all.into_iter().filter_map(|(what, command)| Some((what, command?.first()?.to_string()))).collect()
}

fn versions_of(key: &Key) -> String {
    let current = key.current().map(|version| format!(", `{}` is current", version.id)).unwrap_or_default();
    format!("{}{current}", count(key.versions.len(), "version", "versions"))
}

fn show(lines: &[Line], console: &mut Console) {
    for line in lines {
        match (&line.found, &line.fault) {
            (_, Some(fault)) => {
                console.out(&format!("{}: {}", line.what, visible(&fault.to_string())));
                if let Some(hint) = &fault.hint {
                    console.out(&format!("  hint: {}", visible(hint)));
                }
            }
            (Some(found), None) if found.is_empty() => console.out(&format!("{}: fits", line.what)),
            (Some(found), None) => console.out(&format!("{}: fits: {}", line.what, visible(found))),
            (None, None) => {}
        }
    }
    let (fits, not) = (
        lines.iter().filter(|line| line.fault.is_none()).count(),
        lines.iter().filter(|line| line.fault.is_some()).count(),
    );
    console.out(&match not {
        0 => format!("{} asked, and all of them fit; nothing was changed.", count(fits, "place was", "places were")),
        not => format!("{} of {} places do not fit, or could not be reached; nothing was changed.", not, fits + not),
    });
}
