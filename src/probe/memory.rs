//! Answers in memory: each check passes until a test says otherwise.

use crate::fault::Fault;
use crate::model::Name;
use crate::policy::meant::Check;
use crate::policy::meant::Command;
use crate::port::facts::Facts;
use crate::port::probe::Answer;
use crate::port::probe::Probe;
use crate::port::trouble::Trouble;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Prepared answers.
#[derive(Default)]
pub struct Memory {
    trouble: Trouble,
    answers: Mutex<BTreeMap<Name, Result<Answer, Fault>>>,
    asked: Mutex<Vec<(Name, Facts)>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Memory {
    /// Everything passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With trouble that others may share.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }

    /// From now on, this check is answered so.
    pub fn answer(&self, check: &Name, answer: Result<Answer, Fault>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(check.clone(), answer);
    }

    /// From now on, the program of this name counts so many.
    pub fn count(&self, program: &str, count: u64) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).insert(program.to_owned(), count);
    }

    /// Which checks were asked, and with which facts, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<(Name, Facts)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Probe for Memory {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        self.trouble.call(&format!("check `{}`", check.name), || {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((check.name.clone(), facts.clone()));
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let well = || Ok(Answer { passed: true, saw: "well".to_owned() });
            answers.get(&check.name).cloned().unwrap_or_else(well)
        })
    }

    fn uses(&self, counter: &Command, facts: &Facts) -> Result<u64, Fault> {
        self.trouble.call("count seals", || match facts.fill(counter.first().ok_or_else(nameless)?) {
            Ok(program) => {
                self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&program).copied().ok_or_else(nameless)
            }
            Err(missing) => Err(Fault::ask_operator("count seals", missing)),
        })
    }
}

fn nameless() -> Fault {
    Fault::ask_operator("count seals", "there is no such program")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Memory;
    use crate::fault::Fault;
    use crate::policy::meant::Check;
    use crate::policy::meant::check::Ask;
    use crate::policy::meant::check::Expect;
    use crate::port::facts::Facts;
    use crate::port::probe::Answer;
    use crate::port::probe::Probe;
    use crate::probe::contract;
    use crate::template::Template;
    use std::collections::BTreeMap;

    #[test]
    fn the_contract_holds() {
        let check = |name: &str| Check {
            name: name.parse().unwrap(),
            when: Vec::new(),
            ask: Ask::Command { command: vec![Template::parse(name).unwrap()], env: BTreeMap::new() },
            expect: Expect::default(),
            timeout_seconds: 1,
        };
        let (well, ill, mute) = (check("well"), check("ill"), check("mute"));
        let memory = Memory::new();
        memory.answer(&ill.name, Ok(Answer { passed: false, saw: "exit 1".to_owned() }));
        memory.answer(&mute.name, Err(Fault::retry("ask", "nobody is there")));
        assert_eq!(contract::holds(&memory, &well, &ill, &mute), Ok(()));
        assert_eq!(memory.asked().len(), 4);
        let (counter, facts) = ([Template::parse("{{ id }}-uses").unwrap()], Facts::none().with("id", "v1"));
        assert!(memory.uses(&counter.to_vec(), &facts).is_err(), "nobody counts by itself");
        memory.count("v1-uses", 7);
        assert_eq!(memory.uses(&counter.to_vec(), &facts).unwrap(), 7);
        assert!(contract::holds(&memory, &ill, &ill, &mute).is_err());
        assert!(contract::holds(&memory, &well, &well, &mute).is_err());
        assert!(contract::holds(&memory, &well, &ill, &ill).is_err());
    }
}
