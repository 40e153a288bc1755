//! The same site with its keys on a secrets server, a path for each: turned while it is killed, to the end of the old key.

use super::site::Site;
use crate::bao::Server;
use crate::canary::Canary;
use crate::stage::python;
use crate::stage::until;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;

const KEY: &str = "nico-openbao/machine-identity";
const AT: &str = "machine_identity/encryption_keys";

/// The site, its keys moved from the file to the server by the site's own hand.
fn site() -> (Site, Server) {
    let (site, bao) = (Site::new(), Server::fresh());
    bao.put("sys/mounts/secrets", json!({ "type": "kv", "options": { "version": "2" } }));
    until("the engine", || bao.ask("POST", "secrets/data/ready", Some(&json!({ "data": {} }))).0 == 200);
    let namespace = bao.namespace.clone().unwrap();
    let words = [bao.addr.as_str(), &bao.token, &namespace];
    site.script("bao.py", &[&words[..], &["--put", "site/secrets.json"]].concat());
    fs::remove_file(site.stage.at().join("site/secrets.json")).unwrap();
    let me = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/python/nico/bao.py");
    let refresh = format!(
        "#!/bin/sh\nset -e\n{} {} {} \"site/$1/secrets.json\"\necho \"refreshed $1\" >>logs/commands.log\n",
        python(),
        me.display(),
        words.join(" ")
    );
    site.stage.script("site/refresh-credentials", &refresh);
    site.stage.set("BAO_ADDR", &bao.addr);
    site.stage.set("BAO_TOKEN", &bao.token);
    let mount = format!("namespace = \"{namespace}\"\nmount =");
    // What is destroyed is watched for as long as a restart may take.
    let restart = "\"site/restart\", \"{{ member }}\"]";
    let within = format!("{restart}, within = \"30s\"");
    site.policy("nico-openbao.toml", &[("mount =", mount.as_str()), (restart, &within)]);
    (site, bao)
}

/// How many values are under which key, opened by another library with the keys that the site's own workflow brings.
fn check(site: &Site, bao: &Server) -> Value {
    let namespace = bao.namespace.clone().unwrap();
    site.script("bao.py", &[&bao.addr, &bao.token, &namespace, "site/secrets.json"]);
    let checked = site.check(&[]);
    fs::remove_file(site.stage.at().join("site/secrets.json")).unwrap();
    checked
}

fn password(bao: &Server, id: &str) -> String {
    let read = bao.get(&format!("secrets/data/{AT}/{id}"));
    read["data"]["data"]["UsernamePassword"]["password"].as_str().unwrap().to_owned()
}

#[test]
fn keys_on_a_path_each_are_turned_however_often_it_is_killed() {
    let (site, bao) = site();
    let config = site.read("site/carbide.toml");
    let (first, before) = (password(&bao, "kv1"), bao.get(&format!("secrets/data/{AT}/kv1"))["data"].clone());
    let online = site.stage.done(&["validate", "--online"]);
    assert!(online.contains(KEY), "{online}");
    let drawn = site.plan(&[]);
    assert!(drawn.contains("safe: proved"), "{drawn}");
    let kills = site.stage.killed_at_every_line(&["apply", "plan.json", "--wait"]);
    assert!(kills >= 6, "{kills}");
    let seen = check(&site, &bao);
    assert_eq!((&seen["bad"], &seen["under"]), (&json!([]), &json!({ "kv2": 72 })));
    assert_eq!(site.read("site/carbide.toml"), config.replace("\"kv1\"", "\"kv2\""));
    // The old document is as it was, and the new one was made once, in the form of the seed.
    assert_eq!(bao.get(&format!("secrets/data/{AT}/kv1"))["data"], before);
    let new = bao.get(&format!("secrets/data/{AT}/kv2"))["data"].clone();
    let second = password(&bao, "kv2");
    assert_eq!(new["data"], json!({ "UsernamePassword": { "username": "kv2", "password": second } }));
    assert_eq!(new["metadata"]["version"], json!(1));
    assert!(site.stage.done(&["plan", "--exit-code"]).contains("nothing to do"));
    ended(&site, &bao);
    // Nothing that the run wrote holds either key; the instances' own credentials do, and are theirs.
    let keys = [first, second].map(|text| STANDARD.decode(text).unwrap());
    let searched = Canary::new(keys).absent_below(site.stage.at(), |name| name.ends_with("/secrets.json"));
    assert!(searched > 10, "{searched}");
}

/// The old key's end, a plan of its own: gone from the server in all its versions, and from every instance.
fn ended(site: &Site, bao: &Server) {
    until("the old key to be due", || {
        site.stage.run(&["plan", "--destroy", "-o", "end.json", "--exit-code"]).code == Some(2)
    });
    let words = ["end.json", "--destroy", "nico-openbao/machine-identity@kv1"];
    site.finished(&words);
    let (status, gone) = bao.ask("GET", &format!("secrets/data/{AT}/kv1"), None);
    assert_eq!((status, &gone["data"]["metadata"]["destroyed"]), (404, &json!(true)), "{gone}");
    for member in ["nico-api-0", "nico-api-1"] {
        let held = site.read(&format!("site/{member}/secrets.json"));
        let did = || site.stage.done(&["journal", "show"]) + &site.read("logs/commands.log");
        assert!(held.contains("\"kv2\"") && !held.contains("\"kv1\""), "{member}: {}", did());
    }
    assert_eq!(check(site, bao)["bad"], json!([]));
    let status = site.stage.done(&["status"]);
    assert!(status.contains("1 key is well"), "{status}");
}

#[test]
fn a_right_that_is_missing_is_named_and_a_server_that_is_away_loses_nothing() {
    let (site, bao) = site();
    let rights = |data: &str| {
        bao.policy(
            "rotator",
            &format!(
                "path \"secrets/metadata/{AT}\" {{ capabilities = [\"list\"] }}\n\
                 path \"secrets/data/{AT}/*\" {{ capabilities = [{data}] }}\n\
                 path \"secrets/destroy/{AT}/*\" {{ capabilities = [\"update\"] }}"
            ),
        );
    };
    rights("\"read\"");
    site.stage.set("BAO_TOKEN", &bao.token(&["rotator"], json!({})));
    site.plan(&[]);
    let said = site.stage.run(&["apply", "plan.json"]);
    let text = format!("{}{}", said.out, said.err);
    assert_eq!(said.code, Some(1), "{text}");
    assert!(text.contains(&format!("\"create\" on `secrets/data/{AT}/kv2`")), "{text}");
    rights("\"read\", \"create\"");
    // A plan holds the address; whoever draws one while nobody answers is told so.
    site.stage.set("BAO_ADDR", "http://127.0.0.1:1");
    let said = site.stage.run(&["plan", "-o", "none.json"]);
    let text = format!("{}{}", said.out, said.err);
    assert!(said.code == Some(5) && text.contains("nobody answers there"), "{text}");
    site.stage.set("BAO_ADDR", &bao.addr);
    site.plan(&[]);
    site.finished(&["plan.json"]);
    assert_eq!(check(&site, &bao)["under"], json!({ "kv2": 72 }));
}
