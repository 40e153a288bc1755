//! Who may use whom: rooms on floors, adapters behind their ports, core rooms away from the world.

use super::code;
use super::tree::Source;

/// The rooms and their floors, in tens; the ones order rooms of one floor that build on each other (`disk` on
/// `secret`, `policy` on `envelope`). A room uses lower numbers only.
const ROOMS: [(&str, u8); 35] = [
    ("digest", 0),
    ("fault", 0),
    ("template", 0),
    ("explain", 0),
    ("secret", 1),
    ("model", 1),
    ("disk", 2),
    ("envelope", 10),
    ("pointer", 10),
    ("policy", 11),
    ("inventory", 11),
    ("decision", 20),
    ("plan", 30),
    ("journal", 40),
    ("course", 50),
    ("approval", 50),
    ("port", 50),
    ("report", 51),
    ("prove", 60),
    ("survey", 60),
    ("executor", 60),
    ("render", 60),
    ("command", 61),
    ("gauge", 61),
    ("http", 62),
    ("tls", 61),
    ("postgresql", 62),
    ("openbao", 63),
    ("backend", 70),
    ("store", 70),
    ("fleet", 70),
    ("home", 70),
    ("probe", 70),
    ("simulated", 70),
    ("cli", 80),
];

/// Rooms whose files are concrete adapters.
const ADAPTERS: [&str; 5] = ["backend", "store", "fleet", "home", "probe"];

/// Rooms that are plain functions of their arguments: floors 0 to 4 (numbers up to 49), and these.
const CORE_ABOVE: [&str; 5] = ["approval", "course", "prove", "render", "report"];
const CORE_FLOOR_MAX: u8 = 49;

/// Rooms that write something down or show it.
const WRITTEN_DOWN: [&str; 5] = ["journal", "model", "plan", "render", "report"];

/// What touches the world, and how it is called in code.
const WORLD: [(&str, &[&str]); 6] = [
    ("the network", &["std::net", "TcpStream", "UdpSocket", "ureq", "postgres::"]),
    ("the clock", &["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "thread::sleep"]),
    ("the environment", &["std::env", "env::var", "env::var_os", "env::vars", "env::args"]),
    ("randomness", RANDOMNESS),
    ("files", &["std::fs", "File::open", "File::create", "OpenOptions", "rustix::fs", "rusqlite"]),
    ("processes", &["std::process", "Command::new", "rustix::process"]),
];
const RANDOMNESS: &[&str] = &["getrandom", "OsRng", "SystemRandom", "Uuid::now_v1", "Uuid::new_v4", "RandomState"];

/// The core rooms whose work it is.
const ALLOWED: [(&str, &[&str]); 2] = [("disk", &["files", "processes"]), ("secret", &["randomness", "processes"])];

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// Every room that live code names, with its line: `crate::room`, or as many `super::` as lead out of the own room.
fn rooms_named(file: &Source) -> Vec<(usize, &str)> {
    let code = &file.live;
    let from_root = code.match_indices("crate::").map(|(at, word)| (at, code::name_at(&code[at + word.len()..])));
    let climbing = code.match_indices("super::").filter_map(|(at, _)| {
        if code[..at].ends_with("super::") {
            return None;
        }
        let rest = code[at..].trim_start_matches("super::");
        let climbed = (code.len() - at - rest.len()) / "super::".len();
        let name = code::name_at(rest);
        (climbed >= file.depth() && floor(name).is_some()).then_some((at, name))
    });
    let named = from_root.chain(climbing).map(|(at, name)| (code::line_of(code, at), name));
    named.filter(|(_, name)| Some(*name) != file.room()).collect()
}

/// Rooms on a lower floor only.
pub(crate) fn floors(file: &Source) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() };
    let Some(own) = floor(room) else { return vec![format!("{}: `{room}` is not a room in the table", file.path)] };
    let judge = |(line, used): (usize, &str)| match floor(used) {
        None => Some(format!("{}:{line}: `{used}` is not a room: name things by the room they live in", file.path)),
        Some(other) if other >= own => {
            Some(format!("{}:{line}: `{room}` (floor {own}) uses `{used}` (floor {other})", file.path))
        }
        Some(_) => None,
    };
    rooms_named(file).into_iter().filter_map(judge).collect()
}

/// Nobody but the wiring names a concrete adapter.
pub(crate) fn adapters(file: &Source) -> Vec<String> {
    if file.path == "src/cli/wire.rs" || file.path.starts_with("src/cli/wire/") || file.room().is_none() {
        return Vec::new();
    }
    let foreign = rooms_named(file).into_iter().filter(|(_, used)| ADAPTERS.contains(used));
    foreign.map(|(line, used)| format!("{}:{line}: names an adapter in `{used}`", file.path)).collect()
}

/// Core rooms do not touch the world, and randomness has one room in the whole house.
pub(crate) fn touches(file: &Source) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() };
    let core = CORE_ABOVE.contains(&room) || floor(room).is_some_and(|floor| floor <= CORE_FLOOR_MAX);
    let allowed = ALLOWED.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, kinds)| kinds);
    let mut complaints = Vec::new();
    for (kind, calls) in WORLD {
        if allowed.contains(&kind) || !(core || kind == "randomness") {
            continue;
        }
        for call in calls {
            for line in code::lines_with(&file.live, call) {
                complaints.push(format!("{}:{line}: `{room}` touches {kind}: `{call}`", file.path));
            }
        }
    }
    complaints
}

/// What is written down holds no secret, by type.
pub(crate) fn secrets(file: &Source) -> Vec<String> {
    if !file.room().is_some_and(|room| WRITTEN_DOWN.contains(&room)) {
        return Vec::new();
    }
    let lines = ["Secret", "crate::secret"].into_iter().flat_map(|word| code::lines_with(&file.live, word));
    lines.map(|line| format!("{}:{line}: names `Secret`", file.path)).collect()
}

#[cfg(test)]
fn said(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::of(path, text)).len()
}

#[test]
fn a_higher_or_equal_floor_is_refused() {
    assert_eq!(said(floors, "src/plan.rs", "use crate::model::Key;\nuse crate::plan::Step;"), 0);
    assert_eq!(said(floors, "src/plan.rs", "use crate::cli::Args;"), 1);
    assert_eq!(said(floors, "src/plan/draw.rs", "fn a() { crate::journal::read() }"), 1);
    assert_eq!(said(floors, "src/store/sqlite.rs", "use crate::backend;"), 1);
    assert_eq!(said(floors, "src/model.rs", "use crate::simulated::Crowd;"), 1);
    assert_eq!(said(floors, "src/plan.rs", "pub(in crate::plan) fn a() {}"), 0);
    assert_eq!(said(floors, "src/lib.rs", "pub use crate::cli::main;"), 0);
}

#[test]
fn climbing_out_of_the_room_is_seen() {
    assert_eq!(said(floors, "src/plan.rs", "use super::cli::Args;"), 1);
    assert_eq!(said(floors, "src/plan/draw.rs", "use super::super::cli::Args;"), 1);
    assert_eq!(said(floors, "src/plan/draw.rs", "use super::cli::Args;\nuse super::Step;"), 0);
}

#[test]
fn a_room_without_a_floor_is_refused() {
    assert_eq!(said(floors, "src/attic.rs", ""), 1);
    assert_eq!(said(floors, "src/cli.rs", "use crate::attic::Box;"), 1);
    assert_eq!(said(floors, "src/cli.rs", "use crate::Step;"), 1);
}

#[test]
fn tests_and_comments_may_look_up() {
    let text = "// crate::cli\n#[cfg(test)]\nmod tests {\n    use crate::cli::Args;\n    use std::fs;\n}";
    assert_eq!(said(floors, "src/plan.rs", text) + said(touches, "src/plan.rs", text), 0);
}

#[test]
fn only_wiring_may_name_an_adapter() {
    let text = "use crate::backend::file::File;";
    assert_eq!(said(adapters, "src/cli/apply.rs", text), 1);
    assert_eq!(said(adapters, "src/simulated/world.rs", "use crate::store::sqlite;"), 1);
    assert_eq!(said(adapters, "src/cli/wire.rs", text) + said(adapters, "src/cli/wire/file.rs", text), 0);
    assert_eq!(said(adapters, "src/backend/file.rs", text), 0);
    assert_eq!(said(adapters, "src/cli/wired.rs", text), 1);
}

#[test]
fn the_world_is_kept_out_of_core_rooms() {
    for call in WORLD.iter().flat_map(|(_, calls)| *calls) {
        assert_eq!(said(touches, "src/plan/draw.rs", &format!("fn a() {{ {call}; }}")).min(1), 1, "{call}");
    }
    for room in ["digest", "envelope", "decision", "journal", "approval", "course", "prove", "render", "report"] {
        assert_eq!(said(touches, &format!("src/{room}.rs"), "use chrono::Utc;\nfn a() { Utc::now(); }"), 1, "{room}");
    }
    assert_eq!(said(touches, "src/disk.rs", "use std::fs::File;"), 0);
    assert_eq!(said(touches, "src/disk.rs", "use std::env;"), 1);
    assert_eq!(said(touches, "src/secret.rs", "getrandom::fill(x)"), 0);
    assert_eq!(said(touches, "src/secret.rs", "use std::fs;"), 1);
    assert_eq!(said(touches, "src/store/sqlite.rs", "use std::fs;"), 0);
    assert_eq!(said(touches, "src/store/sqlite.rs", "getrandom::fill(x)"), 1);
    assert_eq!(said(touches, "src/plan.rs", "let version = env!();"), 0);
}

#[test]
fn written_rooms_may_not_name_secrets() {
    assert_eq!(said(secrets, "src/report/text.rs", "fn a(key: &Secret) {}"), 1);
    assert_eq!(said(secrets, "src/plan.rs", "use crate::secret;"), 1);
    assert_eq!(said(secrets, "src/plan.rs", "/// A `Secret` is never here.\nstruct SecretRef;"), 0);
    assert_eq!(said(secrets, "src/envelope.rs", "use crate::secret::Secret;"), 0);
}
