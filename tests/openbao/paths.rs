//! A document each: every law of backends, what stands in the engine after each change, and what is left to a person.

use keyrota::backend::contract;
use keyrota::backend::document::Document;
use keyrota::backend::document::Paths;
use keyrota::envelope::Coding;
use keyrota::model::Act;
use keyrota::model::Change;
use keyrota::model::State;
use keyrota::policy::meant::Pointer;
use keyrota::policy::meant::key::Algorithm;
use keyrota::port::backend::Backend;
use keyrota::port::backend::Failed;
use keyrota::port::backend::Prepared;
use keyrota::template::Template;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;

use crate::scene::empty;
use crate::scene::now;
use crate::server::Server;

const AT: &str = "machine_identity/encryption_keys";
const KV1: &str = "DdF1vY39kHnYF0xeevRSGEhV3PsqHOzZTCQ9pluI6+o=";
const SETTINGS: &str = "# ours\n[identity]\ncurrent = \"kv1\" # moved by a program\n";
const ACTS: &[Act] = &[Act::Add, Act::Discard, Act::Switch, Act::Destroy];

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn over(server: &Server, token: &str, root: &Path) -> Document {
    let set = [("UsernamePassword.username".to_owned(), template("nico-{{ id }}"))].into();
    let paths = Paths::new("site", server.client_with(token), "kv", "UsernamePassword.password", &set);
    let current = Pointer { file: template("site.toml"), at: "identity.current".into(), is: template("{{ id }}") };
    Document::paths(root, paths, &[Coding::Base64], &template("kv{{ n }}"), Some(&current)).unwrap()
}

/// A site with its first key, written by other hands.
struct Site {
    server: Server,
    root: tempfile::TempDir,
    document: Document,
}

impl Site {
    fn new(settings: &str) -> Self {
        let (server, root) = (empty(), tempfile::tempdir().unwrap());
        fs::write(root.path().join("site.toml"), settings).unwrap();
        let document = over(&server, &server.token, root.path());
        Self { server, root, document }
    }

    fn seeded() -> Self {
        let site = Self::new(SETTINGS);
        site.put("kv1", json!({ "UsernamePassword": { "username": "by hand", "password": KV1 }, "note": [1.50] }));
        site
    }

    fn put(&self, name: &str, data: Value) {
        self.server.put(&format!("kv/data/{AT}/{name}"), json!({ "data": data }));
    }

    fn get(&self, name: &str) -> Value {
        self.server.get(&format!("kv/data/{AT}/{name}"))["data"].clone()
    }

    fn change(&self, change: &Change, made: Option<&Prepared>) -> Result<(), Failed> {
        self.document.change(AT, change, made, now())
    }

    fn add(&self) -> Prepared {
        let made = self.document.prepare(AT, Algorithm::Aes256).unwrap();
        self.change(&made.add(false), Some(&made)).unwrap();
        made
    }

    fn states(&self) -> Vec<(String, State)> {
        let look = self.document.look(AT).unwrap();
        look.key.versions.iter().map(|version| (version.id.to_string(), version.state)).collect()
    }

    fn end(&self, id: &str) -> Result<(), Failed> {
        self.change(&Change::Destroy { version: id.parse().unwrap() }, None)
    }
}

#[test]
fn the_laws_of_backends_hold() {
    let site = Site::new("[identity]\ncurrent = \"\"\n");
    contract::holds(&site.document, AT).unwrap();
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new("site", site.server.client_with(&site.server.token), "kv", "key", &[].into());
    let newest = Document::paths(root.path(), paths, &[Coding::Hex], &template("{{ n }}"), None).unwrap();
    contract::holds(&newest, "laws/newest").unwrap();
}

#[test]
fn a_new_key_has_a_document_of_its_own_and_no_other_is_written() {
    let site = Site::seeded();
    let before = site.get("kv1");
    let made = site.add();
    assert_eq!(made.version.as_str(), "kv2");
    let new = site.get("kv2");
    let password = new["data"]["UsernamePassword"]["password"].as_str().unwrap();
    let material = made.material.as_ref().unwrap();
    use base64::Engine;
    let read = base64::engine::general_purpose::STANDARD.decode(password).unwrap();
    assert!(material.lend(|bytes| bytes == read));
    assert_eq!(new["data"], json!({ "UsernamePassword": { "username": "nico-kv2", "password": password } }));
    assert_eq!(site.get("kv1"), before);
    let id = "kv2".parse().unwrap();
    site.change(&Change::Switch { to: id }, None).unwrap();
    let settings = fs::read_to_string(site.root.path().join("site.toml")).unwrap();
    assert_eq!(settings, SETTINGS.replace("\"kv1\"", "\"kv2\""));
    assert_eq!(site.states(), [("kv1".into(), State::DecryptOnly), ("kv2".into(), State::Current)]);
    // The same once more is nothing more.
    site.change(&made.add(false), None).unwrap();
    assert_eq!(site.get("kv2"), new);
    let image = site.document.pre_image(AT).unwrap().unwrap();
    let image: Value = image.lend(|bytes| serde_json::from_slice(bytes).unwrap());
    assert_eq!(image[format!("{AT}/kv1")], before["data"]);
}

#[test]
fn what_ends_is_gone_in_all_its_versions_and_its_id_is_not_given_again() {
    let site = Site::seeded();
    // The path had another content once.
    site.put("kv1", json!({ "UsernamePassword": { "username": "by hand", "password": KV1 } }));
    site.add();
    site.change(&Change::Switch { to: "kv2".parse().unwrap() }, None).unwrap();
    site.end("kv1").unwrap();
    site.end("kv1").unwrap();
    let metadata = site.server.get(&format!("kv/metadata/{AT}/kv1"));
    let versions = metadata["data"]["versions"].as_object().unwrap();
    assert!(versions.len() == 2 && versions.values().all(|version| version["destroyed"] == json!(true)), "{metadata}");
    // Neither is the id of one that a person deletes, and ours to end is that too.
    site.add();
    site.server.ask("DELETE", &format!("kv/data/{AT}/kv3"), None);
    let look = site.document.look(AT).unwrap();
    assert_eq!(look.unknown_files, [format!("kv/{AT}/kv3 (deleted; it can be brought back)")]);
    assert_eq!(site.document.prepare(AT, Algorithm::Aes256).unwrap().version.as_str(), "kv4");
    site.change(&Change::Discard { version: "kv3".parse().unwrap() }, None).unwrap();
    assert!(site.document.look(AT).unwrap().unknown_files.is_empty());
    let metadata = site.server.get(&format!("kv/metadata/{AT}/kv3"));
    assert_eq!(metadata["data"]["versions"]["1"]["destroyed"], json!(true));
}

#[test]
fn what_has_an_older_document_that_can_be_read_has_not_ended() {
    let site = Site::seeded();
    let made = site.add();
    let data = site.get("kv2")["data"].clone();
    site.put("kv2", data.clone());
    site.put("kv2", data);
    let end = |kind: &str, n: u32| site.server.put(&format!("kv/{kind}/{AT}/kv2"), json!({ "versions": [n] }));
    let unknown = || site.document.look(AT).unwrap().unknown_files;
    let can_be_brought_back = [format!("kv/{AT}/kv2 (deleted; it can be brought back)")];
    end("destroy", 3);
    assert_eq!(unknown(), can_be_brought_back);
    end("destroy", 2);
    assert_eq!(unknown(), can_be_brought_back);
    end("delete", 1);
    assert_eq!(unknown(), can_be_brought_back);
    site.change(&Change::Discard { version: made.version }, None).unwrap();
    let metadata = site.server.get(&format!("kv/metadata/{AT}/kv2"));
    assert_eq!(metadata["data"]["versions"]["1"]["destroyed"], json!(true));
    assert!(unknown().is_empty());
    assert_eq!(site.document.prepare(AT, Algorithm::Aes256).unwrap().version.as_str(), "kv3");
}

#[test]
fn a_first_version_that_would_end_by_itself_is_not_written() {
    let site = Site::new("[identity]\ncurrent = \"\"\n");
    site.document.fit(AT, ACTS).unwrap();
    site.server.put("kv/config", json!({ "delete_version_after": "3h" }));
    let fault = site.document.fit(AT, ACTS).unwrap_err();
    let said = format!("{fault} -> {}", fault.hint.clone().unwrap_or_default());
    assert!(said.contains(&format!("what is written into `kv/{AT}` is deleted after a while")), "{said}");
    assert!(said.contains("`bao write kv/config delete_version_after=0s`"), "{said}");
    // Who adds nothing is not stopped, and needs no right to write.
    site.document.fit(AT, &[Act::Switch]).unwrap();
    site.server.put("kv/config", json!({ "delete_version_after": "0s" }));
    site.document.fit(AT, ACTS).unwrap();
}

#[test]
fn a_rival_keeps_what_he_wrote() {
    let site = Site::seeded();
    let made = site.document.prepare(AT, Algorithm::Aes256).unwrap();
    site.put("kv2", json!({ "UsernamePassword": { "username": "rival", "password": KV1 } }));
    let before = site.get("kv2");
    let refused = site.change(&made.add(false), Some(&made)).unwrap_err();
    assert!(refused.to_string().contains("a version `kv2` already, and its material is not ours"), "{refused}");
    assert_eq!(site.get("kv2"), before);
}

#[test]
fn what_is_no_version_is_left_alone_and_what_should_be_one_is_named() {
    let site = Site::seeded();
    site.put("other", json!({ "secret": "not ours" }));
    site.put("kv9/below", json!({ "secret": "not ours" }));
    let mut unknown = site.document.look(AT).unwrap().unknown_files;
    unknown.sort();
    assert_eq!(unknown, [format!("kv/{AT}/kv9/"), format!("kv/{AT}/other")]);
    site.put("kv2", json!({ "UsernamePassword": { "username": "no password" } }));
    let fault = site.document.look(AT).unwrap_err();
    let said = format!("{fault} -> {}", fault.hint.clone().unwrap_or_default());
    assert!(said.contains("read version `kv2`") && said.contains("nothing at `UsernamePassword.password`"), "{said}");
    site.put("kv2", json!({ "UsernamePassword": { "password": "c2hvcnQ=" } }));
    let said = site.document.look(AT).unwrap_err().to_string();
    assert!(said.contains("it holds 5 bytes") && !said.contains("c2hvcnQ"), "{said}");
}

#[test]
fn what_stands_in_the_way_is_found_before_the_first_act() {
    let site = Site::seeded();
    site.document.fit(AT, ACTS).unwrap();
    let said = |policy: &str, acts: &[Act]| -> String {
        site.server.policy("some", policy);
        let token = site.server.token(&["some"], json!({}));
        let fault = over(&site.server, &token, site.root.path()).fit(AT, acts).unwrap_err();
        format!("{fault} -> {}", fault.hint.clone().unwrap_or_default())
    };
    let list = format!("path \"kv/metadata/{AT}\" {{ capabilities = [\"list\"] }}\n");
    let read = format!("path \"kv/data/{AT}/*\" {{ capabilities = [\"read\"] }}\n");
    let make = format!("path \"kv/data/{AT}/*\" {{ capabilities = [\"read\", \"create\"] }}\n");
    let text = said(&read, ACTS);
    assert!(text.contains(&format!("kv/metadata/{AT}")) && text.contains("capabilities = [\"list\"]"), "{text}");
    let text = said(&list, ACTS);
    assert!(text.contains(&format!("path \"kv/data/{AT}/kv1\" {{ capabilities = [\"read\"] }}")), "{text}");
    let text = said(&format!("{list}{read}"), ACTS);
    assert!(text.contains(&format!("\"create\" on `kv/data/{AT}/kv2`")), "{text}");
    assert!(text.contains(&format!("\"update\" on `kv/destroy/{AT}/kv1`")), "{text}");
    // Nobody needs the right to end what is never ended.
    site.server.policy("some", &format!("{list}{make}"));
    let token = site.server.token(&["some"], json!({}));
    let enough = over(&site.server, &token, site.root.path());
    enough.fit(AT, &[Act::Add, Act::Switch]).unwrap();
    let made = enough.prepare(AT, Algorithm::Aes256).unwrap();
    enough.change(AT, &made.add(false), Some(&made), now()).unwrap();
    assert_eq!(site.states().len(), 2);
    site.server.put(&format!("kv/metadata/{AT}/kv1"), json!({ "delete_version_after": "3h" }));
    let fault = site.document.fit(AT, ACTS).unwrap_err();
    assert!(
        fault.to_string().contains("`kv/machine_identity/encryption_keys/kv1` is deleted after a while"),
        "{fault}"
    );
}
