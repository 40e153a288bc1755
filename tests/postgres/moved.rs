//! A home moves from the folder into the database and back, killed at every message on the way.

use std::fs;

use serde_json::Value;

use crate::home::Machine;
use crate::home::Site;
use crate::home::said;
use crate::proxy::At;
use crate::proxy::Proxy;

const LOCAL: &str = "[home]\ntype = \"local\"\n";
const REMOTE: &str = "[home]\ntype = \"postgres\"\nurl = { env = \"HOME_DB\" }\n";

/// How many entries a home has by this project file; nothing where it does not open.
fn entries(machine: &Machine<'_>, settings: &str) -> Option<u64> {
    fs::write(machine.at.join("keyrota.toml"), settings).unwrap();
    let output = machine.command(&["--json", "journal", "verify"]).output().unwrap();
    match output.status.code() {
        Some(0) => serde_json::from_slice::<Value>(&output.stdout).unwrap()["entries"].as_u64(),
        Some(5) => None,
        _ => panic!("{output:?}"),
    }
}

#[test]
fn a_home_moves_there_and_back_killed_at_every_message() {
    let base = Site::new();
    let proxy = Proxy::new(&base.address());
    let url = base.database.url().replace(&base.address(), &format!("127.0.0.1:{}", proxy.port()));
    let site = base.by(url);
    let machine = site.machine();
    fs::write(machine.at.join("keyrota.toml"), LOCAL).unwrap();
    fs::write(machine.at.join("new.toml"), REMOTE).unwrap();
    machine.done(&["plan", "-o", "plan.json"]);
    machine.done(&["apply", "plan.json"]);
    let before = fs::read(machine.at.join(".keyrota/journal.jsonl")).unwrap();
    let (mut number, mut between) = (0, 0);
    loop {
        number += 1;
        fs::write(machine.at.join("keyrota.toml"), LOCAL).unwrap();
        proxy.arm(Some(if number % 2 == 0 { At::KillBefore(number / 2) } else { At::KillAfter(number / 2 + 1) }));
        let child = machine.spawn(&["journal", "move", "--to", "new.toml"]);
        proxy.process(child.id());
        let (code, text) = said(&child.wait_with_output().unwrap());
        proxy.arm(None);
        let laid = "SELECT to_regclass('keyrota.home') IS NOT NULL";
        if site.database.connect().query_one(laid, &[]).unwrap().get(0) {
            site.a_minute_passes();
        }
        let (old, new) = (entries(&machine, LOCAL), entries(&machine, REMOTE));
        match (old, new) {
            // The old one is true, and the new one is empty or bears its mark.
            (Some(1..), None | Some(0)) => assert!(code.is_none(), "{text}"),
            (None, Some(1..)) => {}
            // Gone from the one, and not arrived: the same command goes on.
            (None, None) => between += 1,
            both => panic!("{both:?} at message {number}: {text}"),
        }
        if code.is_some() {
            assert!(code == Some(0) && text.contains("Moved: "), "{text}");
            break;
        }
    }
    assert!(number > 40 && between > 0, "{number} kills, {between} of them between");
    assert!(site.lines().starts_with(&before));
    assert_eq!(site.lines(), fs::read(machine.at.join(".keyrota/journal.jsonl")).unwrap());

    // The old home says where it went; the new one goes on from anywhere.
    fs::write(machine.at.join("keyrota.toml"), LOCAL).unwrap();
    let plan = machine.at.join("plan.json").display().to_string();
    for words in [&["status"][..], &["apply"], &["apply", &plan], &["report"]] {
        let (code, text) = machine.run(words);
        assert!(code == Some(5) && text.contains("was moved to schema `keyrota` of the PostgreSQL"), "{text}");
    }
    let fresh = site.machine();
    fresh.to_the_end();

    // And back, into a folder that nothing is in.
    fs::write(fresh.at.join("back.toml"), LOCAL).unwrap();
    fresh.done(&["journal", "move", "--to", "back.toml"]);
    assert_eq!(fs::read(fresh.at.join(".keyrota/journal.jsonl")).unwrap(), site.lines());
    let (code, text) = fresh.run(&["status"]);
    assert!(code == Some(5) && text.contains("was moved to the folder"), "{text}");
    fs::write(fresh.at.join("keyrota.toml"), LOCAL).unwrap();
    assert!(fresh.done(&["plan"]).contains("well"));
    assert!(fresh.done(&["report"]).contains("after 1,000 under `v2`"));
    // Nothing of it is taken into a home that lives.
    fs::write(fresh.at.join("other.toml"), REMOTE.to_owned() + "schema = \"other\"\n").unwrap();
    fresh.done(&["journal", "move", "--to", "other.toml"]);
    let (code, text) = fresh.run(&["journal", "move", "--to", "new.toml"]);
    assert!(code == Some(1), "there is no such file: {text}");
}
