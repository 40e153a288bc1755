//! The room from outside: the policies of `policies/`, broken ones, and hostile ones.

use std::fs;
use std::path::Path;

use crate::fault::Fault;
use crate::policy::Around;
use crate::policy::Look;
use crate::policy::Problem;
use crate::policy::Read;
use crate::policy::Text;
use crate::policy::Texts;
use crate::policy::read;
use crate::policy::show;

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

fn read_with(texts: &Texts, built: &[&str]) -> Result<Read, Vec<Problem>> {
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

/// All complaints of one broken file, as people see them.
fn complaints(path: &Path) -> Vec<Problem> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let broken = fs::read(path).unwrap();
    let good = Texts { settings: Some(settings()), policies: vec![text("policies/quickstart.toml")] };
    let texts = if name.starts_with("keyrota") {
        Texts { settings: Some(Text::new("keyrota.toml", broken)), ..good }
    } else {
        let alone = name.starts_with("alone");
        let settings = if alone { None } else { good.settings };
        Texts { settings, policies: vec![Text::new(format!("policies/{name}"), broken)] }
    };
    match read_with(&texts, &["file", "sqlite", "unseen", "http", "azure-key-vault"]) {
        Ok(read) => read.lints,
        Err(problems) => problems,
    }
}

#[test]
fn every_complaint_of_a_broken_policy_comes_at_once() {
    insta::with_settings!({ snapshot_path => "../../testdata/broken/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::glob!("../../testdata/broken", "*.toml", |path| {
            let problems = complaints(path);
            let shown = show(&problems, Look::default());
            assert!(!problems.is_empty(), "{} is not broken", path.display());
            let harmless = |c: char| c == '\n' || !c.is_control() && !"\u{202e}\u{2066}\u{200b}".contains(c);
            assert!(shown.chars().all(harmless), "{} reaches the terminal", path.display());
            assert!(!shown.contains("c4n4ry"), "{}: a secret is shown: {shown}", path.display());
            assert!(!serde_json::to_string(&problems).unwrap().contains("c4n4ry"), "{}", path.display());
            insta::assert_snapshot!(shown);
        });
    });
}
