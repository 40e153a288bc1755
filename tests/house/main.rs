//! The house rules as tests: floors, sizes, forbidden calls, forgotten files.
//!
//! Each test below reads the tree and asks one rule; each rule is a function over text, tried on small strings beside
//! it, so that a rule that can no longer fail is noticed. A rule that is not here is a wish.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod code;
mod data;
mod floors;
mod rules;
mod tree;

use tree::Source;
use tree::Tree;

/// Fails with every complaint at once and with the way out.
#[track_caller]
fn none(complaints: Vec<String>, instead: &str) {
    assert!(complaints.is_empty(), "\n  {}\n\ninstead: {instead}\n", complaints.join("\n  "));
}

/// What `rule` says about every file of `src`.
fn over_src(rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    Tree::read().sources.iter().flat_map(rule).collect()
}

#[test]
fn the_tree_is_seen() {
    let tree = Tree::read();
    assert!(tree.paths.iter().any(|path| path == "Cargo.toml"), "the list of files is empty or elsewhere");
    assert!(tree.sources.iter().any(|file| file.path == "src/lib.rs"), "`src` was not read");
}

#[test]
fn rooms_use_lower_floors_only() {
    none(
        over_src(floors::floors),
        "move the item to the lower room that owns the idea, or hand it in as an argument; a new room gets its floor in \
         `ROOMS` in tests/house/floors.rs",
    );
}

#[test]
fn only_the_wiring_names_adapters() {
    none(over_src(floors::adapters), "take the trait from `port`, and build the adapter in `cli/wire`");
}

#[test]
fn core_rooms_do_not_touch_the_world() {
    none(
        over_src(floors::touches),
        "take the hour, the text or the bytes as an argument; files belong to `disk`, randomness to `secret`, everything \
         else to a port and its adapter",
    );
}

#[test]
fn what_is_written_down_never_names_secrets() {
    none(over_src(floors::secrets), "keep a name, a reference or a fingerprint; key bytes stay below in `secret`");
}

#[test]
fn files_stay_short() {
    none(over_src(rules::length), "find the second idea in the file and give it a file beside the first");
}

#[test]
fn no_module_is_called_mod() {
    none(rules::mod_files(&Tree::read().paths), "write `foo.rs` beside the folder `foo/`");
}

#[test]
fn every_room_says_what_it_is_for() {
    none(over_src(rules::opening), "open the room with one to five `//!` lines: what it is for, what is never in it");
}

#[test]
fn nothing_is_left_unfinished() {
    let tree = Tree::read();
    let complaints = tree.texts(rules::is_code).flat_map(|(path, text)| rules::marks(&path, &text)).collect();
    none(complaints, "finish it, or take it out and write an issue; a test that does not run is not a test");
}

#[test]
fn the_source_knows_no_seed_system() {
    let tree = Tree::read();
    let complaints =
        tree.texts(|path| path.starts_with("src/")).flat_map(|(path, text)| rules::seeds(&path, &text)).collect();
    none(
        complaints,
        "say what the policy says in general words; the system's name belongs to `policies` and `testdata`",
    );
}

#[test]
fn imports_are_one_item_a_line() {
    none(over_src(rules::imports), "one `use` line per item: diffs stay clean and the floors can be read");
}

#[test]
fn no_source_file_is_forgotten() {
    none(Tree::read().forgotten, "add the `mod` line, or delete the file");
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    let tree = Tree::read();
    let complaints =
        tree.texts(|path| path != "Cargo.lock").flat_map(|(path, text)| rules::machine_paths(&path, &text)).collect();
    none(complaints, "use a path relative to the project, or a variable");
}

#[test]
fn every_case_is_whole() {
    none(data::cases(&Tree::read().paths), "a case is a folder in testdata/cases with all of its files");
}

#[test]
fn every_snapshot_is_used() {
    let tree = Tree::read();
    let complaints = tree
        .texts(|path| path.ends_with(".snap"))
        .flat_map(|(path, text)| data::snapshot(&path, &text, &|named| tree.text(named)))
        .collect();
    none(complaints, "delete the snapshot that no test writes any more");
}
