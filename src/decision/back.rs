//! Going back: which version takes the current one's place, which is left behind and stays readable, and what stands in
//! the way.

use crate::decision::Wish;
use crate::inventory::KeySeen;
use crate::model::KeyName;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant::Key;
use crate::policy::meant::fleet::Writes;
use serde::Deserialize;
use serde::Serialize;

/// From which version to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The version that takes the place.
    pub to: VersionId,
    /// The version that is left behind.
    pub from: VersionId,
}

/// Why there is no way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "obstacle")]
pub enum Obstacle {
    /// A run is open that works on the key.
    UnderWay {
        /// Which.
        run: String,
    },
    /// There is no such version.
    Unknown,
    /// Its material is gone for good.
    Destroyed,
    /// Others know its material.
    Compromised,
    /// It is current, and nothing is under another one.
    Current,
    /// There is no version to go back to.
    Nothing,
    /// The backend cannot make an old version current again.
    NeverDemotes,
    /// Members of this fleet write with the newest version by themselves, whichever is current.
    ByThemselves {
        /// The fleet.
        fleet: crate::model::Name,
    },
}

/// The way that was asked for, of a key; nothing where none was.
///
/// # Errors
/// What stands in the way, and of which version.
pub fn route(
    wish: &Wish,
    name: &KeyName,
    (policy, key): (&Policy, &Key),
    seen: &KeySeen,
) -> Option<Result<Route, (Option<VersionId>, Obstacle)>> {
    if let Some(run) =
        seen.past.open_run.clone().filter(|_| matches!(wish, Wish::To(..) | Wish::Back(_)) && wish.names(name))
    {
        return Some(Err((None, Obstacle::UnderWay { run })));
    }
    let ways = Ways { policy, key, seen };
    match wish {
        Wish::To(asked, to) if asked == name => Some(ways.to(to)),
        Wish::Back(asked) if asked == name => Some(ways.back()),
        _ => None,
    }
}

struct Ways<'a> {
    policy: &'a Policy,
    key: &'a Key,
    seen: &'a KeySeen,
}

type Found = Result<Route, (Option<VersionId>, Obstacle)>;

impl Ways<'_> {
    fn to(&self, to: &VersionId) -> Found {
        let refuse = |obstacle| Err((Some(to.clone()), obstacle));
        let (Some(version), Some(current)) = (self.seen.key.version(to), self.seen.key.current()) else {
            return refuse(Obstacle::Unknown);
        };
        if version.id != current.id {
            return self.possible(Route { to: to.clone(), from: current.id.clone() }, version);
        }
        match self.other(current) {
            Some(other) => self.possible(Route { to: to.clone(), from: other.id.clone() }, version),
            None => refuse(Obstacle::Current),
        }
    }

    fn back(&self) -> Found {
        let Some(current) = self.seen.key.current() else { return Err((None, Obstacle::Nothing)) };
        // A rotation that did not come as far as its switch, or one that was taken back and not to its end.
        if let Some(newer) = self.other(current).filter(|other| self.place(other) > self.place(current)) {
            return self.possible(Route { to: current.id.clone(), from: newer.id.clone() }, current);
        }
        // Taken back already: whoever wants to go further back says where to.
        let newer = |version: &&Version| self.place(version) > self.place(current) && version.state.opens();
        if self.seen.key.versions.iter().any(|version| newer(&version)) {
            return Err((Some(current.id.clone()), Obstacle::Current));
        }
        let usable = |version: &&Version| matches!(version.state, State::DecryptOnly | State::Disabled);
        let older = self.seen.key.versions.iter().filter(|version| self.place(version) < self.place(current));
        match older.filter(usable).max_by_key(|version| self.place(version)) {
            Some(version) => self.possible(Route { to: version.id.clone(), from: current.id.clone() }, version),
            None => Err((None, Obstacle::Nothing)),
        }
    }

    /// Another version that somebody may write under, or that values are under: the newest of them.
    fn other(&self, current: &Version) -> Option<&Version> {
        let values = |version: &Version| {
            self.seen.stores.values().filter_map(|store| store.census.as_ref()).any(|census| census.of(&version.id) > 0)
        };
        let concerns = |version: &&Version| match version.state {
            State::Staged => true,
            State::DecryptOnly => values(version),
            State::Current | State::Disabled | State::Destroyed => false,
        };
        let others = self.seen.key.versions.iter().filter(|version| version.id != current.id);
        others.filter(concerns).max_by_key(|version| self.place(version))
    }

    /// Which came first: as our journal met them, or else as the backend tells.
    fn place(&self, version: &Version) -> usize {
        let met = &self.seen.past.known;
        let all = self.seen.key.versions.iter().all(|version| met.contains(&version.id));
        let place = match all {
            true => met.iter().position(|id| *id == version.id),
            false => self.seen.key.versions.iter().position(|other| other.id == version.id),
        };
        place.unwrap_or(usize::MAX)
    }

    fn possible(&self, route: Route, target: &Version) -> Found {
        let refuse = |obstacle| Err((Some(route.to.clone()), obstacle));
        if target.state == State::Destroyed {
            return refuse(Obstacle::Destroyed);
        }
        if target.compromised || self.seen.past.compromised.contains(&target.id) {
            return refuse(Obstacle::Compromised);
        }
        let Some(able) = &self.seen.able else { return Ok(route) };
        if !able.demotes && matches!(target.state, State::DecryptOnly | State::Disabled) {
            return refuse(Obstacle::NeverDemotes);
        }
        // Where one act adds and promotes, the newest is the one that stands first, and going back puts another first. Elsewhere
        // such members look at no pointer; and one that has just been enabled is as new to them as a new one.
        let first = able.promotes && matches!(target.state, State::DecryptOnly | State::Current);
        let fleets = self.key.used_by.iter().filter_map(|name| Some((name, self.policy.fleets.get(name)?)));
        let mut blind = fleets.filter(|(_, fleet)| matches!(fleet.writes, Writes::NewestAfter(_)) && !first);
        match blind.next() {
            Some((fleet, _)) => refuse(Obstacle::ByThemselves { fleet: fleet.clone() }),
            None => Ok(route),
        }
    }
}
