#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use super::Gauge;
use super::Limits;
use super::Push;
use super::Quota;
use super::Went;
use crate::fault::Fault;

fn fault(why: &str) -> Fault {
    Fault::retry("ask", why)
}

fn went(values: Range<usize>) -> Result<Went<usize>, Push> {
    Ok(Went { answers: values.collect(), quota: None })
}

fn limits() -> Limits {
    Limits { patience: Duration::from_secs(5), ..Limits::default() }
}

/// A service that takes at most so many values in a request.
fn takes(most: usize) -> impl Fn(Range<usize>) -> Result<Went<usize>, Push> + Sync {
    move |values| if values.len() > most { Err(Push::TooLarge(fault("too complex"))) } else { went(values) }
}

#[test]
fn answers_come_in_order_and_the_size_limit_is_found() {
    for most in [1, 7, 32, 249, 499, 100_000] {
        let gauge = Gauge::new(limits());
        for _ in 0..4 {
            assert_eq!(gauge.run("a", 20_000, takes(most)).unwrap(), (0..20_000).collect::<Vec<_>>());
        }
        let size = gauge.size("a").0;
        let nearly = most.min(limits().values_max) * 9 / 10;
        assert!(size <= most && size >= nearly, "{size} of {most}");
    }
    assert!(Gauge::new(limits()).run("a", 0, takes(1)).unwrap().is_empty());
    let none = Gauge::new(limits()).run("a", 1, takes(0)).unwrap_err();
    assert_eq!(none.source, "too complex");
}

#[test]
fn a_limit_that_shrinks_is_found_again() {
    let gauge = Gauge::new(limits());
    gauge.run("a", 20_000, takes(499)).unwrap();
    // Larger values: fewer go into a request.
    assert_eq!(gauge.run("a", 5_000, takes(20)).unwrap().len(), 5_000);
    assert!(gauge.size("a").0 <= 20);
}

#[test]
fn what_was_too_large_once_is_tried_again_and_each_kind_has_its_own() {
    let gauge = Gauge::new(limits());
    gauge.run("a", 2_000, takes(20)).unwrap();
    gauge.run("a", 60_000, takes(499)).unwrap();
    gauge.run("b", 20_000, takes(99)).unwrap();
    let (a, b) = (gauge.size("a").0, gauge.size("b").0);
    assert!((449..=499).contains(&a) && (89..=99).contains(&b), "{a} and {b}");
}

#[test]
fn a_push_at_the_very_beginning_does_not_keep_it_small() {
    let gauge = Gauge::new(limits());
    let (calls, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let busy_once = |values: Range<usize>| {
        most.fetch_max(gauge.size("a").1, Ordering::SeqCst);
        if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err(Push::Busy(fault("429"), None)) } else { went(values) }
    };
    gauge.run("a", 1_000_000, busy_once).unwrap();
    assert!(most.load(Ordering::SeqCst) > 2, "{most:?}");
}

#[test]
fn a_front_that_drops_what_is_large_is_asked_for_less() {
    let gauge = Gauge::new(limits());
    let calls = AtomicUsize::new(0);
    let drops = |values: Range<usize>| {
        calls.fetch_add(1, Ordering::SeqCst);
        if values.len() > 10 { Err(Push::Lost(fault("reset"))) } else { went(values) }
    };
    assert_eq!(gauge.run("a", 600, drops).unwrap().len(), 600);
    assert!(gauge.size("a").0 <= 10 && calls.into_inner() < 150);
    // Whoever counts requests is not helped by more of them.
    let calls = AtomicUsize::new(0);
    let counts = |values: Range<usize>| match calls.fetch_add(1, Ordering::SeqCst) {
        call if call % 2 == 1 => Err(Push::Busy(fault("429"), None)),
        _ => went(values),
    };
    let gauge = Gauge::new(limits());
    gauge.run("a", 20_000, counts).unwrap();
    assert!(gauge.size("a").0 >= 1024, "{:?}", gauge.size("a"));
}

#[test]
fn requests_are_made_at_once_and_fewer_when_it_pushes_back() {
    let gauge = Gauge::new(limits());
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let slow = |values: Range<usize>| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let until = Instant::now() + Duration::from_micros(300);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        now.fetch_sub(1, Ordering::SeqCst);
        if values.len() > 50 { Err(Push::TooLarge(fault("too complex"))) } else { went(values) }
    };
    gauge.run("a", 20_000, slow).unwrap();
    let most = most.load(Ordering::SeqCst);
    assert!((2..=limits().lanes_max).contains(&most), "{most}");
    let before = gauge.size("a").1;
    let once = AtomicUsize::new(0);
    let busy = |values: Range<usize>| {
        if once.fetch_add(1, Ordering::SeqCst) == 3 { Err(Push::Busy(fault("429"), None)) } else { went(values) }
    };
    assert_eq!(gauge.run("a", 500, busy).unwrap().len(), 500);
    assert!(gauge.size("a").1 <= before.div_ceil(2), "{before} and then {}", gauge.size("a").1);
}

#[test]
fn what_was_not_answered_is_asked_again_and_nothing_twice_answered() {
    let gauge = Gauge::new(limits());
    let calls = AtomicUsize::new(0);
    let done = Mutex::new(vec![0_u32; 3_000]);
    let flaky = |values: Range<usize>| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        match call % 4 {
            1 => Err(Push::Busy(fault("503").after(0), None)),
            3 => Err(Push::Lost(fault("reset"))),
            _ => {
                let mut done = done.lock().unwrap();
                values.clone().for_each(|at| done[at] += 1);
                went(values)
            }
        }
    };
    assert_eq!(gauge.run("a", 3_000, flaky).unwrap().len(), 3_000);
    assert!(done.lock().unwrap().iter().all(|times| *times == 1));
}

#[test]
fn how_long_to_wait_is_obeyed_and_patience_ends() {
    let gauge = Gauge::new(limits());
    let calls = AtomicUsize::new(0);
    let begun = Instant::now();
    let busy = |values: Range<usize>| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Push::Busy(fault("429").after(1), None)),
        _ => went(values),
    };
    gauge.run("a", 10, busy).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let gauge = Gauge::new(Limits { patience: Duration::from_millis(200), ..limits() });
    let gone = gauge.run("a", 10, |_| Err::<Went<usize>, _>(Push::Lost(fault("connection refused")))).unwrap_err();
    assert_eq!(gone.source, "connection refused");
    // Who asks for more patience than there is, is told so at once.
    let begun = Instant::now();
    assert!(gauge.run("a", 10, |_| Err::<Went<usize>, _>(Push::Busy(fault("429").after(3600), None))).is_err());
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(gauge.run("a", 10, |_| Err::<Went<usize>, _>(Push::Fault(fault("denied")))).is_err());
    let short = Gauge::new(limits()).run("a", 10, |_| Ok(Went { answers: vec![1], quota: None })).unwrap_err();
    assert!(short.to_string().contains("1 answers to 10 questions"), "{short}");
}

#[test]
fn patience_ends_once_for_all_who_wait() {
    let gauge = Gauge::new(Limits { patience: Duration::from_millis(300), ..limits() });
    let (ended, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let gone = |_: Range<usize>| {
        after.fetch_add(ended.load(Ordering::SeqCst), Ordering::SeqCst);
        Err::<Went<usize>, _>(Push::Lost(fault("connection refused")))
    };
    std::thread::scope(|scope| {
        for _ in 0..7 {
            scope.spawn(|| {
                gauge.run("a", 10, gone).unwrap_err();
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    // None, but for one that was about to ask just then; not a whole patience for each of them.
    assert!(after.load(Ordering::SeqCst) <= 14);
    assert!(gauge.run("a", 10, gone).is_err(), "who comes later tries anew");
    assert_eq!(gauge.run("a", 10, went).unwrap().len(), 10);
}

#[test]
fn a_share_of_a_quota_is_never_exceeded() {
    let gauge = Gauge::new(Limits { share: Some(50), values_max: 2, ..limits() });
    let per = Duration::from_millis(200);
    let asked = Mutex::new(Vec::new());
    let count = |values: Range<usize>| {
        asked.lock().unwrap().push(Instant::now());
        let quota = Quota { requests: 20, per, left: None };
        Ok(Went { answers: values.collect::<Vec<_>>(), quota: Some(quota) })
    };
    gauge.run("a", 60, count).unwrap();
    let mut asked = asked.into_inner().unwrap();
    asked.sort();
    for (at, from) in asked.iter().enumerate() {
        let within = asked[at..].iter().filter(|hour| hour.duration_since(*from) < per.mul_f32(0.9)).count();
        assert!(within <= 11, "{within} in one stretch");
    }
    // Others use it too: what is left to them is left.
    let gauge = Gauge::new(Limits { share: Some(50), values_max: 1, ..limits() });
    let begun = Instant::now();
    let calls = AtomicUsize::new(0);
    let shared = |values: Range<usize>| {
        let left = if calls.fetch_add(1, Ordering::SeqCst) == 0 { 3 } else { 19 };
        let quota = Quota { requests: 20, per, left: Some(left) };
        Ok(Went { answers: values.collect::<Vec<_>>(), quota: Some(quota) })
    };
    gauge.run("a", 2, shared).unwrap();
    assert!(begun.elapsed() >= per);
    let silent = Gauge::new(Limits { share: Some(50), ..limits() }).run("a", 100, went).unwrap_err();
    assert!(silent.source.contains("does not tell its quota"), "{silent}");
    let known = Gauge::new(Limits { share: Some(50), ..limits() });
    known.tell(Quota { requests: 1000, per: Duration::from_secs(1), left: None });
    assert_eq!(known.run("a", 100, went).unwrap().len(), 100);
}
