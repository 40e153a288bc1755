//! Every call of every port fails once, in each of the ways in which the world fails: refused, timed out and done, timed out
//! and not done. The run stops or goes on; the next attempt ends where an undisturbed run ends.

use std::collections::BTreeMap;

use keyrota::backend;
use keyrota::backend::memory::Manners;
use keyrota::fleet;
use keyrota::home;
use keyrota::model::State;
use keyrota::model::Version;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::home::Home;
use keyrota::port::service::Asked;
use keyrota::port::trouble::Fails;
use keyrota::port::trouble::Trouble;
use keyrota::probe;
use keyrota::secret::Secret;
use keyrota::template::Template;

use crate::calm::clock;
use crate::project;
use crate::project::FIRST;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Silent;
use crate::site::Site;
use crate::trouble::Counted;

const ROWS: i64 = 30;

/// How a service pushes back is tried elsewhere.
const CALM: Manners = Manners { values_max: 499, busy_every: u64::MAX, loses_every: u64::MAX, quota: None };

/// A version of long ago.
const OLDER: &[u8; 32] = b"CANARY/the-key-of-a-long-time-ag";

/// A project whose keys, members, checks and journal are in memory and whose rows are in SQLite.
struct Rig {
    project: Project,
    site: Site,
    home: Counted<home::Memory>,
}

impl Rig {
    fn new(folder: &std::path::Path, kind: Kind, trouble: &Trouble) -> Self {
        let project = Project::make(folder, kind, ROWS);
        let mut site = site::site(&project, clock(&project, site::start()));
        let keys = match kind {
            // Its own calls fail too, the service's among them.
            Kind::Served => backend::memory::Memory::like_a_service().with_manners(CALM).with_trouble(trouble.clone()),
            _ => backend::memory::Memory::like_files(),
        };
        if kind == Kind::Served {
            // Out of use since long, and below the floor that is raised.
            let older = Version::new("v0".parse().unwrap(), State::Disabled);
            keys.put("keys", older, Algorithm::Aes256, Secret::from_vec(OLDER.to_vec()));
        }
        let first = Secret::from_vec(FIRST.to_vec());
        let version = Version {
            fingerprint: Some(first.fingerprint().hex().parse().unwrap()),
            since: Some(site::start()),
            ..Version::new("v1".parse().unwrap(), State::Current)
        };
        keys.put("keys", version, Algorithm::Aes256, first);
        // Members that prove what they know read the books of the key files.
        if kind != Kind::Proof {
            site.backend = Box::new(keys);
        }
        site.backend = Box::new(Counted(site.backend, trouble.clone()));
        if kind == Kind::One {
            let members = ["ctl-1", "ctl-2"].map(|name| name.parse().unwrap());
            site.fleet = Box::new(fleet::memory::Memory::new(&members, Template::parse("{{ id }}").unwrap()));
        }
        site.fleet = Box::new(Counted(site.fleet, trouble.clone()));
        site.store = Box::new(Counted(site.store, trouble.clone()));
        site.probe = Box::new(Counted(
            Box::new(probe::memory::Memory::new()) as Box<dyn keyrota::port::probe::Probe>,
            trouble.clone(),
        ));
        Self { project, site, home: Counted(home::Memory::default(), trouble.clone()) }
    }

    /// Every version's state and how many rows it seals; every row must open.
    fn end(&self) -> (Vec<(String, State)>, BTreeMap<String, u64>) {
        let key = self.site.backend.look("keys").unwrap().key;
        if self.project.kind == Kind::Served {
            return (states(&key), self.served());
        }
        let opening = key.opening().map(|version| {
            let material = self.site.backend.material("keys", &version.id).unwrap();
            (version.id.to_string(), material.lend(<[u8]>::to_vec))
        });
        let rows = self.project.rows_with(&opening.collect());
        (states(&key), rows)
    }

    /// The same, where only the service opens rows.
    fn served(&self) -> BTreeMap<String, u64> {
        let service = self.site.backend.service("keys", None).unwrap().unwrap();
        let mut under = BTreeMap::new();
        for (id, version, wrapped) in project::sealed(&self.project.connect(), 0, i64::MAX) {
            let (named, bytes, aad) =
                (version.parse().unwrap(), hex::decode(wrapped).unwrap(), format!("data_keys:{id}"));
            let asked = Asked { version: &named, bytes: &bytes, aad: aad.as_bytes() };
            let opened = service.open(&[asked]).unwrap().pop().unwrap().unwrap();
            assert!(opened.lend(|plain| plain == project::plain(id)), "row {id} under {version}");
            *under.entry(version).or_insert(0) += 1;
        }
        under
    }
}

fn states(key: &keyrota::model::Key) -> Vec<(String, State)> {
    key.versions.iter().map(|version| (version.id.to_string(), version.state)).collect()
}

/// The calls that must be among those that fail: where one is no longer made, it is no longer tried.
fn ports(kind: Kind) -> Vec<&'static str> {
    let mut all = vec!["home.lock", "home.open", "home.append", "backend.look", "backend.prepare", "backend.change"];
    all.extend(match kind {
        Kind::Plain | Kind::Two => &["store.census", "store.reader", "reader.next", "store.writer", "writer.write"][..],
        Kind::Atomic => &["store.whole", "whole.next", "whole.write"],
        Kind::One => &["fleet.deliver", "fleet.point", "fleet.restart", "fleet.withdraw", "backend.encoded"],
        Kind::Checks => &["probe.ask"],
        // A proof that cannot be read opens no gate, and stops nothing.
        Kind::Proof | Kind::Itself => &[],
        Kind::Served => &["open values", "seal values", "store.reader", "writer.write"],
    });
    all
}

fn fail_everywhere(kind: Kind) {
    let trouble = Trouble::none();
    // Of one place, so that one plan is good for all.
    let folder = project::folder();
    let at = folder.path().join("project");
    let begin = || {
        let _absent = std::fs::remove_dir_all(&at);
        std::fs::create_dir(&at).unwrap();
        let mut rig = Rig::new(&at, kind, &trouble);
        // The members' proof is fresh when it changes between two looks of ours.
        if kind == Kind::One {
            let facts = keyrota::port::facts::Facts::version(
                &"v1".parse().unwrap(),
                Some(&Secret::from_vec(FIRST.to_vec()).fingerprint().hex().parse().unwrap()),
            );
            for member in ["ctl-1", "ctl-2"] {
                let material = Secret::from_vec(FIRST.to_vec());
                rig.site.fleet.deliver(&member.parse().unwrap(), &facts, Some(&material)).unwrap();
            }
        }
        rig.home.1 = trouble.clone();
        rig
    };
    let mut rig = begin();
    let plan = site::draw(&rig.project, &rig.site, &rig.home, &site::rotate());
    trouble.fail(u64::MAX, Fails::Refused);
    let applied = site::apply(&rig.site, &mut rig.home, &plan, &mut Silent);
    assert!(applied.finished(), "{kind:?}: {applied:?}");
    let calls = trouble.calls();
    let undisturbed = rig.end();
    let (mut stopped, mut told) = (0, String::new());
    for number in 0..calls {
        for how in Fails::ALL {
            trouble.fail(u64::MAX, how);
            let mut rig = begin();
            let others = rig.project.others();
            trouble.fail(number, how);
            let first = site::apply(&rig.site, &mut rig.home, &plan, &mut Silent);
            trouble.fail(u64::MAX, how);
            // Whoever may meet a row can open it, at once.
            assert_eq!(rig.end().1.values().sum::<u64>(), ROWS as u64, "{kind:?}: call {number} {how:?}");
            if !first.finished() {
                stopped += 1;
                told.push_str(&format!("{first:?}"));
                let attempts = site::finish(&rig.site, &mut rig.home, &plan);
                assert_eq!(attempts, 1, "{kind:?}: call {number} {how:?}: {first:?}");
            }
            assert_eq!(rig.end(), undisturbed, "{kind:?}: call {number} {how:?}: {first:?}");
            rig.home.verify(None).unwrap();
            if kind != Kind::Proof {
                assert_eq!(rig.project.others(), others, "{kind:?}: call {number} {how:?}");
            }
        }
    }
    assert!(stopped > calls, "{stopped} of {calls}");
    for port in ports(kind) {
        assert!(told.contains(&format!("\"{port}\"")), "{kind:?}: no call of `{port}` failed");
    }
    println!("{kind:?}: {calls} calls, {stopped} attempts stopped");
}

#[test]
fn every_call_of_a_plain_rotation() {
    fail_everywhere(Kind::Plain);
}

#[test]
fn every_call_of_a_rotation_in_one_transaction() {
    fail_everywhere(Kind::Atomic);
}

#[test]
fn every_call_of_a_rotation_of_members_that_hold_one() {
    fail_everywhere(Kind::One);
}

#[test]
fn every_call_of_a_rotation_with_proofs() {
    fail_everywhere(Kind::Proof);
}

#[test]
fn every_call_of_a_rotation_with_checks() {
    fail_everywhere(Kind::Checks);
}

#[test]
fn every_call_of_a_rotation_in_two_stores() {
    fail_everywhere(Kind::Two);
}

#[test]
fn every_call_of_a_rotation_by_a_service() {
    fail_everywhere(Kind::Served);
}

#[test]
fn a_floor_that_was_passed_is_lowered_and_raised_again() {
    let folder = project::folder();
    let at = folder.path().join("project");
    std::fs::create_dir(&at).unwrap();
    let mut rig = Rig::new(&at, Kind::Served, &Trouble::none());
    let plan = site::draw(&rig.project, &rig.site, &rig.home, &site::rotate());
    assert!(site::apply(&rig.site, &mut rig.home, &plan, &mut Silent).finished());
    let (states, rows) = rig.end();
    let out = [("v0", State::Disabled), ("v1", State::Disabled), ("v2", State::Current)];
    assert_eq!(states, out.map(|(id, state)| (id.to_owned(), state)));
    assert_eq!(rows, BTreeMap::from([("v2".to_owned(), ROWS as u64)]));
    // A backup comes back, from before the version that is below both.
    project::insert(&rig.project.connect(), 1_000, "v0", OLDER).unwrap();
    let plan = site::draw(&rig.project, &rig.site, &rig.home, &keyrota::decision::Wish::WhatIsDue);
    assert_eq!(plan.plan().units[0].keys[0].falls().iter().map(ToString::to_string).collect::<Vec<_>>(), ["v0", "v1"]);
    assert!(site::apply(&rig.site, &mut rig.home, &plan, &mut Silent).finished());
    let (states, rows) = rig.end();
    assert_eq!(states, out.map(|(id, state)| (id.to_owned(), state)));
    assert_eq!(rows, BTreeMap::from([("v2".to_owned(), ROWS as u64 + 1)]));
}

#[test]
fn every_call_of_a_rotation_by_members_themselves() {
    fail_everywhere(Kind::Itself);
}
