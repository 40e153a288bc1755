//! The mark that a run leaves in the world: a home that does not know the run has lost its journal.

use crate::executor::Executor;
use crate::fault::Fault;

/// Lets every backend of the plan's keys sign what this run changes, and tells it which ids were given before. One that cannot
/// be reached is told by its first step.
pub(super) fn sign(executor: &Executor<'_, '_>) -> Result<(), Fault> {
    let run = executor.desk.run()?;
    let plan = executor.approved.plan();
    for planned in plan.units.iter().flat_map(|unit| &unit.keys) {
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
        let key = policy.and_then(|policy| policy.keys.get(planned.name.key()));
        if let Some(Ok(backend)) = key.map(|key| executor.world.backend(&planned.name, &key.backend)) {
            backend.sign_as(run.as_str());
            if let (Some(key), Some(known)) = (key, executor.desk.ledger().keys.get(&planned.name)) {
                backend.reserve(&key.at, known.versions());
            }
        }
    }
    Ok(())
}
