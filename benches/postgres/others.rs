//! What others notice of a rewrap, and what a rewrap loses that dies every second.

use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use crate::median;
use crate::world;
use crate::world::Table;
use crate::world::client;

const WRITES_PER_SECOND: u32 = 500;
const CONNECTIONS: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
const P99_MAX: f64 = 2.0;
const KILLED_MAX: f64 = 1.25;

/// The application's 99th percentile in milliseconds, each write from the moment at which it was due.
fn p99(rows: u32) -> f64 {
    let all = Mutex::new(Vec::new());
    let began = Instant::now() + Duration::from_millis(200);
    std::thread::scope(|scope| {
        for hand in 0..CONNECTIONS {
            let all = &all;
            scope.spawn(move || {
                let mut client = client();
                let write = client.prepare("UPDATE data_keys SET payload = payload WHERE id = $1").unwrap();
                let mut took = Vec::new();
                for nth in 0.. {
                    let due = began + Duration::from_secs(1) * (nth * CONNECTIONS + hand) / WRITES_PER_SECOND;
                    if due > began + WINDOW {
                        break;
                    }
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let id = i64::from((nth * CONNECTIONS + hand).wrapping_mul(2_654_435_761) % rows) + 1;
                    client.execute(&write, &[&id]).unwrap();
                    took.push(due.elapsed().as_secs_f64() * 1000.0);
                }
                all.lock().unwrap().append(&mut took);
            });
        }
    });
    let mut all = all.into_inner().unwrap();
    all.sort_by(f64::total_cmp);
    all[all.len() * 99 / 100]
}

fn child(how: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(how).stdout(Stdio::null());
    command
}

/// An application at 500 writes a second, alone and beside a polite rewrap, by turns.
pub(crate) fn polite(rows: u32, runs: usize) {
    let table = Table::load(rows, 100);
    let (mut alone, mut beside, mut ratios) = (vec![], vec![], vec![]);
    for run in 1..=runs {
        let _mark = table.fresh();
        let quiet = p99(rows);
        let _mark = table.fresh();
        let mut rewrap = child("polite-child").spawn().unwrap();
        let busy = p99(rows);
        let _ended = rewrap.kill();
        let _status = rewrap.wait();
        let moved = "SELECT count(*) FROM data_keys WHERE kek_version = 'v2'";
        let moved: i64 = client().query_one(moved, &[]).unwrap().get(0);
        let rate = moved as f64 / WINDOW.as_secs_f64();
        println!(
            "run {run}: p99 alone {quiet:.2} ms, beside {busy:.2} ms, ratio {:.2}; {rate:.0} rows a second moved",
            busy / quiet
        );
        alone.push(quiet);
        beside.push(busy);
        ratios.push(busy / quiet);
    }
    println!(
        "{WRITES_PER_SECOND} writes a second, median of {runs}: p99 alone {:.2} ms, beside a polite rewrap {:.2} ms, ratio {:.2} (at most {P99_MAX})",
        median(alone),
        median(beside),
        median(ratios)
    );
}

/// The whole rewrap undisturbed, and killed every second and started again, by turns.
pub(crate) fn killed(rows: u32, runs: usize) {
    let table = Table::load(rows, 100);
    let (mut undisturbed, mut disturbed, mut ratios) = (vec![], vec![], vec![]);
    for run in 1..=runs {
        let _mark = table.fresh();
        let began = Instant::now();
        assert!(child("child").status().unwrap().success());
        let plain = began.elapsed().as_secs_f64();
        let _mark = table.fresh();
        let (began, mut kills) = (Instant::now(), 0);
        'until_done: loop {
            let mut rewrap = child("child").spawn().unwrap();
            let since = Instant::now();
            while since.elapsed() < Duration::from_secs(1) {
                if let Some(status) = rewrap.try_wait().unwrap() {
                    assert!(status.success());
                    break 'until_done;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            rewrap.kill().unwrap();
            let _status = rewrap.wait().unwrap();
            kills += 1;
        }
        let hurt = began.elapsed().as_secs_f64();
        world::verify(rows);
        println!("run {run}: undisturbed {plain:.3} s, with {kills} kills {hurt:.3} s, ratio {:.3}", hurt / plain);
        undisturbed.push(plain);
        disturbed.push(hurt);
        ratios.push(hurt / plain);
    }
    println!(
        "{rows} rows, killed every second, median of {runs}: undisturbed {:.3} s, killed {:.3} s, ratio {:.3} (at most {KILLED_MAX}); nothing lost",
        median(undisturbed),
        median(disturbed),
        median(ratios)
    );
}
