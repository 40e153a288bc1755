//! The real executor against a simulated fleet, on true key files and a true database, with faults from many seeds: it is
//! killed between and inside steps, the power fails, port calls fail before or after they did their work, the clock it
//! reads is wrong by minutes, and members lag up to what the policy declares, restart, and go on writing.
//!
//! In all of it: no value that a member meets fails to open, none is another than was sealed, nothing else changes, and the
//! rotation ends. The same seed gives the same trace.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[path = "support/canary.rs"]
mod canary;
#[path = "simulation/flaky.rs"]
mod flaky;
#[path = "simulation/people.rs"]
mod people;
#[path = "simulation/shapes.rs"]
mod shapes;
#[path = "simulation/site.rs"]
mod site;

use site::Site;

/// How many seeds are tried; `SEEDS=200000-300000` tries those.
const SEEDS: std::ops::Range<u64> = 0..1000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return SEEDS };
    let (from, to) = text.split_once('-').expect("SEEDS=FROM-TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// Runs `one` for every seed on all cores, and names the seed that fails.
fn each_seed(seeds: std::ops::Range<u64>, one: impl Fn(u64) + Sync) {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    one(seed);
                }
            });
        }
    });
}

#[test]
fn whatever_fails_every_value_stays_readable_and_the_rotation_ends() {
    let seen = std::sync::Mutex::new(std::collections::BTreeMap::<&str, site::Seen>::new());
    each_seed(seeds(), |seed| {
        let site = Site::new(seed);
        let end = site.rotate();
        site.judge(&end);
        seen.lock().unwrap().entry(site.shape()).or_default().add(&end.seen);
    });
    let shapes = seen.into_inner().unwrap();
    let mut seen = site::Seen::default();
    for (shape, some) in &shapes {
        eprintln!("{shape}: {some:?}");
        seen.add(some);
    }
    // A simulation in which nothing goes wrong proves nothing.
    if seeds() == SEEDS {
        assert!(seen.kills > 500 && seen.faults > 500 && seen.moved > 10_000, "{seen:?}");
        assert!(seen.restarts > 500 && seen.late > 100 && seen.opened > 100_000, "{seen:?}");
        assert!(seen.cached > 1_000 && seen.down > 20 && seen.restored > 50 && seen.strange > 50, "{seen:?}");
        assert_eq!(shapes.len(), shapes::all().len(), "{shapes:?}");
        for (shape, seen) in &shapes {
            assert!(seen.seeds > 100 && seen.kills > 30 && seen.new > 50, "{shape}: {seen:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let traces = std::sync::Mutex::new(std::collections::BTreeSet::new());
    each_seed(0..14, |seed| {
        let (one, two) = (Site::new(seed).rotate().trace, Site::new(seed).rotate().trace);
        assert!(one.len() > 5, "seed {seed}: {one:?}");
        for (at, (a, b)) in one.iter().zip(&two).enumerate() {
            assert_eq!(a, b, "seed {seed}, entry {at}");
        }
        assert_eq!(one.len(), two.len(), "seed {seed}");
        traces.lock().unwrap().insert(one);
    });
    assert_eq!(traces.into_inner().unwrap().len(), 14, "different seeds differ");
}
