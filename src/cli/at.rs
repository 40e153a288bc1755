//! One key at hand: its policy, the ports to reach it, and everything it seals.

use crate::cli::exit::Fail;
use crate::cli::wire::Wired;
use crate::executor::asking;
use crate::executor::rewrap;
use crate::executor::rewrap::Flow;
use crate::executor::rewrap::Progress;
use crate::executor::rewrap::Quarantined;
use crate::executor::rewrap::Verified;
use crate::executor::values;
use crate::fault::Fault;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant;
use crate::port::backend::Failed;
use crate::port::world::World;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// A flag that is raised when somebody asks us to stop.
pub(super) fn stopping() -> Result<Arc<AtomicBool>, Fail> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let listening = signal_hook::flag::register(signal, Arc::clone(&stop));
        listening.map_err(|error| Fault::io("listen for a request to stop", &error))?;
    }
    Ok(stop)
}

/// What a walk through one store found.
pub(super) struct Walked {
    /// The store.
    pub(super) store: Name,
    /// What was found in each of its blocks.
    pub(super) blocks: Vec<Verified>,
    /// Every value that does not open.
    pub(super) unopened: Vec<Quarantined>,
    /// Where its service was asked instead, and opened nothing of what is under this version.
    pub(super) asked: Option<VersionId>,
}

/// Opens everything that a key seals and that we can see. Changes nothing.
pub(super) fn walk(
    world: &Wired,
    policy: &Policy,
    name: &KeyName,
    key: &meant::Key,
    versions: &Key,
    stop: &AtomicBool,
) -> Result<Vec<Walked>, Fault> {
    // Where to is asked only by those who move values.
    let Some(any) = versions.current().or_else(|| versions.versions.first()) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for lot in values::lots_of(world, policy, name, key, versions, &any.id)? {
        if let Some(asked) = &lot.asked {
            let answer = asked.call(None, true)?;
            let census = asked.census(&answer);
            let block = Verified { census, unopened: answer.failed, ..Verified::default() };
            let unopened = asking::unmoved(asked, &answer);
            all.push(Walked { store: lot.name, blocks: vec![block], unopened, asked: Some(answer.target) });
            continue;
        }
        for block in &lot.job.blocks {
            lot.store.fit(block)?;
        }
        let mut seen = Seen { stop, unopened: Vec::new() };
        let blocks = rewrap::verify(lot.store, &lot.job, &lot.ring, None, &mut seen)?;
        all.push(Walked { store: lot.name, blocks, unopened: seen.unopened, asked: None });
    }
    Ok(all)
}

struct Seen<'a> {
    stop: &'a AtomicBool,
    unopened: Vec<Quarantined>,
}

/// So many unopened values are kept by name; when there are more, the key is wrong, not the values.
const UNOPENED_MAX: usize = 1_000_000;

impl rewrap::Watch for Seen<'_> {
    fn quarantined(&mut self, value: &Quarantined) -> Result<(), Fault> {
        if self.unopened.len() < UNOPENED_MAX {
            self.unopened.push(value.clone());
        }
        Ok(())
    }

    fn chunk(&mut self, _progress: &Progress<'_>) -> Result<Flow, Fault> {
        Ok(if self.stop.load(Ordering::SeqCst) { Flow::Stop } else { Flow::Go })
    }
}

/// A key's versions as its backend shows them.
pub(super) fn look(world: &Wired, name: &KeyName, key: &meant::Key) -> Result<Key, Fault> {
    Ok(world.backend(name, &key.backend)?.look(&key.at)?.key)
}

/// What a backend refused.
pub(super) fn failed(failed: Failed, otherwise: &str) -> Fail {
    match failed {
        Failed::Fault(fault) => Fail::Fault(fault),
        Failed::Refused { why, hint } => Fail::refused(why, hint.unwrap_or_else(|| otherwise.to_owned())),
        unmade @ Failed::Unmade(_) => Fail::refused(unmade.to_string(), otherwise),
    }
}
