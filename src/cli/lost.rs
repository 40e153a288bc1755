//! A lost home: traces of our own runs in the world that the journal does not know. Whoever would build on that journal is
//! refused, with the way out.

use crate::cli::exit::Fail;
use crate::inventory::Inventory;
use crate::journal::Ledger;
use crate::model::KeyName;
use crate::policy::Policy;
use crate::port::world::World;
use crate::survey::trace;

/// Refuses where anything that was looked at bears the name of a run that the journal does not know.
pub(super) fn refuse(inventory: &mut Inventory, ledger: &Ledger) -> Result<(), Fail> {
    trace::note(inventory, ledger);
    trace::lost(inventory).map_or(Ok(()), |broken| Err(Fail::Broken(broken)))
}

/// The same without an inventory: asks every backend of these policies for its mark. What cannot be asked is told by whoever
/// needs it.
pub(super) fn refuse_at(world: &dyn World, policies: &[Policy], ledger: &Ledger) -> Result<(), Fail> {
    let keys = policies.iter().flat_map(|policy| policy.keys.iter().map(move |(name, key)| (policy, name, key)));
    let mut found: Option<(KeyName, String)> = None;
    let mut more = 0;
    for (policy, name, key) in keys {
        let whole = policy.key_name(name);
        let mark = world.backend(&whole, &key.backend).and_then(|backend| backend.look(&key.at)).ok();
        let Some(run) = mark.and_then(|look| look.run).filter(|run| !trace::knows(ledger, run)) else { continue };
        match found {
            None => found = Some((whole, run)),
            Some(_) => more += 1,
        }
    }
    found.map_or(Ok(()), |(key, run)| Err(Fail::Broken(trace::refusal(&key, &run, more))))
}
