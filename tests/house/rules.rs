//! Rules about text: sizes, openings, marks, names, imports, paths.

use super::code;
use super::tree::Source;

const LINES_MAX: usize = 500;

/// Marks of unfinished work, in halves: this file is searched too.
const CALLS: [&str; 3] = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!")];
const WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const SKIPPED: &str = concat!("#[ig", "nore");

/// The systems that the policies rotate.
const SEEDS: [&str; 5] = ["certautopilot", "nico", "notelett", "nvcf", "uptrakit"];
/// Seeds that are a part of ordinary words, so that only the whole word counts.
const SEEDS_WHOLE: [&str; 1] = ["nico"];

const MACHINE: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];

/// At most [`LINES_MAX`] lines, those of tests not counted.
pub(crate) fn length(file: &Source) -> Vec<String> {
    if file.test_only {
        return Vec::new();
    }
    let lines = file.text.lines().count() - file.test_lines;
    let complaint = format!("{}: {lines} lines without its tests, at most {LINES_MAX}", file.path);
    if lines > LINES_MAX { vec![complaint] } else { Vec::new() }
}

pub(crate) fn mod_files(paths: &[String]) -> Vec<String> {
    paths.iter().filter(|path| path.ends_with("/mod.rs")).cloned().collect()
}

/// The file that carries a room's name, and the library's own, begin with what they are for.
pub(crate) fn opening(file: &Source) -> Vec<String> {
    let opens = file.depth() > 1 || file.text.starts_with("//! ");
    if opens { Vec::new() } else { vec![format!("{}: does not open with `//!`", file.path)] }
}

/// Whether marks are looked for in the file at `path`.
pub(crate) fn is_code(path: &str) -> bool {
    let place = ["src/", "tests/", "benches/", "examples/"].iter().any(|folder| path.starts_with(folder));
    let kind = [".rs", ".sh", ".py"].iter().any(|ending| path.ends_with(ending));
    kind && (place || !path.contains('/'))
}

pub(crate) fn marks(path: &str, text: &str) -> Vec<String> {
    let whole = CALLS.iter().chain(&WORDS).flat_map(|mark| {
        let lines = text.match_indices(mark).filter(|(at, _)| {
            let after = text[at + mark.len()..].chars().next();
            !text[..*at].ends_with(code::is_word) && (mark.ends_with('!') || !after.is_some_and(code::is_word))
        });
        lines.map(move |(at, _)| (at, *mark))
    });
    let skipped = text.match_indices(SKIPPED);
    let say = |(at, mark): (usize, &str)| format!("{path}:{}: `{mark}`", code::line_of(text, at));
    whole.chain(skipped).map(say).collect()
}

pub(crate) fn seeds(path: &str, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let inside = |at: usize, name: &str| {
        let around = [text[..at].chars().next_back(), text[at + name.len()..].chars().next()];
        around.into_iter().flatten().any(char::is_alphanumeric)
    };
    let found = SEEDS.iter().flat_map(|name| text.match_indices(name));
    let found = found.filter(|(at, name)| !(SEEDS_WHOLE.contains(name) && inside(*at, name)));
    found.map(|(at, name)| format!("{path}:{}: names `{name}`", code::line_of(&text, at))).collect()
}

pub(crate) fn imports(file: &Source) -> Vec<String> {
    let starts = file.code.match_indices("use ").filter(|(at, _)| {
        let line = file.code[..*at].rsplit('\n').next().unwrap_or_default().trim_start();
        line.is_empty() || (line.starts_with("pub") && !line.contains(';'))
    });
    let grouped = starts.filter(|(at, _)| file.code[*at..].split(';').next().is_some_and(|line| line.contains('{')));
    grouped
        .map(|(at, _)| format!("{}:{}: several items in one `use`", file.path, code::line_of(&file.code, at)))
        .collect()
}

/// Absolute paths only: a folder of the project may have any name.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let absolute = |at: usize| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| code::is_word(c) || ".-/~}>)*$".contains(c))
    };
    let found = MACHINE.iter().flat_map(|place| text.match_indices(place)).filter(|(at, _)| absolute(*at));
    found.map(|(at, place)| format!("{path}:{}: `{place}`", code::line_of(text, at))).collect()
}

#[test]
fn a_long_file_is_refused_and_its_tests_are_not_counted() {
    let long = "fn a() {}\n".repeat(LINES_MAX);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n// why\nfn a() {}\n".repeat(LINES_MAX));
    let said = |text: &str| length(&Source::of("src/plan.rs", text)).len();
    assert_eq!(said(&long), 0);
    assert_eq!(said(&format!("{long}{tests}")), 0);
    assert_eq!(said(&format!("{long}fn b() {{}}\n")), 1);
    assert_eq!(said(&format!("{long}// why\n")), 1);
    assert_eq!(said(&format!("{long}fn b() {{}}\n{tests}")), 1);
}

#[test]
fn mod_files_are_found() {
    let paths = ["src/plan/mod.rs", "src/plan.rs", "tests/house/main.rs", "src/mod.rs"].map(str::to_owned);
    assert_eq!(mod_files(&paths), ["src/plan/mod.rs", "src/mod.rs"]);
}

#[test]
fn a_room_must_say_what_it_is_for() {
    let said = |path, text| opening(&Source::of(path, text)).len();
    assert_eq!(said("src/plan.rs", "use std::fs;\n//! late"), 1);
    assert_eq!(said("src/plan.rs", ""), 1);
    assert_eq!(said("src/plan.rs", "//! What is done when."), 0);
    assert_eq!(said("src/lib.rs", "/// No."), 1);
    assert_eq!(said("src/plan/draw.rs", "fn a() {}"), 0);
}

#[test]
fn every_mark_is_found() {
    for mark in CALLS.iter().chain(&WORDS) {
        assert_eq!(marks("a.rs", &format!("fn a() {{ {mark}(); }}")).len(), 1, "{mark}");
        assert_eq!(marks("a.rs", &format!("fn a() {{ x{mark}(); }}")).len(), 0, "{mark}");
    }
    assert_eq!(marks("a.rs", &format!("{SKIPPED} = \"slow\"]")), [format!("a.rs:1: `{SKIPPED}`")]);
    assert_eq!(marks("a.rs", "fn a() {}").len(), 0);
    assert!(is_code("test.sh") && is_code("src/a/b.rs") && is_code("tests/verify.py"));
    assert!(!is_code("docs/a.md") && !is_code("testdata/x.sh"));
}

#[test]
fn every_seed_is_found() {
    for name in SEEDS {
        assert_eq!(seeds("a.rs", &format!("\"{}_mek\"", name.to_uppercase())).len(), 1, "{name}");
    }
    assert_eq!(seeds("a.rs", "unicode, Unicorn, nicola").len(), 0);
    assert_eq!(seeds("a.rs", "my_uptrakits").len(), 1);
}

#[test]
fn grouped_imports_are_found() {
    let said = |text: &str| imports(&Source::of("src/plan.rs", text)).len();
    assert_eq!(said("use std::{fs, io};"), 1);
    assert_eq!(said("    pub(crate) use a::{\n    b,\n};"), 1);
    assert_eq!(said("#[cfg(test)]\nmod tests {\n    use super::{a, b};\n}"), 1);
    assert_eq!(said("use a::b;\nuse a::c as d;\nfn reuse () {}\n/// use x::{a}\n"), 0);
}

#[test]
fn machine_paths_are_found_and_rooms_are_not() {
    for place in MACHINE {
        assert_eq!(machine_paths("a.md", &format!("see `{place}x`")).len(), 1, "{place}");
        assert_eq!(machine_paths("a.md", &format!("{place}x")).len(), 1, "{place}");
        assert_eq!(machine_paths("a.md", &format!("src{place}local.rs and $X{place}y")).len(), 0, "{place}");
    }
}
