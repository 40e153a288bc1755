//! A service in memory that seals its own rows anew: no kinder than a true one. It judges by the version's id alone what is
//! there already, leaves a whole row where one field fails, refuses a scope that it does not know, and can be an instance that
//! has not restarted.

use crate::fault::Fault;
use crate::port::store::Known;
use crate::port::store::Service;
use crate::port::store::Versions;
use crate::port::store::service::Counts;
use crate::port::store::service::Failure;
use crate::port::store::service::Reply;
use crate::port::trouble::Trouble;
use crate::template::Template;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// The words of a failure that passes by itself.
const CHANGED: &str = "the row was changed; retry";

/// Rows of sealed fields behind a service. A clone is another door to the same rows.
#[derive(Debug, Clone)]
pub struct Answering {
    name: String,
    trouble: Trouble,
    state: Arc<Mutex<State>>,
}

/// What the service holds.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The version that it moves to.
    pub current: String,
    /// The versions whose keys it has.
    pub keys: BTreeSet<String>,
    /// Rows, by their scope.
    pub rows: BTreeMap<String, BTreeMap<String, Sealed>>,
    /// How it answers the next calls: one by one, then as it should.
    pub odd: Vec<Odd>,
    /// The order in which scopes are rolled out.
    pub scopes: Vec<String>,
    /// Every call that was done: its scope, and whether it only looked.
    pub calls: Vec<(Option<String>, bool)>,
}

/// One sealed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The version that it names.
    pub version: String,
    /// Whether that version's key opens it.
    pub opens: bool,
}

/// One call that goes another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    /// As it should.
    Not,
    /// An instance answers that still has this version as current, and moves to it.
    Stale(String),
    /// The first row was changed meanwhile, and is left alone.
    Changed,
    /// A sum is wrong.
    Miscounts,
}

impl Answering {
    /// An empty one of this name, which is its world, with one key and one row a scope.
    #[must_use]
    pub fn new(name: impl Into<String>, current: &str, trouble: Trouble) -> Self {
        let keys = BTreeSet::from([current.to_owned()]);
        let state = State { current: current.to_owned(), keys, ..State::default() };
        Self { name: name.into(), trouble, state: Arc::new(Mutex::new(state)) }
    }

    /// What it holds.
    pub fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Answering {
    fn world(&self) -> Result<String, Fault> {
        Ok(format!("memory:{}", self.name))
    }

    fn call(&self, scope: Option<&str>, dry_run: bool) -> Result<Reply, Fault> {
        self.trouble.call("call the service", || self.held().answer(scope, dry_run))
    }

    fn scopes(&self) -> Result<Vec<String>, Fault> {
        Ok(self.held().scopes.clone())
    }

    fn written(&self, versions: &Versions) -> Result<Vec<Known>, Fault> {
        let id = Template::parse("{{ id }}").map_err(|why| Fault::report_bug("write down versions", why))?;
        versions.written(&id, "the service")
    }

    fn shapes(&self) -> Result<String, Fault> {
        Ok("in memory".to_owned())
    }

    fn method(&self) -> &str {
        "Memory/Rewrap"
    }
}

impl State {
    fn answer(&mut self, scope: Option<&str>, dry_run: bool) -> Result<Reply, Fault> {
        let doing = "call the service";
        let odd = if self.odd.is_empty() { Odd::Not } else { self.odd.remove(0) };
        let target = match &odd {
            Odd::Stale(version) => version.clone(),
            _ => self.current.clone(),
        };
        if !self.keys.contains(&target) {
            return Err(Fault::ask_operator(doing, format!("invalid argument: no key `{target}`")));
        }
        if let Some(scope) = scope.filter(|scope| !self.rows.contains_key(*scope)) {
            return Err(Fault::ask_operator(doing, format!("not found: `{scope}`")));
        }
        self.calls.push((scope.map(str::to_owned), dry_run));
        let mut sum = Sum::default();
        let keys = &self.keys;
        for (name, row) in self.rows.iter_mut().filter(|(name, _)| scope.is_none_or(|scope| scope == *name)) {
            let changed = odd == Odd::Changed && sum.seen == 0;
            sum.row(name, row, changed, |sealed| sealed.opens && keys.contains(&sealed.version), &target, dry_run);
        }
        let seen = if odd == Odd::Miscounts { sum.seen.saturating_add(1) } else { sum.seen };
        Ok(sum.told(target, seen))
    }
}

#[derive(Default)]
struct Sum {
    seen: u64,
    rows: Counts,
    moved: u64,
    there: u64,
    failed: u64,
    failures: Vec<Failure>,
}

impl Sum {
    fn row(
        &mut self,
        name: &str,
        row: &mut BTreeMap<String, Sealed>,
        changed: bool,
        opens: impl Fn(&Sealed) -> bool,
        target: &str,
        dry_run: bool,
    ) {
        self.seen = self.seen.saturating_add(1);
        let old = || row.iter().filter(|(_, sealed)| sealed.version != target);
        let bad = old().filter(|(_, sealed)| changed || !opens(sealed));
        let failures = bad.map(|(field, _)| Failure {
            row: format!("scope='{name}'"),
            field: field.clone(),
            why: if changed { CHANGED.to_owned() } else { "it does not open".to_owned() },
            again: changed,
        });
        let failures: Vec<Failure> = failures.collect();
        let due = old().count();
        let slot = match (due, failures.is_empty()) {
            (0, _) => &mut self.there,
            (_, false) => &mut self.failed,
            (_, true) => &mut self.moved,
        };
        *slot = slot.saturating_add(1);
        let fields = u64::try_from(due).unwrap_or(u64::MAX);
        self.rows.moved = Some(self.rows.moved.unwrap_or(0).saturating_add(fields));
        if failures.is_empty() && !dry_run {
            row.values_mut().for_each(|sealed| target.clone_into(&mut sealed.version));
        }
        self.failures.extend(failures);
    }

    fn told(self, target: String, seen: u64) -> Reply {
        let rows =
            Counts { seen: Some(seen), moved: Some(self.moved), there: Some(self.there), failed: Some(self.failed) };
        Reply { target, rows, fields: self.rows, failures: self.failures }
    }
}

#[cfg(test)]
mod tests {
    use super::Answering;
    use super::Sealed;
    use crate::port::trouble::Trouble;
    use crate::store::contract::serves;

    #[test]
    fn it_keeps_the_contract_of_services() {
        serves(|world| {
            let service = Answering::new("x", "v1", Trouble::none());
            {
                let mut held = service.held();
                held.keys = world.keys.iter().map(ToString::to_string).collect();
                held.current = world.current.to_owned();
                for (scope, field, version, opens) in world.fields {
                    let row = held.rows.entry((*scope).to_owned()).or_default();
                    if let Some(field) = field {
                        row.insert((*field).to_owned(), Sealed { version: (*version).to_owned(), opens: *opens });
                    }
                }
            }
            let point = service.clone();
            (Box::new(service), Box::new(move |to| to.clone_into(&mut point.held().current)))
        });
    }
}
