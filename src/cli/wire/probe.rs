//! Checks of a policy: by HTTP and command through the probe, by SQL through the policy's own stores.

use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use crate::policy::meant::check::Ask;
use crate::port::facts::Facts;
use crate::port::probe::Answer;
use crate::port::probe::Probe;
use crate::port::store::Store;
use crate::probe::Asker;
use crate::probe::expect::Seen;
use crate::probe::expect::judge;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asks the checks of one policy.
pub(super) struct Asked {
    asker: Asker,
    stores: BTreeMap<Name, Arc<dyn Store>>,
}

impl Asked {
    /// With these stores for queries.
    pub(super) fn new(asker: Asker, stores: BTreeMap<Name, Arc<dyn Store>>) -> Self {
        Self { asker, stores }
    }
}

impl Probe for Asked {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        let Ask::Sql { store, query } = &check.ask else { return self.asker.ask(check, facts) };
        let doing = format!("ask check `{}`", check.name);
        let Some(port) = self.stores.get(store) else {
            return Err(Fault::give_up(doing, format!("this build has no adapter for store `{store}`")));
        };
        let text = port.ask(query)?.unwrap_or_default();
        judge(&doing, &check.expect, &Seen { text: text.into_bytes(), ..Seen::default() }, facts)
    }

    fn uses(&self, counter: &Command, facts: &Facts) -> Result<u64, Fault> {
        self.asker.uses(counter, facts)
    }
}
