//! The key set: every law of backends, and what stands in the document after each change.

use keyrota::backend::contract;
use keyrota::backend::openbao_kv::OpenbaoKv;
use keyrota::model::Change;
use keyrota::model::State;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::template::Template;
use serde_json::Value;
use serde_json::json;

use crate::scene::AT;
use crate::scene::OLD;
use crate::scene::THEIRS;
use crate::scene::add;
use crate::scene::backend;
use crate::scene::document;
use crate::scene::empty;
use crate::scene::key;
use crate::scene::layout;
use crate::scene::now;
use crate::scene::server;
use crate::scene::set;
use crate::scene::stands;
use crate::scene::states;
use crate::scene::switch;
use crate::scene::unset;

#[test]
fn the_laws_of_backends_hold() {
    let server = empty();
    contract::holds(&backend(&server), "laws/timed").unwrap();
    let mut counted = layout();
    counted.id = Template::parse("kek-{{ n }}").unwrap();
    counted.versions.newest = "last".into();
    counted.versions.codings = vec!["jwks".into()];
    counted.alongside = Vec::new();
    let backend = OpenbaoKv::new("openbao", server.client_with(&server.token), counted).unwrap();
    contract::holds(&backend, "laws/counted").unwrap();
}

#[test]
fn the_run_that_changed_it_last_is_named_beside_it_and_what_others_keep_there_stays() {
    let server = server();
    let metadata = || server.get(&format!("kv/metadata/{AT}"))["data"]["custom_metadata"].clone();
    server.put(&format!("kv/metadata/{AT}"), json!({ "custom_metadata": { "owner": "platform" } }));
    let backend = backend(&server);
    assert_eq!(backend.look(AT).unwrap().run, None);
    backend.sign_as("run-1");
    let made = add(&backend).unwrap();
    assert_eq!(metadata(), json!({ "owner": "platform", "keyrota_run": "run-1" }));
    backend.sign_as("run-2");
    switch(&backend, OLD).unwrap();
    assert_eq!(backend.look(AT).unwrap().run.as_deref(), Some("run-2"));
    // Who adopts takes away the mark of a run that nobody knows.
    let adopting = crate::scene::backend(&server);
    adopting.adopt(AT, &made.version, now()).unwrap();
    assert_eq!(metadata(), json!({ "owner": "platform" }));
    // A document that was not there is signed as well.
    adopting.sign_as("run-3");
    let first = adopting.prepare("fresh", Algorithm::Aes256).unwrap();
    adopting.change("fresh", &first.add(true), Some(&first), now()).unwrap();
    assert_eq!(adopting.look("fresh").unwrap().run.as_deref(), Some("run-3"));
}

fn kids(field: &Value) -> Vec<String> {
    unset(field)["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_key_is_first_and_current_in_one_write_and_nothing_else_moves() {
    let server = server();
    let backend = backend(&server);
    let before = stands(&server);
    let made = add(&backend).unwrap();
    let id = made.version.as_str();
    let after = stands(&server);
    assert_eq!(after["metadata"]["version"], json!(2), "one write");
    let (old, new) = (&before["data"], &after["data"]);
    assert_eq!(new["current_kid"], json!(id));
    assert_eq!(new["jwe_mapping"], json!(format!(r#"{{"payload_jwe_kid":"{id}"}}"#)));
    assert_eq!(new["unknown"], old["unknown"]);
    assert_eq!(kids(&new["keys"]), [id, OLD]);
    assert_eq!(kids(&new["private_jwks"]), [id, OLD, THEIRS]);
    let jwk = &unset(&new["keys"])["keys"][0];
    let words: Vec<&String> = jwk.as_object().unwrap().keys().collect();
    assert_eq!(words, ["kty", "use", "kid", "k", "alg"]);
    assert_eq!((&jwk["kty"], &jwk["use"], &jwk["alg"]), (&json!("oct"), &json!("enc"), &json!("A256GCM")));
    assert_eq!(jwk["k"].as_str().unwrap().len(), 43);
    // What stood in a set before stands there byte for byte.
    assert_eq!(unset(&new["keys"])["keys"][1], unset(&old["keys"])["keys"][0]);
    assert_eq!(unset(&new["private_jwks"])["keys"][2], unset(&old["private_jwks"])["keys"][1]);
    assert_eq!(states(&backend), [(OLD.parse().unwrap(), State::DecryptOnly), (made.version.clone(), State::Current)]);
    // The same once more is nothing more.
    backend.change(AT, &made.add(true), None, now()).unwrap();
    assert_eq!(stands(&server)["metadata"]["version"], json!(2));
}

#[test]
fn going_back_puts_the_old_one_first_and_keeps_the_new_one_behind_it() {
    let server = server();
    let backend = backend(&server);
    let made = add(&backend).unwrap();
    switch(&backend, OLD).unwrap();
    let data = stands(&server)["data"].clone();
    assert_eq!(kids(&data["keys"]), [OLD, made.version.as_str()]);
    assert_eq!(kids(&data["private_jwks"]), [OLD, made.version.as_str(), THEIRS]);
    assert_eq!(data["current_kid"], json!(OLD));
    assert_eq!(data["jwe_mapping"], json!(format!(r#"{{"payload_jwe_kid":"{OLD}"}}"#)));
    assert_eq!(states(&backend), [(OLD.parse().unwrap(), State::Current), (made.version, State::DecryptOnly)]);
    // Where others put a key of theirs first, it stays first.
    let third = add(&backend).unwrap();
    let mut theirs = stands(&server)["data"].clone();
    theirs["private_jwks"] =
        json!(set(&[key(THEIRS, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), key("x", "AAAA")]));
    server.put(&format!("kv/data/{AT}"), json!({ "data": theirs.clone() }));
    switch(&backend, OLD).unwrap();
    let data = stands(&server)["data"].clone();
    assert_eq!(data["private_jwks"], theirs["private_jwks"]);
    assert_eq!(kids(&data["keys"]).first().map(String::as_str), Some(OLD));
    assert!(kids(&data["keys"]).contains(&third.version.to_string()));
}

#[test]
fn since_when_a_version_is_there_and_current_is_read_from_the_history() {
    let server = server();
    let backend = backend(&server);
    let made = add(&backend).unwrap();
    switch(&backend, OLD).unwrap();
    // A write that has nothing to do with it.
    let mut data = stands(&server)["data"].clone();
    data["unknown"] = json!("changed");
    server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
    let written = |n: u32| -> String {
        let metadata = server.get(&format!("kv/metadata/{AT}"));
        metadata["data"]["versions"][n.to_string()]["created_time"].as_str().unwrap().to_owned()
    };
    let look = backend.look(AT).unwrap();
    let version = |id: &str| look.key.versions.iter().find(|version| version.id.as_str() == id).cloned().unwrap();
    let hour = |n: u32| Some(written(n).parse().unwrap());
    assert_eq!((version(OLD).born, version(OLD).current_since), (hour(1), hour(1)));
    let new = version(made.version.as_str());
    assert_eq!((new.born, new.current_since), (hour(2), hour(2)));
    // A history that was cut off knows less: an id that tells its time still says when it was made.
    server.put(&format!("kv/metadata/{AT}"), json!({ "max_versions": 2 }));
    let mut data = stands(&server)["data"].clone();
    data["unknown"] = json!("again");
    server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
    let look = crate::scene::backend(&server).look(AT).unwrap();
    let old = &look.key.versions[0];
    assert_eq!((old.id.as_str(), old.current_since), (OLD, None));
    assert_eq!(old.born.unwrap().format("%Y-%m").to_string(), "2026-11");
}

#[test]
fn a_destroyed_version_is_in_no_older_document_either() {
    let server = server();
    let backend = backend(&server);
    let made = add(&backend).unwrap();
    let old = OLD.parse().unwrap();
    let destroy = Change::Destroy { version: old };
    backend.change(AT, &destroy, None, now()).unwrap();
    let data = stands(&server)["data"].clone();
    assert_eq!(kids(&data["keys"]), [made.version.as_str()]);
    assert_eq!(kids(&data["private_jwks"]), [made.version.as_str(), THEIRS]);
    let metadata = server.get(&format!("kv/metadata/{AT}"));
    let destroyed = |n: u32| metadata["data"]["versions"][n.to_string()]["destroyed"].as_bool();
    assert_eq!((destroyed(1), destroyed(2), destroyed(3)), (Some(true), Some(true), Some(false)));
    assert!(backend.material(AT, &OLD.parse().unwrap()).is_err());
    backend.change(AT, &destroy, None, now()).unwrap();
}

#[test]
fn a_key_that_only_an_older_document_holds_is_not_lost_with_it() {
    let server = server();
    let backend = backend(&server);
    let mut data = document();
    data["keys"] =
        json!(set(&[key(OLD, crate::scene::OLD_K), key("gone", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE")]));
    server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
    server.put(&format!("kv/data/{AT}"), json!({ "data": document() }));
    add(&backend).unwrap();
    let refused = backend.change(AT, &Change::Destroy { version: OLD.parse().unwrap() }, None, now()).unwrap_err();
    assert!(refused.to_string().contains("version 2 of the document also holds key `gone`"), "{refused}");
}

#[test]
fn what_cannot_be_looked_into_is_not_destroyed_unlooked() {
    let server = server();
    let backend = backend(&server);
    add(&backend).unwrap();
    server.put(&format!("kv/delete/{AT}"), json!({ "versions": [1] }));
    let destroy = Change::Destroy { version: OLD.parse().unwrap() };
    let destroyed =
        |n: u32| server.get(&format!("kv/metadata/{AT}"))["data"]["versions"][n.to_string()]["destroyed"].clone();
    for _ in 0..2 {
        let refused = backend.change(AT, &destroy, None, now()).unwrap_err();
        let Failed::Refused { why, hint } = &refused else { panic!("{refused}") };
        assert!(why.contains("version 1 of the document is deleted and cannot be looked into"), "{refused}");
        assert!(hint.as_ref().unwrap().contains("bao kv undelete -mount=kv -versions=1"), "{hint:?}");
        assert_eq!((destroyed(1), destroyed(2)), (json!(false), json!(false)));
    }
    server.put(&format!("kv/undelete/{AT}"), json!({ "versions": [1] }));
    backend.change(AT, &destroy, None, now()).unwrap();
    assert_eq!((destroyed(1), destroyed(2)), (json!(true), json!(true)));
}

#[test]
fn what_does_not_agree_is_left_to_a_person() {
    let server = server();
    let backend = backend(&server);
    let cases = [
        ("current_kid", json!(THEIRS), "which one is current?"),
        ("keys", json!("bm90aGluZw=="), "no JSON of the form"),
        ("keys", json!(7), "it holds no text"),
        ("keys", json!(set(&[key(OLD, crate::scene::OLD_K), key(OLD, crate::scene::OLD_K)])), "two keys"),
    ];
    for (field, value, wanted) in cases {
        let mut data = document();
        data[field] = value;
        server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
        let fault = backend.look(AT).unwrap_err();
        assert!(fault.to_string().contains(wanted) && !fault.to_string().contains("udaW4n"), "{fault}");
        assert!(backend.prepare(AT, Algorithm::Aes256).is_err());
    }
    let mut data = document();
    data.as_object_mut().unwrap().remove("keys");
    server.put(&format!("kv/data/{AT}"), json!({ "data": data }));
    let fault = backend.look(AT).unwrap_err();
    assert!(fault.to_string().contains("no field `keys`, but `current_kid`, `jwe_mapping`"), "{fault}");
}
