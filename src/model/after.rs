//! What a change does to a key: the one function that knows. The planner rehearses with it, the executor
//! compares the world with it, the memory backend is it.

use crate::model::Change;
use crate::model::Key;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use std::fmt;

/// Why a change cannot be made to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No version has this id.
    Unknown(VersionId),
    /// A version has this id already.
    Taken(VersionId),
    /// The version stands in a state from which no such edge leads.
    WrongState {
        /// The version.
        version: VersionId,
        /// Where it stands.
        stands: State,
        /// Where the change would have put it.
        wanted: State,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown(id) => write!(f, "there is no version `{id}`"),
            Refusal::Taken(id) => write!(f, "there is a version `{id}` already"),
            Refusal::WrongState { version, stands, wanted } => {
                write!(f, "version `{version}` is {stands} and cannot become {wanted}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl Key {
    /// The key after `change`, or why the change is refused.
    pub fn after(&self, change: &Change) -> Result<Key, Refusal> {
        let mut key = self.clone();
        match change {
            Change::Add { version, fingerprint, promotes } => {
                if key.version(version).is_some() {
                    return Err(Refusal::Taken(version.clone()));
                }
                let state = if *promotes { State::Current } else { State::Staged };
                if *promotes {
                    key.demote();
                }
                let mut made = Version::new(version.clone(), state);
                made.fingerprint.clone_from(fingerprint);
                key.versions.push(made);
            }
            Change::Switch { to } => {
                key.check(to, &[State::Staged, State::DecryptOnly], State::Current)?;
                key.demote();
                key.put(to, State::Current);
            }
            Change::Retire { version } => key.step(version, &[State::DecryptOnly], State::Disabled)?,
            Change::Enable { version } => key.step(version, &[State::Disabled], State::DecryptOnly)?,
            Change::Discard { version } => key.step(version, &[State::Staged], State::Destroyed)?,
            Change::Destroy { version } => {
                key.step(version, &[State::Disabled, State::DecryptOnly], State::Destroyed)?;
            }
        }
        Ok(key)
    }

    fn step(&mut self, id: &VersionId, from: &[State], to: State) -> Result<(), Refusal> {
        self.check(id, from, to)?;
        self.put(id, to);
        Ok(())
    }

    fn check(&self, id: &VersionId, from: &[State], to: State) -> Result<(), Refusal> {
        let stands = self.version(id).ok_or_else(|| Refusal::Unknown(id.clone()))?.state;
        if from.contains(&stands) {
            return Ok(());
        }
        Err(Refusal::WrongState { version: id.clone(), stands, wanted: to })
    }

    fn put(&mut self, id: &VersionId, state: State) {
        for version in self.versions.iter_mut().filter(|version| version.id == *id) {
            version.state = state;
        }
    }

    fn demote(&mut self) {
        for version in self.versions.iter_mut().filter(|version| version.state == State::Current) {
            version.state = State::DecryptOnly;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn id(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    fn key(state: State) -> Key {
        Key { versions: vec![Version::new(id("v1"), state)] }
    }

    /// Every edge that exists, as (what is done, from, to). All others must be refused, one by one.
    #[test]
    fn every_edge_and_no_other() {
        type Edge = (&'static str, fn(VersionId) -> Change, &'static [State], State);
        let edges: [Edge; 5] = [
            ("switch", |to| Change::Switch { to }, &[State::Staged, State::DecryptOnly], State::Current),
            ("retire", |version| Change::Retire { version }, &[State::DecryptOnly], State::Disabled),
            ("enable", |version| Change::Enable { version }, &[State::Disabled], State::DecryptOnly),
            ("discard", |version| Change::Discard { version }, &[State::Staged], State::Destroyed),
            (
                "destroy",
                |version| Change::Destroy { version },
                &[State::Disabled, State::DecryptOnly],
                State::Destroyed,
            ),
        ];
        for (name, change, from, to) in edges {
            for state in State::ALL {
                let got = key(state).after(&change(id("v1")));
                match from.contains(&state) {
                    true => assert_eq!(got.unwrap().versions.first().unwrap().state, to, "{name} from {state}"),
                    false => assert_eq!(
                        got,
                        Err(Refusal::WrongState { version: id("v1"), stands: state, wanted: to }),
                        "{name} from {state}"
                    ),
                }
            }
            assert_eq!(key(State::Current).after(&change(id("v9"))), Err(Refusal::Unknown(id("v9"))));
        }
    }

    #[test]
    fn adding_stages_or_promotes() {
        let add = |promotes| Change::Add { version: id("v2"), fingerprint: None, promotes };
        let states = |key: &Key| key.versions.iter().map(|v| v.state).collect::<Vec<_>>();
        assert_eq!(states(&key(State::Current).after(&add(false)).unwrap()), [State::Current, State::Staged]);
        assert_eq!(states(&key(State::Current).after(&add(true)).unwrap()), [State::DecryptOnly, State::Current]);
        let again = key(State::Current).after(&add(false)).unwrap().after(&add(false));
        assert_eq!(again, Err(Refusal::Taken(id("v2"))));
    }

    #[test]
    fn at_most_one_is_current() {
        let both = key(State::Current).after(&Change::Add { version: id("v2"), fingerprint: None, promotes: false });
        let switched = both.unwrap().after(&Change::Switch { to: id("v2") }).unwrap();
        let back = switched.after(&Change::Switch { to: id("v1") }).unwrap();
        assert_eq!(back.versions.iter().filter(|v| v.state == State::Current).count(), 1);
        assert_eq!(back.current().unwrap().id, id("v1"));
    }
}
