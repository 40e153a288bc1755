//! Rules about test data: no half case, no snapshot that nothing writes.

use std::collections::BTreeSet;

const CASES: &str = "testdata/cases/";
const CASE_FILES: [&str; 2] = ["policy.toml", "world.toml"];

/// Every folder of cases has all of its files, and no file lies beside the folders.
pub(crate) fn cases(paths: &[String]) -> Vec<String> {
    let inside: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix(CASES)).collect();
    let loose = inside.iter().filter(|path| !path.contains('/'));
    let mut complaints: Vec<String> = loose.map(|path| format!("{CASES}{path}: is in no case's folder")).collect();
    let folders: BTreeSet<&str> = inside.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    for folder in folders {
        for file in CASE_FILES {
            let wanted = format!("{folder}/{file}");
            if !inside.contains(&wanted.as_str()) {
                complaints.push(format!("{CASES}{folder}: has no `{file}`"));
            }
        }
    }
    complaints
}

/// The test that wrote the snapshot is still there, and so is the case that it was written for.
///
/// A snapshot is called `module__name@case.snap`, and says in its head which source and which input it came from.
pub(crate) fn snapshot(path: &str, text: &str, file: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let head = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or("", |(head, _)| head);
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"'));
    let Some(source) = field("source: ") else { return vec![format!("{path}: does not name its source")] };
    let Some(code) = file(source) else { return vec![format!("{path}: its source `{source}` is gone")] };
    let mut complaints = Vec::new();
    if let Some(input) = field("input_file: ").filter(|input| file(input).is_none()) {
        complaints.push(format!("{path}: its input `{input}` is gone"));
    }
    let name = test_name(path);
    if !code.contains(name) {
        complaints.push(format!("{path}: `{source}` has no test or snapshot called `{name}`"));
    }
    complaints
}

/// The name that the test gave: without modules, the case, and the number of a second one.
fn test_name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".snap");
    let name = file.split('@').next().unwrap_or(file);
    let name = name.rsplit("__").next().unwrap_or(name);
    match name.rsplit_once('-') {
        Some((base, number)) if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) => base,
        _ => name,
    }
}

#[test]
fn a_half_case_is_found() {
    let said = |paths: &[&str]| cases(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
    assert_eq!(said(&["testdata/cases/due/policy.toml", "testdata/cases/due/world.toml", "src/lib.rs"]).len(), 0);
    assert_eq!(said(&["testdata/cases/due/policy.toml"]), ["testdata/cases/due: has no `world.toml`"]);
    assert_eq!(said(&["testdata/cases/notes.txt"]), ["testdata/cases/notes.txt: is in no case's folder"]);
}

#[test]
fn a_snapshot_that_nothing_writes_is_found() {
    let file = |path: &str| match path {
        "tests/cases.rs" => Some("fn plans_are_drawn() {}".to_owned()),
        "testdata/cases/due/policy.toml" => Some(String::new()),
        _ => None,
    };
    let said = |name: &str, head: &str| {
        snapshot(&format!("tests/snapshots/{name}.snap"), &format!("---\n{head}\n---\nbody\n"), &file)
    };
    let here = "source: tests/cases.rs\nexpression: out";
    assert_eq!(said("cases__plans_are_drawn", here).len(), 0);
    assert_eq!(said("cases__plans_are_drawn-2", here).len(), 0);
    assert_eq!(said("cases__deep__plans_are_drawn@due__policy.toml", here).len(), 0);
    assert_eq!(said("cases__plans_were_drawn", here).len(), 1);
    assert_eq!(said("cases__plans_are_drawn", "source: tests/gone.rs").len(), 1);
    assert_eq!(said("cases__plans_are_drawn", "expression: out").len(), 1);
    let input = |case: &str| format!("{here}\ninput_file: testdata/cases/{case}/policy.toml");
    assert_eq!(said("cases__plans_are_drawn@due", &input("due")).len(), 0);
    assert_eq!(said("cases__plans_are_drawn@old", &input("old")).len(), 1);
}
