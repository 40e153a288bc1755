//! The files of the project, and `src` as the compiler would find it.

use super::code;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One Rust file of `src`.
pub(crate) struct Source {
    /// From the project's folder, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments and literals.
    pub(crate) code: String,
    /// The code without what only tests see; empty where the whole file is a test's.
    pub(crate) live: String,
    /// How many lines only tests see.
    pub(crate) test_lines: usize,
    /// Whether only tests see the whole file.
    pub(crate) test_only: bool,
}

impl Source {
    pub(crate) fn of(path: &str, text: &str) -> Self {
        let code = code::mask(text);
        let (live, test_lines) = code::live(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, live, test_lines, test_only: false }
    }

    fn for_tests(self) -> Self {
        Self { live: String::new(), test_only: true, ..self }
    }

    /// The room that the file belongs to; the two roots belong to none.
    pub(crate) fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(inside, "lib.rs" | "main.rs")).then_some(room)
    }

    /// How many modules deep the file is: 1 for a room's own file.
    pub(crate) fn depth(&self) -> usize {
        self.path.matches('/').count()
    }
}

/// Everything that is kept under version control, or would be.
pub(crate) struct Tree {
    pub(crate) paths: Vec<String>,
    pub(crate) sources: Vec<Source>,
    /// Rust files of `src` that no `mod` line leads to.
    pub(crate) forgotten: Vec<String>,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let paths = tracked().unwrap_or_else(|| walked(""));
        let files = paths.iter().filter(|path| path.starts_with("src/") && path.ends_with(".rs"));
        let files = files.map(|path| Source::of(path, &fs::read_to_string(root().join(path)).expect("a source file")));
        let (sources, forgotten) = reached(files.collect());
        Self { paths, sources, forgotten }
    }

    /// The text files that `wanted` says yes to, with their text.
    pub(crate) fn texts(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, String)> {
        self.paths.iter().filter(move |path| wanted(path)).filter_map(|path| Some((path.clone(), self.text(path)?)))
    }

    /// The text at `path`, where there is a file with text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(root().join(path)).ok()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What git keeps and what it would keep next. `None` where this is no work tree of its own: in a package.
fn tracked() -> Option<Vec<String>> {
    if !root().join(".git").exists() {
        return None;
    }
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let out = Command::new("git").current_dir(root()).args(list).output().ok()?;
    let names = String::from_utf8(out.stdout).ok()?;
    let names = names.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file());
    out.status.success().then(|| names.map(str::to_owned).collect())
}

fn walked(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).expect("a folder of the project") {
        let entry = entry.expect("a file of the project");
        let name = entry.file_name().into_string().expect("a file's name");
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.path().is_file() {
            found.push(path);
        } else if !matches!(path.as_str(), ".git" | "target") {
            found.extend(walked(&path));
        }
    }
    found.sort();
    found
}

/// Follows the `mod` lines from the two roots; what is left over is forgotten.
fn reached(files: Vec<Source>) -> (Vec<Source>, Vec<String>) {
    let mut left: BTreeMap<String, Source> = files.into_iter().map(|file| (file.path.clone(), file)).collect();
    let mut found = Vec::new();
    let mut ahead = vec![("src/main.rs".to_owned(), false), ("src/lib.rs".to_owned(), false)];
    while let Some((path, test_only)) = ahead.pop() {
        let Some(file) = left.remove(&path) else { continue };
        let file = if test_only { file.for_tests() } else { file };
        let folder = if file.room().is_none() { "src" } else { path.trim_end_matches(".rs") };
        let live = code::modules(&file.live);
        for name in code::modules(&file.code) {
            ahead.push((format!("{folder}/{name}.rs"), !live.contains(&name)));
        }
        found.push(file);
    }
    let forgotten = left.into_keys().map(|path| format!("{path}: no `mod` line leads here")).collect();
    (found, forgotten)
}

#[test]
fn mod_lines_are_followed_and_what_is_left_is_forgotten() {
    let files = vec![
        Source::of("src/lib.rs", "pub mod plan;\npub mod r#virtual;\n// mod lost;"),
        Source::of("src/main.rs", "fn main() {}"),
        Source::of("src/plan.rs", "mod draw;\n#[cfg(test)]\nmod tests;"),
        Source::of("src/plan/draw.rs", "fn a() {}"),
        Source::of("src/plan/tests.rs", "mod deep;"),
        Source::of("src/plan/tests/deep.rs", "fn a() {}"),
        Source::of("src/virtual.rs", ""),
        Source::of("src/lost.rs", ""),
        Source::of("src/draw.rs", ""),
    ];
    let (found, forgotten) = reached(files);
    assert_eq!(forgotten, ["src/draw.rs: no `mod` line leads here", "src/lost.rs: no `mod` line leads here"]);
    let tests: Vec<_> = found.iter().filter(|file| file.test_only).map(|file| file.path.as_str()).collect();
    assert_eq!(tests, ["src/plan/tests.rs", "src/plan/tests/deep.rs"]);
    assert_eq!(found.len(), 7);
}

#[test]
fn a_file_knows_its_room() {
    let room = |path| Source::of(path, "").room().map(str::to_owned);
    assert_eq!(room("src/plan.rs").as_deref(), Some("plan"));
    assert_eq!(room("src/plan/draw/order.rs").as_deref(), Some("plan"));
    assert_eq!(room("src/cli/main.rs").as_deref(), Some("cli"));
    assert_eq!(room("src/lib.rs"), None);
    assert_eq!(room("src/main.rs"), None);
}

#[test]
fn a_package_without_git_is_walked() {
    let walked = walked("");
    assert!(walked.iter().any(|path| path == "src/lib.rs"));
    assert!(!walked.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/")));
}
