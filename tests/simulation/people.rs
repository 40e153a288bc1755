//! The simulated members, as the executor meets them: a fleet that is handed keys, pointed at them and restarted, and that
//! answers when it is asked whether it is well.

use keyrota::fault::Fault;
use keyrota::model::Member;
use keyrota::policy::meant::Check;
use keyrota::port::facts::Facts;
use keyrota::port::fleet::Delivered;
use keyrota::port::fleet::Fleet;
use keyrota::port::fleet::Row;
use keyrota::port::probe::Answer;
use keyrota::port::probe::Probe;
use keyrota::port::store::Store;
use keyrota::secret::Secret;
use keyrota::simulated::Crowd;
use keyrota::simulated::Time;
use keyrota::store::sqlite::Sqlite;

/// The members.
pub(crate) struct People {
    pub(crate) time: Time,
    /// Where they say what they know.
    pub(crate) says: Sqlite,
}

fn id(version: &Facts) -> String {
    version.know("id").unwrap().into_owned()
}

impl People {
    fn ask<T>(&self, question: impl FnOnce(&mut Crowd) -> T) -> T {
        self.time.ask(question).unwrap()
    }
}

impl Fleet for People {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        Ok(self.ask(|crowd| crowd.members().iter().map(|member| member.name.parse().unwrap()).collect()))
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        let material = material.unwrap();
        self.ask(|crowd| crowd.hand(member.as_str(), &id(version), material))?;
        let raw = Secret::from_vec(material.lend(|text| hex::decode(text)).unwrap());
        Ok(Delivered { proven: Some(raw.fingerprint().hex().parse().unwrap()) })
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.ask(|crowd| crowd.take(member.as_str(), &id(version)))
    }

    fn restart(&self, member: Option<&Member>, _: &Facts) -> Result<(), Fault> {
        let now = self.time.hour();
        self.ask(|crowd| crowd.restart(member.unwrap().as_str(), now))
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        self.ask(|crowd| crowd.point(member.as_str(), &id(version)))
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        Ok(self.ask(|crowd| crowd.pointed(member.as_str())))
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        Ok(self.says.proofs("members")?.into_iter().map(|row| row.into_iter().collect()).collect())
    }

    fn gone(&self, _: &Member) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// Whether a member is up.
pub(crate) struct Well(pub(crate) Time);

impl Probe for Well {
    fn ask(&self, check: &Check, facts: &Facts) -> Result<Answer, Fault> {
        assert_eq!(check.name.as_str(), "up");
        let member = facts.know("member").unwrap();
        let passed = self.0.ask(|crowd| crowd.is_up(&member)).unwrap();
        Ok(Answer { passed, saw: if passed { "well" } else { "it does not answer" }.into() })
    }

    fn uses(&self, _: &keyrota::policy::meant::Command, _: &Facts) -> Result<u64, Fault> {
        Err(Fault::give_up("count seals", "nobody counts here"))
    }
}
