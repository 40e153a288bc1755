//! The room from outside: the policies of `policies/`, broken ones, and hostile ones.

use std::fs;
use std::path::Path;

use crate::explain;
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

const ALL: [&str; 12] = [
    "file",
    "document",
    "openbao-kv",
    "openbao-transit",
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
        built.push("http");
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

mod hostile;

#[test]
fn two_policies_on_one_place_are_told() {
    let policies = names().iter().map(|name| text(name)).collect();
    let texts = Texts { settings: Some(settings()), policies };
    let mut built = ALL.to_vec();
    built.push("http");
    let read = read_with(&texts, &built).unwrap();
    assert_eq!(read.project.policies.len(), names().len());
    // Two of them are two ways to rewrap the same rows: a project has one of them.
    let told: Vec<&str> = read.lints.iter().map(|lint| lint.code).collect();
    assert_eq!(told, ["K020"]);
}

#[test]
fn every_key_of_an_each_is_made_with_its_own_place() {
    let policy = r#"
        [policy]
        name = "tenants"
        owner = "ops@example.org"
        [backend.files]
        type = "file"
        [store.app]
        type = "sqlite"
        path = { env = "UNSET", default = "data/{{ each }}.db" }
        [[store.app.sealed]]
        table = 'odd "table"'
        column = "it's; drop table x --"
        where = { tenant = "{{ each }}", live = true, kind = 3 }
        seal = "jwe"
        version = "by-trial"
        [fleet.web]
        members = [{ env = "SET" }]
        learns = "always"
        writes = "current"
        [key.kek]
        backend = "files"
        at = "keys/{{ each }}"
        each = { file = "tenants.txt" }
        algorithm = "aes-256"
        seals = ["app"]
        used_by = ["web"]
        rotate_every = "90d"
        retire = "never"
        after = ["root", "tenants/other/{{ each }}"]
        [key.other]
        backend = "files"
        at = "other/{{ each }}"
        each = ["acme", "globex"]
        algorithm = "aes-256"
        seals = ["app"]
        used_by = ["web"]
        rotate_every = "90d"
        retire = "never"
        [key.root]
        backend = "files"
        at = "root"
        algorithm = "aes-256"
        seals = ["unseen"]
        used_by = ["web"]
        rotate_every = "90d"
        retire = "never"
        wraps = ["kek/acme"]
        [store.unseen]
        type = "unseen"
    "#;
    let texts = Texts { settings: None, policies: vec![Text::new("policies/tenants.toml", policy)] };
    let read = read_with(&texts, &["file", "sqlite", "unseen"])
        .unwrap_or_else(|all| panic!("{}", show(&all, Look::default())));
    let policy = read.project.policies.first().unwrap();
    let names: Vec<&str> = policy.keys.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["kek/acme", "kek/globex", "other/acme", "other/globex", "root"]);
    let key = &policy.keys[&"kek/acme".parse().unwrap()];
    assert_eq!((key.at.as_str(), key.each.as_deref(), key.line), ("keys/acme", Some("acme"), (20, 14)));
    let after: Vec<String> = key.after.iter().map(ToString::to_string).collect();
    assert_eq!(after, ["tenants/root", "tenants/other/acme"]);
}

/// Every code that stands in the code of the library, in quotes.
fn codes_raised(folder: &Path, raised: &mut std::collections::BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_raised(&path, raised);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("src/explain.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let quoted = code.match_indices("\"K").filter_map(|(at, _)| code.get(at + 1..at + 6));
            let is_code = |code: &&str| code.ends_with('"') && code[1..4].bytes().all(|b| b.is_ascii_digit());
            raised.extend(quoted.filter(is_code).map(|code| code[..4].to_owned()));
        }
    }
}

#[test]
fn every_code_that_is_raised_has_a_page_and_every_page_its_code() {
    let mut raised = std::collections::BTreeSet::new();
    codes_raised(&root().join("src"), &mut raised);
    for code in &raised {
        assert!(explain::page(code).is_some(), "{code} has no page: add src/explain/{code}.md");
    }
    for page in explain::pages().iter().filter(|page| matches!(page.by, explain::By::Problem | explain::By::Lint)) {
        assert!(raised.contains(page.code), "nothing raises {}", page.code);
    }
}

#[test]
fn every_problem_and_lint_has_a_case() {
    let mut seen = std::collections::BTreeSet::from(["K020".to_owned()]);
    for entry in fs::read_dir(root().join("testdata/broken")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            seen.extend(complaints(&path).into_iter().map(|problem| problem.code.to_owned()));
        }
    }
    for page in explain::pages().iter().filter(|page| matches!(page.by, explain::By::Problem | explain::By::Lint)) {
        assert!(seen.contains(page.code), "no file in testdata/broken raises {}", page.code);
    }
}
