//! Dying before, in and after a write: the same change once more ends the same.

use std::process::Command;

use keyrota::disk::crash;
use keyrota::model::Change;
use keyrota::model::State;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Prepared;
use keyrota::secret::Secret;
use serde_json::json;

use crate::scene::AT;
use crate::scene::OLD;
use crate::scene::backend;
use crate::scene::now;
use crate::scene::server;
use crate::scene::stands;
use crate::scene::states;
use crate::server::Server;

const ADDR: &str = "KEYROTA_TEST_DEATH_ADDR";
const NEW: &str = "6e6a5f1e-e4ba-11f1-be23-02fc00000002";

/// The version that both processes know.
fn prepared() -> Prepared {
    let material = Secret::from_vec(vec![0xc4; 32]);
    Prepared {
        version: NEW.parse().unwrap(),
        fingerprint: Some(material.fingerprint().hex().parse().unwrap()),
        algorithm: keyrota::policy::meant::key::Algorithm::Aes256,
        material: Some(material),
    }
}

fn changes() -> [Change; 4] {
    let (old, new) = (|| OLD.parse().unwrap(), || NEW.parse().unwrap());
    [
        prepared().add(true),
        Change::Switch { to: old() },
        Change::Switch { to: new() },
        Change::Destroy { version: old() },
    ]
}

/// What the child does: every change up to one, at which it dies.
#[test]
fn child() {
    let Ok(told) = std::env::var(ADDR) else { return };
    let mut words = told.split(' ');
    let mut next = || words.next().unwrap().to_owned();
    let server = Server { addr: next(), token: "tests".to_owned(), namespace: Some(next()) };
    let (change, point): (usize, u64) = (next().parse().unwrap(), next().parse().unwrap());
    let backend = backend(&server);
    crash::arm(Some(crash::Plan { record: None, stop: Some((point, crash::Stop::Abort)) })).unwrap();
    let done = backend.change(AT, &changes()[change], Some(&prepared()), now());
    crash::arm(None).unwrap();
    done.unwrap();
}

/// Whether the child died.
fn dies(server: &Server, change: usize, point: u64) -> bool {
    let told = format!("{} {} {change} {point}", server.addr, server.namespace.clone().unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", "death::child", "--nocapture"]).env(ADDR, told).output().unwrap();
    !ran.status.success()
}

#[test]
fn wherever_it_dies_the_same_change_once_more_ends_the_same() {
    for change in 0..changes().len() {
        let mut deaths = 0;
        loop {
            let server = server();
            let backend = backend(&server);
            for earlier in &changes()[..change] {
                backend.change(AT, earlier, Some(&prepared()), now()).unwrap();
            }
            let before = stands(&server);
            let died = dies(&server, change, deaths);
            let after = stands(&server);
            let lost = backend.change(AT, &changes()[change], None, now());
            match lost {
                // The one who chose the material died before it made anything: another is chosen.
                Err(Failed::Unmade(id)) => {
                    assert_eq!((id.as_str(), &before), (NEW, &after));
                    backend.change(AT, &changes()[change], Some(&prepared()), now()).unwrap();
                }
                other => other.unwrap(),
            }
            let wanted: &[(&str, State)] = match change {
                0 | 2 => &[(OLD, State::DecryptOnly), (NEW, State::Current)],
                1 => &[(OLD, State::Current), (NEW, State::DecryptOnly)],
                _ => &[(NEW, State::Current)],
            };
            let found = states(&backend);
            let found: Vec<_> = found.iter().map(|(id, state)| (id.as_str(), *state)).collect();
            assert_eq!(found, wanted, "change {change}, point {deaths}");
            let written = stands(&server)["metadata"]["version"].as_u64().unwrap();
            assert_eq!(written, before["metadata"]["version"].as_u64().unwrap() + 1, "one write, whoever made it");
            assert_eq!(stands(&server)["data"]["unknown"], before["data"]["unknown"]);
            if change == 3 {
                let metadata = server.get(&format!("kv/metadata/{AT}"));
                let versions = metadata["data"]["versions"].as_object().unwrap();
                let left = versions.iter().filter(|(_, of)| of["destroyed"] == json!(false)).count();
                assert_eq!(left, 1, "no older document holds the destroyed key");
            }
            if !died {
                break;
            }
            deaths += 1;
        }
        let points = if change == 3 { 4 } else { 2 };
        assert_eq!(deaths, points, "change {change} has another number of crash points");
    }
}
