//! The room from outside: the policies of `policies/`, broken ones, and hostile ones.

use std::fs;
use std::path::Path;

use crate::fault::Fault;
use crate::policy::Around;
use crate::policy::Problem;
use crate::policy::Read;
use crate::policy::Text;
use crate::policy::Texts;
use crate::policy::read;

/// What the variables of the policies stand for here.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "COSMOS_URL" => "https://deks.example:443",
        "NOTE_URL" => "https://notes.example/1",
        "SET" => "set",
        "SET_URL" => "postgres://app:s3cr3t@db/app",
        _ => return None,
    };
    Some(value.to_owned())
}

fn file(path: &str) -> Result<String, Fault> {
    match path {
        "tenants.txt" => Ok("# our tenants\nacme\n\nglobex\n".to_owned()),
        _ => Err(Fault::ask_operator(format!("read `{path}`"), "no such file")),
    }
}

const ALL: [&str; 11] = [
    "file",
    "document",
    "openbao-kv",
    "azure-key-vault",
    "pkcs11",
    "sqlite",
    "postgres",
    "mongodb",
    "cosmos",
    "grpc",
    "unseen",
];

pub(super) fn read_with(texts: &Texts, built: &[&str]) -> Result<Read, Vec<Problem>> {
    read(texts, &Around { env: &env, file: &file, built })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> Text {
    Text::new(file, fs::read(root().join(file)).unwrap())
}

fn settings() -> Text {
    Text { file: "keyrota.toml".into(), ..text("testdata/policies/keyrota.toml") }
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("policies"))
        .unwrap()
        .map(|entry| format!("policies/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_policy_of_the_project_is_read_whole_and_clean() {
    assert!(names().len() >= 8);
    for name in names() {
        let texts = Texts { settings: Some(settings()), policies: vec![text(&name)] };
        let mut built = ALL.to_vec();
        built.extend(["http", "rsa"]);
        let read = read_with(&texts, &built).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert!(read.lints.is_empty(), "{name}: {:#?}", read.lints);
        let again = serde_json::to_string(&read.project).unwrap();
        assert_eq!(serde_json::from_str::<crate::policy::Project>(&again).unwrap(), read.project, "{name}");
    }
}
