//! A fleet in memory. It holds what it was handed and forgets nothing, proves by fingerprint, and fails when told to.

use crate::fault::Fault;
use crate::model::Member;
use crate::port::facts::Facts;
use crate::port::fleet::Delivered;
use crate::port::fleet::Fleet;
use crate::port::fleet::Row;
use crate::port::trouble::Trouble;
use crate::secret::Secret;
use crate::template::Template;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Members in memory.
pub struct Memory {
    is: Template,
    trouble: Trouble,
    members: Mutex<BTreeMap<Member, State>>,
}

/// One member, as a test looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The ids of the versions that it was handed.
    pub holds: BTreeSet<String>,
    /// What its pointer says.
    pub points: Option<String>,
    /// How often it was restarted.
    pub restarts: u64,
    /// What it holds since its last start.
    pub started_with: BTreeSet<String>,
    /// Whether it is gone for good.
    pub gone: bool,
}

impl Memory {
    /// These members, whose pointers write a version as `is` says.
    #[must_use]
    pub fn new(members: &[Member], is: Template) -> Self {
        let members = members.iter().map(|member| (member.clone(), State::default())).collect();
        Self { is, trouble: Trouble::none(), members: Mutex::new(members) }
    }

    /// With trouble that others may share.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }

    /// One member as it is.
    #[must_use]
    pub fn state(&self, member: &Member) -> Option<State> {
        self.all().get(member).cloned()
    }

    /// Makes a member vanish for good.
    pub fn vanish(&self, member: &Member) {
        if let Some(state) = self.all().get_mut(member) {
            state.gone = true;
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Member, State>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at<T>(&self, doing: &str, member: &Member, act: impl FnOnce(&mut State) -> T) -> Result<T, Fault> {
        match self.all().get_mut(member) {
            Some(state) if !state.gone => Ok(act(state)),
            _ => Err(Fault::ask_operator(doing, format!("nobody called `{member}` is there"))),
        }
    }
}

fn id(version: &Facts) -> String {
    version.know("id").unwrap_or_default().into_owned()
}

impl Fleet for Memory {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        self.trouble.call("list the members", || Ok(self.all().keys().cloned().collect()))
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        let doing = "deliver a version";
        self.trouble.call(doing, || {
            let material = material.ok_or_else(|| Fault::report_bug(doing, "there is no material to hand over"))?;
            let print = material.fingerprint().hex();
            if version.know("sha256").as_deref() != Some(&print) {
                return Err(Fault::ask_operator(doing, "it holds another key than the one that was to be delivered"));
            }
            self.at(doing, member, |state| state.holds.insert(id(version)))?;
            Ok(Delivered { proven: print.parse().ok() })
        })
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        let doing = "take a version away";
        self.trouble.call(doing, || self.at(doing, member, |state| state.holds.remove(&id(version))).map(|_| ()))
    }

    fn restart(&self, member: Option<&Member>, _version: &Facts) -> Result<(), Fault> {
        let doing = "restart";
        self.trouble.call(doing, || {
            let start = |state: &mut State| {
                state.restarts = state.restarts.saturating_add(1);
                state.started_with = state.holds.clone();
            };
            match member {
                Some(member) => self.at(doing, member, start),
                None => {
                    self.all().values_mut().filter(|state| !state.gone).for_each(start);
                    Ok(())
                }
            }
        })
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        let doing = "point a member at a version";
        self.trouble.call(doing, || {
            let text = version.fill(&self.is).map_err(|missing| Fault::ask_operator(doing, missing))?;
            self.at(doing, member, |state| state.points = Some(text))
        })
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        let doing = "read where a member points";
        self.trouble.call(doing, || self.at(doing, member, |state| state.points.clone()))
    }

    /// One row a member: `member`, and `knows` with the ids it started with.
    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        self.trouble.call("read the fleet's proofs", || {
            let row = |(member, state): (&Member, &State)| {
                let knows: Vec<&String> = state.started_with.iter().collect();
                let mut row = Row::new();
                row.insert("member".to_owned(), member.as_str().into());
                row.insert("knows".to_owned(), serde_json::json!(knows));
                row
            };
            Ok(self.all().iter().filter(|(_, state)| !state.gone).map(row).collect())
        })
    }

    fn gone(&self, member: &Member) -> Result<bool, Fault> {
        self.trouble.call("ask whether a member is gone", || Ok(self.all().get(member).is_some_and(|state| state.gone)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Memory;
    use crate::fleet::contract;
    use crate::port::fleet::Fleet;
    use crate::port::trouble::Fails;
    use crate::port::trouble::Trouble;
    use crate::template::Template;

    fn fleet() -> Memory {
        let members = ["web-1", "web-2"].map(|name| name.parse().unwrap());
        Memory::new(&members, Template::parse("keys/{{ id }}.key").unwrap())
    }

    #[test]
    fn the_contract_holds() {
        assert_eq!(contract::holds(&fleet(), &Template::parse("keys/{{ id }}.key").unwrap()), Ok(()));
    }

    #[test]
    fn trouble_is_noticed() {
        let is = Template::parse("keys/{{ id }}.key").unwrap();
        let trouble = Trouble::none();
        contract::holds(&fleet().with_trouble(trouble.clone()), &is).unwrap();
        let calls = trouble.calls();
        assert!(calls > 20, "{calls}");
        let noticed = |number: &u64| {
            trouble.fail(*number, Fails::TimedOut);
            contract::holds(&fleet().with_trouble(trouble.clone()), &is).is_err()
        };
        // One delivery a member is asked to fail, and no more.
        assert_eq!((0..calls).filter(|number| !noticed(number)).count(), 2);
    }

    #[test]
    fn who_is_gone_does_nothing_any_more() {
        let fleet = fleet();
        let web: crate::model::Member = "web-1".parse().unwrap();
        assert!(!fleet.gone(&web).unwrap());
        fleet.vanish(&web);
        assert!(fleet.gone(&web).unwrap() && fleet.pointed(&web).is_err());
        assert_eq!(fleet.proofs().unwrap().len(), 1);
    }
}
