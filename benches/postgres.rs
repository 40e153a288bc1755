//! The rewrap of a table in PostgreSQL against raw `UPDATE`s of the same column over two halves on two connections: fresh copies
//! of the same table in the same server, by turns. `tests/services.sh cargo bench --features postgres --bench postgres -- [ROWS] [RUNS]`
//!
//! Ours reads, opens, seals, opens again, compares and sets, notes each chunk in a synced file, and closes with a count of all.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop at the first surprise, and makes its world itself"
)]

#[path = "common/figures.rs"]
mod figures;
#[path = "common/notes.rs"]
mod notes;
#[path = "postgres/others.rs"]
mod others;
#[path = "postgres/world.rs"]
mod world;

use std::io::Write;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use figures::median;
use world::Table;
use world::client;

const ROWS: u32 = 1_000_000;
const RUNS: usize = 7;
const MEMORY_MAX_KIB: u64 = 64 * 1024;
/// How full the pages are that the table is loaded into, the bar, and the aim.
const CASES: [(u32, f64, f64); 2] = [(100, 1.25, 1.10), (50, 1.8, 1.5)];
const SAMPLE: u32 = 2_000;
const SLOWER_MIN: f64 = 500.0;

/// The same column by one statement a half, each on a connection of its own; the cheapest new value of the same length.
fn raw(rows: u32) -> Duration {
    let mut halves = [client(), client()];
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (at, client) in (0..).zip(&mut halves) {
            let (from, to) = (at * rows / 2, (at + 1) * rows / 2);
            let set = "UPDATE data_keys SET wrapped = set_byte(wrapped, 0, 255 - get_byte(wrapped, 0))";
            scope.spawn(move || client.batch_execute(&format!("{set} WHERE id > {from} AND id <= {to}")).unwrap());
        }
    });
    began.elapsed()
}

fn ours() -> (Duration, Vec<u64>) {
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap()).arg("child").output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    (took, said.split_whitespace().map(|word| word.parse().unwrap()).collect())
}

/// Log and growth, in MB per million rows.
fn cost(table: &Table, began: &world::Mark) -> (f64, f64) {
    let now = table.mark();
    let per = |from: u64, to: u64| to.saturating_sub(from) as f64 / f64::from(table.rows);
    (per(began.log, now.log), per(began.size, now.size))
}

fn case(rows: u32, runs: usize, (full, bar, aim): (u32, f64, f64)) {
    let table = Table::load(rows, full);
    let (mut plain, mut us, mut ratios, mut memory, mut locked) = (vec![], vec![], vec![], 0, 0);
    let (mut raw_cost, mut our_cost) = ((0.0, 0.0), (0.0, 0.0));
    for run in 1..=runs {
        let mark = table.fresh();
        let baseline = raw(rows);
        raw_cost = cost(&table, &mark);
        let mark = table.fresh();
        let (took, said) = ours();
        our_cost = cost(&table, &mark);
        assert_eq!(said[0], u64::from(rows));
        (memory, locked) = (memory.max(said[1]), locked.max(said[2]));
        let ratio = took.as_secs_f64() / baseline.as_secs_f64();
        println!(
            "fillfactor {full}, run {run}: raw {baseline:.3?}, keyrota {took:.3?}, ratio {ratio:.3}, {} KiB, locked {} us",
            said[1], said[2]
        );
        std::io::stdout().flush().unwrap();
        plain.push(baseline.as_secs_f64());
        us.push(took.as_secs_f64());
        ratios.push(ratio);
    }
    let took = median(us);
    println!(
        "fillfactor {full}, {rows} rows, median of {runs}: raw {:.3} s, keyrota {took:.3} s, ratio {:.3} (at most {bar}, aim {aim}); \
         memory {memory} KiB (at most {MEMORY_MAX_KIB}); longest lock {locked} us",
        median(plain),
        median(ratios)
    );
    println!(
        "fillfactor {full}, MB a million rows: log raw {:.0}, keyrota {:.0}; table and index grow raw {:.0}, keyrota {:.0}",
        raw_cost.0, our_cost.0, raw_cost.1, our_cost.1
    );
    world::verify(rows);
    let _mark = table.fresh();
    let one_by_one = world::python_loop(SAMPLE.min(rows))
        .map(|took| took.as_secs_f64() * f64::from(rows) / f64::from(SAMPLE.min(rows)));
    if let Some(slow) = one_by_one {
        println!(
            "fillfactor {full}: row at a time by Python {slow:.0} s for {rows} rows (from {SAMPLE}), {:.0} x ours (at least {SLOWER_MIN})",
            slow / took
        );
    }
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let mut first = words.next();
    match first.as_deref() {
        Some("child") => return world::child(false),
        Some("polite-child") => return world::child(true),
        _ => {}
    }
    let other: Option<fn(u32, usize)> = match first.as_deref() {
        Some("polite") => Some(others::polite),
        Some("killed") => Some(others::killed),
        _ => None,
    };
    if other.is_some() {
        first = words.next();
    }
    let rows: u32 = first.map_or(ROWS, |word| word.parse().unwrap());
    let runs: usize = words.next().map_or(RUNS, |word| word.parse().unwrap());
    if let Some(other) = other {
        return other(rows, runs);
    }
    let full: Option<u32> = words.next().map(|word| word.parse().unwrap());
    for one in CASES.into_iter().filter(|one| full.is_none_or(|full| full == one.0)) {
        case(rows, runs, one);
    }
}
