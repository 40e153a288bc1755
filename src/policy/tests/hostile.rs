//! Policies that were written to do harm: always a problem, never a crash, a hang or an escape on the terminal.

use std::time::Duration;
use std::time::Instant;

use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::proptest;

use crate::policy::Look;
use crate::policy::Problem;
use crate::policy::Text;
use crate::policy::Texts;
use crate::policy::meaning::Around;
use crate::policy::read;
use crate::policy::show;
use crate::policy::tests::env;
use crate::policy::tests::names;
use crate::policy::tests::read_with;
use crate::policy::tests::settings;
use crate::policy::tests::text;

/// Far more than any of them needs, even in a build that is not optimised on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads a policy and shows what is wrong with it, as a reviewer's terminal would see it.
fn complaints(policy: impl Into<Vec<u8>>) -> Vec<Problem> {
    let texts = Texts { settings: Some(settings()), policies: vec![Text::new("policies/h.toml", policy)] };
    let begun = Instant::now();
    let problems = match read_with(&texts, &["file", "sqlite"]) {
        Ok(read) => read.lints,
        Err(problems) => problems,
    };
    let shown = show(&problems, Look::default());
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    for problem in &problems {
        assert!(problem.line >= 1 && problem.column >= 1 && problem.source_line.len() < 2000, "{problem:?}");
    }
    problems
}

fn codes(problems: &[Problem]) -> Vec<&str> {
    let mut codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    codes.dedup();
    codes
}

#[test]
fn depth_and_length_have_limits() {
    for deep in [
        format!("a = {}", "[".repeat(500_000)),
        format!("a = {}", "{a=".repeat(300_000)),
        format!("{} = 1", vec!["a"; 200_000].join(".")),
        "[".repeat(1_000_000),
        format!("[{}]", vec!["a"; 70].join(".")),
        "[[a]]\n".repeat(170_000),
        "= \n".repeat(300_000),
        "a=1\n".repeat(250_000),
        "\"\\u001b\" = \"\\u001b\"\n".repeat(40_000),
        format!("a = \"{}", "\u{202e}".repeat(300_000)),
    ] {
        let problems = complaints(deep.clone());
        assert!(
            !problems.is_empty() && problems.len() <= 250,
            "{} problems: {}",
            problems.len(),
            deep.get(..20).unwrap()
        );
    }
    assert_eq!(codes(&complaints("x".repeat(2 << 20))), ["K001"]);
}

#[test]
fn what_is_not_text_is_shown_up_to_there() {
    let mut policy = text("policies/quickstart.toml").bytes;
    let at = policy.windows(5).position(|word| word == b"owner").unwrap();
    policy[at + 10] = 0xff;
    let problems = complaints(policy);
    assert_eq!(codes(&problems), ["K001"]);
    assert_eq!((problems[0].line, problems[0].column, problems[0].source_line.as_str()), (3, 11, "owner = \"y"));
}

/// One key for as many values as the file has lines.
fn with_values(count: usize) -> Result<usize, Vec<Problem>> {
    let policy = String::from_utf8(text("policies/quickstart.toml").bytes).unwrap();
    let policy = policy.replace("at = \"keys\"", "at = \"keys/{{ each }}\"\neach = { file = \"many.txt\" }");
    let texts = Texts { settings: None, policies: vec![Text::new("policies/many.toml", policy)] };
    let file = |_: &str| Ok((0..count).map(|n| format!("tenant-{n}\n")).collect());
    let begun = Instant::now();
    let read = read(&texts, &Around { env: &env, file: &file, built: &["file", "sqlite"] });
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    read.map(|read| read.project.policies.iter().map(|policy| policy.keys.len()).sum())
}

#[test]
fn a_hundred_thousand_keys_are_read_and_a_million_refused() {
    assert_eq!(with_values(100_000).unwrap(), 100_000);
    let problems = with_values(1_000_000).unwrap_err();
    assert_eq!(codes(&problems), ["K001"]);
    assert!(problems[0].message.contains("1000000 keys"), "{}", problems[0]);
}

#[test]
fn a_long_chain_of_keys_is_read_and_closed_it_is_a_cycle() {
    let key = |n: usize, after: usize| {
        format!(
            "[key.k{n}]\nbackend=\"f\"\nat=\"k{n}\"\nalgorithm=\"aes-256\"\nseals=[\"s\"]\nused_by=[\"w\"]\n\
             rotate_every=\"90d\"\nretire=\"never\"\nafter=[\"k{after}\"]\n"
        )
    };
    let head = "[policy]\nname=\"h\"\nowner=\"o\"\n[backend.f]\ntype=\"file\"\n[store.s]\ntype=\"unseen\"\n\
                [fleet.w]\nmembers=[\"w\"]\nlearns=\"always\"\nwrites=\"current\"\n";
    let chain: String = (0..3000).map(|n| key(n, (n + 1) % 3000)).collect();
    let problems = complaints(format!("{head}{chain}"));
    assert!(problems.iter().any(|problem| problem.code == "K006" && problem.message.contains("waits for")));
}

#[test]
fn what_a_variable_holds_is_judged_too() {
    let policy = String::from_utf8(text("policies/quickstart.toml").bytes).unwrap();
    let policy = policy.replace("path = \"app.db\"", "path = { env = \"EVIL\" }");
    let file = |_: &str| Ok(String::new());
    for (evil, code) in
        [("a\u{1b}[2J", "K004"), ("a\0b", "K004"), ("../../etc/passwd", "K004"), ("{{ sha256 }}", "K004"), ("", "K004")]
    {
        let env = |_: &str| Some(evil.to_owned());
        let texts = Texts { settings: None, policies: vec![Text::new("policies/a.toml", policy.clone())] };
        let problems = read(&texts, &Around { env: &env, file: &file, built: &["file", "sqlite"] }).unwrap_err();
        assert_eq!(codes(&problems), [code], "{evil:?}");
        assert!(!show(&problems, Look::default()).contains(['\u{1b}', '\0']));
    }
}

/// A policy of the project with a few of its bytes or words changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let pieces = proptest::sample::select(vec![
        "\"",
        "'",
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        ".",
        "\n",
        "{{",
        "}}",
        "{{ each }}",
        "\\u0000",
        "\u{202e}",
        "\u{1b}",
        "-1",
        "99999999999999999999",
        "1e999",
        "true",
        "nan",
        "2027-01-01",
        "\"never\"",
        "[key.kek]",
        "each = [\"a\"]",
        "..",
        "\0",
    ]);
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), 0usize..12, pieces), 1..6);
    (any::<proptest::sample::Index>(), edits).prop_map(|(which, edits)| {
        let names = names();
        let mut bytes = text(&names[which.index(names.len())]).bytes;
        for (at, count, piece) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + count).min(bytes.len());
            bytes.splice(at..end, piece.bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_refused_in_good_order(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        complaints(bytes.clone());
        let texts = Texts { settings: Some(Text::new("keyrota.toml", bytes)), policies: vec![text("policies/quickstart.toml")] };
        drop(read_with(&texts, &["file", "sqlite"]));
    }

    #[test]
    fn any_text_is_refused_in_good_order(text in any::<String>(), lines in "([a-z\\[\\]{}\"'=.,# \n0-9]{0,40}\n){0,12}") {
        complaints(text);
        complaints(lines);
    }

    #[test]
    fn any_change_of_a_policy_is_read_or_refused(bytes in mutated()) {
        complaints(bytes);
    }

    #[test]
    fn any_change_of_the_settings_is_read_or_refused(cut in any::<proptest::sample::Index>(), with in "[a-z\\[\\]{}\"=.,0-9\n -]{0,12}") {
        let mut settings = settings();
        let at = cut.index(settings.bytes.len());
        settings.bytes.splice(at..(at + 3).min(settings.bytes.len()), with.bytes());
        drop(read_with(&Texts { settings: Some(settings), policies: vec![text("policies/quickstart.toml")] }, &["file"]));
    }
}
