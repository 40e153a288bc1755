//! What every home must do, tried on each.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use chrono::TimeDelta;

use crate::digest;
use crate::executor::removal;
use crate::fault::Remedy;
use crate::home::Memory;
use crate::journal::Clock;
use crate::journal::Draft;
use crate::journal::Event;
use crate::journal::Head;
use crate::journal::Why;
use crate::model::Hour;
use crate::port::home::Home;
use crate::port::home::Lease;
use crate::port::home::Trouble;
use crate::port::movable::Movable;

/// A place for one home, and what a stranger can do to it.
pub(super) trait World {
    /// Another way in, as another process would have.
    fn home(&self) -> Box<dyn Home>;
    /// The journal's bytes.
    fn lines(&self) -> Vec<u8>;
    /// Puts other bytes and another head there, or takes them away, behind everybody's back.
    fn put(&self, lines: Option<&[u8]>, head: Option<Head>);
    /// What was kept aside in this file.
    fn aside(&self, file: &str) -> Vec<u8>;
}

type Rule = fn(&dyn World);
/// Lines and head that are left, and what is wrong then.
type Left<'a> = (Option<&'a [u8]>, Option<Head>, Why);

pub(super) fn holds(make: &dyn Fn() -> Box<dyn World>) {
    let rules: [Rule; 10] = [
        nothing_is_there_at_first,
        what_is_appended_is_read,
        one_at_a_time,
        the_slower_stops,
        a_changed_tail_stops,
        a_torn_line_is_kept_aside,
        what_is_lost_is_not_begun_anew,
        a_broken_journal_is_not_opened,
        the_clock_may_step_back_a_little,
        plans_are_kept_by_id,
    ];
    for rule in rules {
        rule(make().as_ref());
    }
}

pub(super) fn hour() -> Hour {
    "2026-03-01T12:00:00.123456Z".parse().unwrap()
}

pub(super) fn note(text: &str) -> Draft {
    Draft::new(hour(), "kim", Event::Note { text: text.to_owned() })
}

/// Takes, opens and begins a journal.
pub(super) fn begin(home: &mut dyn Home) -> Lease {
    let lease = home.lock("kim").unwrap();
    let ready = home.open(&lease).unwrap();
    assert_eq!((ready.journal.count(), ready.aside), (0, None));
    home.append(&lease, vec![Draft::new(hour(), "kim", Event::begun(Clock::Virtual))]).unwrap();
    lease
}

fn why(trouble: Trouble) -> Why {
    match trouble {
        Trouble::Broken(broken) => broken.why,
        Trouble::Fault(fault) => unreachable!("{fault}"),
    }
}

fn nothing_is_there_at_first(world: &dyn World) {
    let home = world.home();
    assert_eq!(home.head().unwrap(), None);
    assert_eq!(home.read().unwrap().count(), 0);
    assert_eq!(home.verify(None).unwrap().head, Head::NONE);
    assert_eq!(home.plans().unwrap(), []);
}

fn what_is_appended_is_read(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    assert_eq!(home.head().unwrap(), Some(Head::NONE));
    let two = home.append(&lease, vec![note("a"), note("b")]).unwrap();
    let three = home.jot(&lease, vec![note("c")]).unwrap();
    let sealed = home.seal_head(&lease).unwrap();
    assert_eq!((sealed.count, sealed.digest), (4, three[0].own));
    assert_eq!(home.append(&lease, Vec::new()).unwrap(), []);

    let other = world.home();
    assert_eq!(other.head().unwrap(), Some(sealed));
    let journal = other.read().unwrap();
    let read: Vec<_> = journal.entries().skip(1).map(Result::unwrap).collect();
    assert_eq!(read, [two, three].concat());
    assert_eq!(journal.lines(), world.lines());
    assert_eq!(other.verify(Some(&sealed)).unwrap().head, sealed);

    drop(lease);
    let lease = home.lock("kim").unwrap();
    assert_eq!(home.open(&lease).unwrap().journal.head(), sealed);
    assert_eq!(home.append(&lease, vec![note("d")]).unwrap()[0].n, 5);
}

fn one_at_a_time(world: &dyn World) {
    let (mut home, mut rival) = (world.home(), world.home());
    let lease = begin(home.as_mut());
    let refused = rival.lock("lee").unwrap_err();
    assert!(refused.to_string().contains("kim"), "{refused}");
    assert_eq!(refused.remedy, Remedy::Retry);
    // A lease is good for one opening of one home.
    assert!(rival.append(&lease, vec![note("x")]).is_err());
    drop(lease);
    let lease = rival.lock("lee").unwrap();
    assert!(home.append(&lease, vec![note("x")]).is_err());
    assert!(rival.append(&lease, vec![note("x")]).is_err(), "it was not opened");
    rival.open(&lease).unwrap();
    rival.append(&lease, vec![note("x")]).unwrap();
    assert_eq!(world.home().read().unwrap().count(), 2);
}

fn the_slower_stops(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    home.append(&lease, vec![note("a")]).unwrap();
    let ours = world.lines();
    let other = home.read().unwrap().tail().draw(vec![note("theirs")]).unwrap();
    let theirs = [ours, other.bytes].concat();
    world.put(Some(&theirs), Some(Head::NONE));
    let refused = home.append(&lease, vec![note("b")]).unwrap_err();
    assert!(refused.to_string().contains("not as this run left it"), "{refused}");
    assert!(refused.hint.is_some());
    // It stays stopped, and has written nothing.
    assert!(home.append(&lease, vec![note("b")]).is_err());
    assert!(home.seal_head(&lease).is_err());
    assert_eq!(world.lines(), theirs);
    assert_eq!(home.head().unwrap(), Some(Head::NONE));
}

fn a_changed_tail_stops(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    let before = home.read().unwrap().tail();
    home.append(&lease, vec![note("a")]).unwrap();
    let ours = world.lines();
    let begun = ours.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // As long as ours, and whole: only the digest tells.
    let theirs = [&ours[..begun], &before.draw(vec![note("z")]).unwrap().bytes].concat();
    assert_eq!(theirs.len(), ours.len());
    world.put(Some(&theirs), Some(Head::NONE));
    assert!(home.seal_head(&lease).is_err());
    assert!(home.append(&lease, vec![note("b")]).is_err());
    assert_eq!(world.lines(), theirs);
}

fn a_torn_line_is_kept_aside(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    let sealed = home.seal_head(&lease).unwrap();
    home.append(&lease, vec![note("a"), note("b")]).unwrap();
    drop(lease);
    let whole = world.lines();
    let torn = &whole[..whole.len() - 1];
    world.put(Some(torn), Some(sealed));

    let mut home = world.home();
    let seen = home.read().unwrap();
    assert_eq!((seen.count(), home.verify(None).unwrap().torn), (2, seen.torn().unwrap().bytes.len() as u64));
    assert_eq!(world.lines(), torn, "looking changes nothing");
    let lease = home.lock("kim").unwrap();
    let ready = home.open(&lease).unwrap();
    let aside = ready.aside.unwrap();
    let kept = world.aside(&aside.file);
    assert_eq!((aside.bytes, aside.digest), (kept.len() as u64, digest::plain(&kept)));
    assert_eq!([ready.journal.lines(), &kept].concat(), torn);
    home.append(&lease, vec![Draft::new(hour(), "kim", aside.event())]).unwrap();
    assert_eq!(world.home().read().unwrap().count(), 3);
}

fn what_is_lost_is_not_begun_anew(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    home.append(&lease, vec![note("a")]).unwrap();
    let head = home.seal_head(&lease).unwrap();
    drop(lease);
    let whole = world.lines();
    let begun = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let cases: [Left<'_>; 5] = [
        (None, Some(head), Why::Lost { head }),
        (Some(&[]), Some(head), Why::Lost { head }),
        (Some(&whole[..begun]), Some(head), Why::Cut { count: 1, head }),
        (Some(&whole[..whole.len() - 1]), Some(head), Why::Cut { count: 1, head }),
        (Some(&whole), None, Why::HeadLost),
    ];
    for (lines, left, expected) in cases {
        world.put(lines, left);
        let mut home = world.home();
        assert_eq!(why(home.read().unwrap_err()), expected);
        assert_eq!(why(home.verify(None).unwrap_err()), expected);
        let lease = home.lock("kim").unwrap();
        let trouble = home.open(&lease).unwrap_err();
        assert!(trouble.hint().is_some());
        assert_eq!(why(trouble), expected);
        assert!(home.append(&lease, vec![note("x")]).is_err());
        assert_eq!(world.lines(), lines.unwrap_or_default(), "nothing was touched");
    }
    world.put(Some(&whole), Some(head));
    let foreign = Head { digest: digest::plain(b"another journal"), ..head };
    assert_eq!(why(home.verify(Some(&foreign)).unwrap_err()), Why::NotTheHead { head: foreign });
    let later = Head { count: 3, ..head };
    assert_eq!(why(home.verify(Some(&later)).unwrap_err()), Why::Cut { count: 2, head: later });
}

fn a_broken_journal_is_not_opened(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    home.append(&lease, vec![note("a"), note("b")]).unwrap();
    drop(lease);
    let mut lines = world.lines();
    let at = lines.windows(3).position(|three| three == b"\"a\"").unwrap() + 1;
    lines[at] = b'x';
    world.put(Some(&lines), Some(Head::NONE));
    let lease = home.lock("kim").unwrap();
    let Err(Trouble::Broken(broken)) = home.open(&lease) else { unreachable!() };
    assert_eq!((broken.entry, broken.why), (Some(2), Why::Changed));
    assert_eq!(world.lines(), lines);
}

fn the_clock_may_step_back_a_little(world: &dyn World) {
    let mut home = world.home();
    let lease = begin(home.as_mut());
    let back = |by| Draft { at: hour() - by, ..note("a") };
    let entries = home.append(&lease, vec![back(TimeDelta::minutes(5))]).unwrap();
    assert_eq!(entries[0].at, home.read().unwrap().entries().next().unwrap().unwrap().at);
    let refused = home.append(&lease, vec![back(TimeDelta::minutes(6))]).unwrap_err();
    assert_eq!(refused.remedy, Remedy::AskOperator);
    // Nothing was written, so the run may go on when the clock does.
    home.append(&lease, vec![note("b")]).unwrap();
    assert!(home.append(&lease, vec![Draft::new(hour(), "kim", Event::begun(Clock::Real))]).is_err());
    assert_eq!(world.home().read().unwrap().count(), 3);
}

fn plans_are_kept_by_id(world: &dyn World) {
    let mut home = world.home();
    let (a, b) = (digest::plain(b"a"), digest::plain(b"b"));
    let lease = begin(home.as_mut());
    let head = home.seal_head(&lease).unwrap();
    for _ in 0..2 {
        home.save_plan(&a, b"plan a").unwrap();
        home.save_plan(&b, b"plan b").unwrap();
    }
    assert!(home.save_plan(&a, b"plan b").is_err());
    let mut ids = vec![a, b];
    ids.sort();
    let other = world.home();
    assert_eq!(other.plans().unwrap(), ids);
    assert_eq!(other.plan(&a).unwrap().unwrap(), b"plan a");
    assert_eq!(other.plan(&digest::plain(b"c")).unwrap(), None);
    drop(lease);
    // A plan is kept only once the journal has begun: plans alone are what is left of a lost home.
    let lines = world.lines();
    world.put(None, None);
    assert_eq!(why(other.read().unwrap_err()), Why::OnlyPlans { plans: 2 });
    assert_eq!(why(other.verify(None).unwrap_err()), Why::OnlyPlans { plans: 2 });
    let lease = home.lock("kim").unwrap();
    assert_eq!(why(home.open(&lease).unwrap_err()), Why::OnlyPlans { plans: 2 });
    world.put(Some(&lines), Some(head));
    assert_eq!(other.read().unwrap().count(), head.count);
}

/// Every home gives its journal away and takes it back; at every instant at most one of the two opens.
pub(super) fn moves(one: &mut dyn Movable, other: &mut dyn Movable) {
    let lease = begin(one);
    let plan = digest::plain(b"a");
    one.append(&lease, vec![note("a"), note("b")]).unwrap();
    one.save_plan(&plan, b"a").unwrap();
    let held = removal::carry(one, other, "lee", hour()).unwrap_err();
    assert!(held.to_string().contains("kim"), "{held}");
    drop(lease);

    let moved = removal::carry(one, other, "kim", hour()).unwrap();
    assert_eq!((moved.head.count, moved.plans), (4, 1));
    assert_eq!(other.verify(Some(&moved.head)).unwrap().head, moved.head);
    assert_eq!(other.head().unwrap(), Some(moved.head));
    assert_eq!(other.plan(&plan).unwrap().unwrap(), b"a");
    for refused in [one.read().unwrap_err(), one.verify(None).unwrap_err()] {
        assert!(refused.to_string().contains(&format!("was moved to {}", moved.to)), "{refused}");
    }
    let lease = one.lock("kim").unwrap();
    assert!(one.open(&lease).is_err() && one.append(&lease, vec![note("x")]).is_err());
    drop(lease);
    // Twice is once, also after the new home went on.
    let lease = other.lock("kim").unwrap();
    let lines = other.open(&lease).unwrap().journal.lines().to_vec();
    other.append(&lease, vec![note("c")]).unwrap();
    drop(lease);
    assert_eq!(removal::carry(one, other, "kim", hour()).unwrap().head, moved.head);

    let back = removal::carry(other, one, "kim", hour()).unwrap();
    assert_eq!((back.head.count, back.from), (6, moved.to));
    let journal = one.read().unwrap();
    assert!(journal.lines().starts_with(&lines) && journal.head() == back.head);
    assert!(other.read().is_err());
    // A home that lives takes nothing in.
    let mut rival = Memory::default();
    drop(begin(&mut rival));
    let refused = removal::carry(&mut rival, one, "kim", hour()).unwrap_err();
    assert!(refused.to_string().contains("holds a journal of its own"), "{refused}");
    rival.read().unwrap();
    one.read().unwrap();
}
