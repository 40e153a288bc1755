//! What the world does by itself: members refresh, follow, write, restart and join; delays run out.

use crate::decision::lead::follows;
use crate::model;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Step;
use crate::policy::meant::fleet::Learns;
use crate::prove::Breach;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::state::flag;
use crate::prove::state::member::CACHED;
use crate::prove::state::member::FLIGHT;
use crate::prove::state::member::GIVEN_NEW;
use crate::prove::state::member::GIVEN_OLD;
use crate::prove::state::member::KNOWS_NEW;
use crate::prove::state::member::KNOWS_OLD;
use crate::prove::state::member::POINTED;
use crate::prove::state::member::UP;
use crate::prove::state::member::WRITES_NEW;
use crate::prove::timing::Linger;
use crate::prove::world::Side;
use crate::prove::world::World;
use std::collections::BTreeSet;

/// Something that the world does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A member looks again and takes what is there.
    Refresh(usize),
    /// A member follows the pointer to the new version.
    Follow(usize),
    /// A member goes by what stood before us: it writes with the version that is to be left.
    Behind(usize),
    /// A member has known the new version for long enough and begins to write with it.
    Fuse(usize),
    /// A member writes a value.
    Write(usize),
    /// A write that was under way lands.
    Land(usize),
    /// A write that was under way comes to nothing.
    Drop(usize),
    /// A member reads a value and keeps it sealed.
    Cache(usize),
    /// A member's cache runs out.
    Expire(usize),
    /// A member restarts by itself.
    Restart(usize),
    /// A new member takes this one's place, with what it was given long ago.
    Join(usize),
    /// The grace period is over.
    GraceOver,
    /// The time of normal traffic is over.
    SoakOver,
    /// What a service had under way lands under the old version.
    ServiceLands,
    /// What a service had under way came to nothing.
    ServiceDone,
    /// Values under the old version turn up after it was disabled.
    TurnsUp,
    /// The key's window shuts, while what was begun in it is left.
    WindowShuts,
    /// The key's window opens again.
    WindowOpens,
    /// A second executor, which slept since it wrote this step's intent, wakes and does it.
    Sleeper(usize),
}

/// All that could happen in this state.
pub fn possible(world: &World, state: &State, out: &mut Vec<Event>) {
    for (side, at) in everybody(world) {
        if state.member(at, UP) {
            of_member(world, state, side, at, out);
        }
        // One that is down is started again by whoever looks after it.
        out.push(Event::Restart(at));
        if state.member(at, FLIGHT) {
            out.extend([Event::Land(at), Event::Drop(at)]);
        }
        if state.member(at, CACHED) {
            out.push(Event::Expire(at));
        }
    }
    let when = [(flag::GRACE, Event::GraceOver), (flag::SOAK, Event::SoakOver), (flag::LANDING, Event::ServiceDone)];
    out.extend(when.iter().filter(|(flag, _)| state.is(*flag)).map(|(_, event)| *event));
    if state.is(flag::LANDING) {
        out.push(Event::ServiceLands);
    }
    // A backup may come back at any time; what comes after the last count is the next plan's.
    let counts = |(at, step): (usize, &Step)| step.part == Part::Recount && state.step(at) == Micro::Ahead;
    let disabled = state.old == Some(model::State::Disabled) && world.kind != Kind::Destroy;
    if disabled && !state.is(flag::STORE_OLD) && world.retired(state) && world.steps().iter().enumerate().any(counts) {
        out.push(Event::TurnsUp);
    }
    // A window is as long as what is begun in it: it shuts on what an executor left when it died. On steps that were not
    // begun it may as well have been shut all along.
    let left = |(at, step): (usize, &Step)| {
        state.step(at) == Micro::Left && step.gates.iter().any(|gate| matches!(gate, Gate::Window { .. }))
    };
    let in_hand = |micro: &Micro| matches!(micro, Micro::Begun | Micro::Effected);
    if state.is(flag::SHUT) {
        out.push(Event::WindowOpens);
    } else if world.steps().iter().enumerate().any(left) && !state.steps.iter().any(in_hand) {
        out.push(Event::WindowShuts);
    }
    // An act that is done again late changes nothing: no step of a plan takes back what another one did, and every write
    // is a compare-and-set, or finds the mark of the first. Without that, a second executor wakes and does harm.
    let late = |part: &Part| match part {
        Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close => world.flaws.no_compare_and_set,
        Part::Add | Part::Enable => world.flaws.doubled,
        _ => false,
    };
    let steps = world.steps().iter().enumerate();
    let done = steps.filter(|(at, step)| state.step(*at) == Micro::Done && late(&step.part));
    out.extend(done.map(|(at, _)| Event::Sleeper(at)));
}

fn of_member(world: &World, state: &State, side: &Side, at: usize, out: &mut Vec<Event>) {
    let looks = side.looks() && side.fleet.learns != Learns::Always && !side.holds_one();
    let stale = state.member(at, KNOWS_NEW) != available_new(side, state, at)
        || world.has_old && state.member(at, KNOWS_OLD) != available_old(side, state, at);
    if looks && stale {
        out.push(Event::Refresh(at));
    }
    if side.follows() && !side.holds_one() && !state.member(at, WRITES_NEW) && pointer_is_new(world, state, side, at) {
        out.push(Event::Follow(at));
    }
    if goes_by_what_stood(world, state, side, at) {
        out.push(Event::Behind(at));
    }
    // Whoever goes back changes which version is the newest; before that, nobody begins to write with the other.
    let newest = world.kind != Kind::Back || pointer_is_new(world, state, side, at);
    if side.has_fuse() && newest && !state.member(at, WRITES_NEW) && knows_new(side, state, at) {
        let over = world.fleets.iter().position(|other| other.name == side.name);
        let over = over.and_then(|place| world.timing.fuses.get(place));
        if over.is_some_and(|over| !lingers(world, state, over)) {
            out.push(Event::Fuse(at));
        }
    }
    if side.writes() {
        let new = state.member(at, WRITES_NEW);
        let already = if new { flag::STORE_NEW } else { flag::STORE_OLD };
        // Whoever goes back takes nothing away: who cannot read what others write meanwhile is as they were found.
        let old =
            || world.has_old && knows_old(side, state, at) && (world.kind != Kind::Back || all_know_old(world, state));
        let exists = if new { state.new.is_some() } else { old() };
        if exists && !state.is(already) && !(new && risk_is_taken(world, state, side)) {
            out.push(Event::Write(at));
        }
    }
    let reads_old = !state.is(flag::LATE) || state.old_opens() && knows_old(side, state, at);
    let caches = !side.fleet.caches.is_zero() && !side.at_start();
    if caches && state.is(flag::STORE_OLD) && reads_old && !state.member(at, CACHED) {
        out.push(Event::Cache(at));
    }
    if side.any_joins() && side.fleet.deliver.is_some() && state.member(at, KNOWS_NEW) {
        out.push(Event::Join(at));
    }
}

/// Whether everybody who opens values at any time can open what the old version sealed.
fn all_know_old(world: &World, state: &State) -> bool {
    everybody(world).all(|(side, at)| side.at_start() || knows_old(side, state, at))
}

/// Whether a member may come to write with the version that is to be left, because that one is still current.
fn goes_by_what_stood(world: &World, state: &State, side: &Side, at: usize) -> bool {
    if world.kind != Kind::Back || side.holds_one() || !state.member(at, WRITES_NEW) {
        return false;
    }
    (side.has_fuse() || side.follows()) && all_know_old(world, state) && !pointer_is_new(world, state, side, at)
}

/// Whether what a fleet writes before all others can read it is a risk that the policy accepts by name.
fn risk_is_taken(world: &World, state: &State, side: &Side) -> bool {
    let all_know = everybody(world).all(|(side, at)| side.at_start() || knows_new(side, state, at));
    (!all_know || state.is(flag::GRACE)) && world.accepts("K203", &side.name)
}

/// What a state becomes by an event.
pub fn happen(world: &World, state: &State, event: Event) -> State {
    let mut next = state.clone();
    match event {
        Event::Refresh(at) => with_side(world, at, |side| learn(side, &mut next, at)),
        Event::Follow(at) => with_side(world, at, |side| {
            learn_if_looking(side, &mut next, at);
            if knows_new(side, &next, at) {
                write_new(world, side, &mut next, at);
            } else if !risk_is_taken(world, &next, side) {
                next.breach(Breach::CannotFollow(at));
            }
        }),
        Event::Behind(at) => next.take(at, WRITES_NEW),
        Event::Fuse(at) => with_side(world, at, |side| write_new(world, side, &mut next, at)),
        Event::Write(at) if next.member(at, WRITES_NEW) => next.set(flag::STORE_NEW),
        Event::Write(_) => next.set(flag::STORE_OLD),
        Event::Land(at) => {
            next.take(at, FLIGHT);
            next.set(flag::STORE_OLD);
        }
        Event::Drop(at) => next.take(at, FLIGHT),
        Event::Cache(at) => next.put(at, CACHED),
        Event::Expire(at) => next.take(at, CACHED),
        Event::Restart(at) => with_side(world, at, |side| start(world, side, &mut next, at, false)),
        Event::Join(at) => next.take(at, KNOWS_NEW | GIVEN_NEW | WRITES_NEW),
        Event::GraceOver => next.clear(flag::GRACE),
        Event::SoakOver => next.clear(flag::SOAK),
        Event::ServiceLands => {
            next.clear(flag::LANDING);
            next.set(flag::STORE_OLD);
        }
        Event::ServiceDone => next.clear(flag::LANDING),
        Event::TurnsUp => next.set(flag::STORE_OLD | flag::LATE),
        Event::WindowShuts => next.set(flag::SHUT),
        Event::WindowOpens => next.clear(flag::SHUT),
        Event::Sleeper(at) => match world.steps().get(at).map(|step| &step.part) {
            Some(Part::Enable) => next.old = next.old.map(|_| model::State::DecryptOnly),
            Some(Part::Add) => next.breach(Breach::SecondVersion),
            _ => next.breach(Breach::WrittenOver),
        },
    }
    next
}

fn with_side(world: &World, at: usize, then: impl FnOnce(&Side)) {
    if let Some(side) = world.side_of(at) {
        then(side);
    }
}

/// All members with their fleets.
pub fn everybody(world: &World) -> impl Iterator<Item = (&Side, usize)> {
    world.fleets.iter().flat_map(|side| (0..side.members.len()).map(move |at| (side, side.first + at)))
}

/// Whether any of these lingers in this state.
pub fn lingers(world: &World, state: &State, these: &BTreeSet<Linger>) -> bool {
    these.iter().any(|linger| match linger {
        Linger::Learning(fleet) => {
            any_of(world, *fleet, |side, at| state.member(at, UP) && !knows_new(side, state, at))
        }
        Linger::Following(fleet) => any_of(world, *fleet, |side, at| side.writes() && !state.member(at, WRITES_NEW)),
        Linger::Forgetting(fleet) => {
            any_of(world, *fleet, |side, at| state.member(at, UP) && knows_old(side, state, at))
        }
        Linger::InFlight(fleet) => any_of(world, *fleet, |_, at| state.member(at, FLIGHT)),
        Linger::Cached(fleet) => any_of(world, *fleet, |_, at| state.member(at, CACHED)),
        Linger::Grace => state.is(flag::GRACE),
        Linger::Soak => state.is(flag::SOAK),
        Linger::Landing => state.is(flag::LANDING),
    })
}

fn any_of(world: &World, fleet: usize, test: impl Fn(&Side, usize) -> bool) -> bool {
    let Some(side) = world.fleets.get(fleet) else { return false };
    (side.first..side.first + side.members.len()).any(|at| test(side, at))
}

/// Whether the new version is where this member would find it.
pub fn available_new(side: &Side, state: &State, at: usize) -> bool {
    let there = state.new.is_some_and(model::State::opens);
    if side.fleet.deliver.is_some() { state.member(at, GIVEN_NEW) } else { there }
}

/// Whether the old version is where this member would find it.
pub fn available_old(side: &Side, state: &State, at: usize) -> bool {
    match (side.fleet.deliver.is_some(), side.fleet.withdraw.is_some()) {
        (true, _) => state.member(at, GIVEN_OLD),
        (false, true) => state.member(at, GIVEN_OLD) && state.old_opens(),
        (false, false) => state.old_opens(),
    }
}

/// Whether a member can open what the new version sealed.
pub fn knows_new(side: &Side, state: &State, at: usize) -> bool {
    match side.fleet.learns {
        Learns::Always => available_new(side, state, at),
        _ => state.member(at, KNOWS_NEW),
    }
}

/// Whether a member can open what the old version sealed.
pub fn knows_old(side: &Side, state: &State, at: usize) -> bool {
    match side.fleet.learns {
        Learns::Always => available_old(side, state, at),
        _ => state.member(at, KNOWS_OLD),
    }
}

/// Whether what a member reads as its pointer names the new version.
pub fn pointer_is_new(world: &World, state: &State, side: &Side, at: usize) -> bool {
    if side.fleet.point.is_some() {
        return state.member(at, POINTED);
    }
    if side.holds_one() && !side.after.is_empty() {
        return side.after.iter().all(|other| !any_of(world, *other, |_, at| !state.member(at, WRITES_NEW)));
    }
    state.new == Some(model::State::Current)
}

fn learn(side: &Side, state: &mut State, at: usize) {
    let (new, old) = (available_new(side, state, at), available_old(side, state, at));
    state.take(at, KNOWS_NEW | KNOWS_OLD);
    state.put(at, if new { KNOWS_NEW } else { 0 } | if old { KNOWS_OLD } else { 0 });
}

fn learn_if_looking(side: &Side, state: &mut State, at: usize) {
    if side.looks() && follows(&side.fleet) == side.fleet.learns {
        learn(side, state, at);
    }
}

fn write_new(world: &World, side: &Side, state: &mut State, at: usize) {
    let wrote_old = side.writes() && world.has_old && !state.member(at, WRITES_NEW);
    state.put(at, WRITES_NEW);
    if wrote_old && !side.fleet.in_flight.is_zero() && state.old_opens() {
        state.put(at, FLIGHT);
    }
}

/// A member starts: it reads what it was given and what its pointer names; one that opens its values at the
/// start opens them now.
pub fn start(world: &World, side: &Side, state: &mut State, at: usize, by_us: bool) {
    state.put(at, UP);
    if side.holds_one() {
        return start_with_one(world, side, state, at, by_us);
    }
    learn(side, state, at);
    let all_know = world.kind != Kind::Back || all_know_old(world, state);
    if side.counts_anew(world.kind) && world.has_old && available_old(side, state, at) && all_know {
        // It counts anew since when it has known the new version, and until then writes as before.
        state.take(at, WRITES_NEW);
    }
    let follows_now = side.fleet.writes == crate::policy::meant::fleet::Writes::Current;
    if world.kind == Kind::Back && follows_now && !pointer_is_new(world, state, side, at) && all_know_old(world, state)
    {
        state.take(at, WRITES_NEW);
    }
    if follows_now && pointer_is_new(world, state, side, at) && state.new.is_some() {
        if knows_new(side, state, at) {
            write_new(world, side, state, at);
        } else {
            cannot_start(world, state, at, by_us);
        }
    }
}

/// It starts, is told to use what it does not have, and does not serve.
fn cannot_start(world: &World, state: &mut State, at: usize, by_us: bool) {
    // Where somebody else made the version current, or there is none yet, that is how we found the world.
    if matches!(world.kind, Kind::Follow | Kind::First) && !by_us {
        return state.take(at, UP);
    }
    state.breach(Breach::CannotStart(at));
}

fn start_with_one(world: &World, side: &Side, state: &mut State, at: usize, by_us: bool) {
    let new = pointer_is_new(world, state, side, at);
    let has =
        if new { available_new(side, state, at) || side.fleet.point.is_none() } else { available_old(side, state, at) };
    let others = if new { state.is(flag::STORE_OLD) } else { state.is(flag::STORE_NEW) };
    let opens = !(side.at_start() && others && world.moves);
    if has && opens {
        state.take(at, KNOWS_OLD | KNOWS_NEW);
        state.put(at, if new { KNOWS_NEW } else { KNOWS_OLD });
        if new {
            write_new(world, side, state, at);
        }
        return;
    }
    // Values that turned up under the other version are what the plan mends.
    let mending = world.kind == Kind::Reopen && !state.is(flag::CLOSED) || state.is(flag::LATE);
    let hazard = has && (mending || world.accepts("K207", &side.name));
    match (hazard, by_us) {
        // Swept again and started again, until it is healthy: what a late writer left is moved.
        (true, true) if new && others => {
            state.clear(flag::STORE_OLD);
            start_with_one(world, side, state, at, false);
        }
        (true, false) => state.take(at, UP),
        _ if has && world.moves => state.breach(Breach::FailsInSpan(at)),
        _ => cannot_start(world, state, at, by_us),
    }
}
