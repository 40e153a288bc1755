//! What delays promise: which lingering things are over when a wait ends, or when a member begins to write by
//! itself. All of it is arithmetic on the policy's declared spans and the plan's own waits.

use crate::decision::lead::follows;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Waiting;
use crate::plan::pass::reach;
use crate::plan::step::Step;
use crate::plan::step::Why;
use crate::policy::meant::fleet::Counts;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Writes;
use crate::prove::world::Side;
use crate::prove::world::World;
use std::collections::BTreeSet;

/// Something that lingers, and is over after a declared time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linger {
    /// A member of the fleet does not know the new version yet.
    Learning(usize),
    /// A member of the fleet still writes under the old version.
    Following(usize),
    /// A member of the fleet still knows the old version, which was taken from it.
    Forgetting(usize),
    /// A write of the fleet under the old version has not landed.
    InFlight(usize),
    /// A member of the fleet keeps an old sealed value.
    Cached(usize),
    /// The grace period runs.
    Grace,
    /// The time of normal traffic runs.
    Soak,
    /// A service may write an old value back after its own rewrap.
    Landing,
}

/// For each step that waits, and each fleet that writes by itself, what is over by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Timing {
    /// By step.
    pub waits: Vec<BTreeSet<Linger>>,
    /// By fleet.
    pub fuses: Vec<BTreeSet<Linger>>,
}

impl Timing {
    /// What the delays of this world promise.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let above = ancestors(world);
        let mut all = lingers(world);
        all.extend(counting(world, &all, &above));
        let waits = world.steps().iter().zip(&above).map(|(step, above)| {
            let Some(by) = waited(step) else { return BTreeSet::new() };
            over(&all, by, above)
        });
        let waits = waits.collect();
        let fuses = world.fleets.iter().map(|side| match side.fleet.writes {
            Writes::NewestAfter(delay) => {
                // Who counts from the making does not wait for what is brought later.
                let from = match side.fleet.counts {
                    Counts::Seen => reaching(world, side),
                    Counts::Made => places(world, |part| matches!(part, Part::Add)),
                };
                let mut over = over(&all, delay, &from);
                over.extend(rescued(world, delay));
                // Whoever goes back makes newest what members have known for long.
                if world.kind == Kind::Back { BTreeSet::new() } else { over }
            }
            Writes::Current | Writes::Never => BTreeSet::new(),
        });
        let fuses = fuses.collect();
        Self { waits, fuses }
    }
}

/// Fleets whose silent members are restarted in time: their wait has a deadline, at which the run stops and names them,
/// and that leaves time enough.
fn rescued(world: &World, delay: Span) -> impl Iterator<Item = Linger> {
    let in_time = move |side: &Side| {
        world.steps().iter().any(|step| {
            let waits = matches!(&step.part, Part::Wait { until: Waiting::Readable { fleet } } if *fleet == side.name);
            let leaves =
                |gate: &Gate| matches!(gate, Gate::NotAfter { within } if within.plus(reach(&side.fleet)) <= delay);
            waits && step.gates.iter().any(leaves)
        })
    };
    let kept = world.flaws.silent_member && !world.flaws.deadline_ignored;
    let sides = world.fleets.iter().enumerate().filter(move |(_, side)| kept && in_time(side));
    sides.map(|(at, _)| Linger::Learning(at))
}

/// Members that count for themselves write under the new version so long after all of them are known to know it: after a
/// wait that no silent one passes.
fn counting(world: &World, known: &[Bounded], above: &[BTreeSet<usize>]) -> Vec<Bounded> {
    let mut all = Vec::new();
    for (at, side) in world.fleets.iter().enumerate() {
        let Writes::NewestAfter(delay) = side.fleet.writes else { continue };
        if world.kind == Kind::Back {
            continue;
        }
        for (step, above) in world.steps().iter().zip(above).enumerate().filter_map(|(number, (step, above))| {
            let waits = matches!(&step.part, Part::Wait { until: Waiting::Readable { fleet } } if *fleet == side.name);
            let starts = matches!(&step.part, Part::Restart { fleet, member: None, .. } if *fleet == side.name);
            (waits || starts).then_some(((number, step), above))
        }) {
            let (number, step) = step;
            let proven = step.gates.iter().any(|gate| matches!(gate, Gate::Proof { at_least: 1.., .. }));
            let timed = waited(step).is_some_and(|by| over(known, by, above).contains(&Linger::Learning(at)));
            let started = matches!(step.part, Part::Restart { .. }) && reaching(world, side).is_subset(above);
            if proven && !world.flaws.stale_proof || timed || started {
                let roots = BTreeSet::from([number]);
                let landed = delay.plus(side.fleet.in_flight);
                all.push(Bounded { linger: Linger::Following(at), span: delay, roots: roots.clone() });
                all.push(Bounded { linger: Linger::InFlight(at), span: landed, roots });
            }
        }
    }
    all
}

/// How long a step waits at the least.
fn waited(step: &Step) -> Option<Span> {
    let by = step.gates.iter().filter_map(|gate| match gate {
        Gate::After { by } => Some(*by),
        _ => None,
    });
    by.max()
}

struct Bounded {
    linger: Linger,
    span: Span,
    roots: BTreeSet<usize>,
}

fn over(all: &[Bounded], by: Span, above: &BTreeSet<usize>) -> BTreeSet<Linger> {
    all.iter().filter(|one| one.span <= by && one.roots.is_subset(above)).map(|one| one.linger).collect()
}

/// For each step all steps that are done before it.
pub(super) fn ancestors(world: &World) -> Vec<BTreeSet<usize>> {
    let mut above: Vec<BTreeSet<usize>> = Vec::new();
    for step in world.steps() {
        let mut all = BTreeSet::new();
        for need in &step.needs {
            all.insert(need.step);
            all.extend(above.get(need.step).into_iter().flatten().copied());
        }
        above.push(all);
    }
    above
}

fn places(world: &World, of: impl Fn(&Part) -> bool) -> BTreeSet<usize> {
    world.steps().iter().enumerate().filter(|(_, step)| of(&step.part)).map(|(at, _)| at).collect()
}

/// The steps by which a version reaches a fleet.
fn reaching(world: &World, side: &Side) -> BTreeSet<usize> {
    let name: &Name = &side.name;
    places(world, |part| {
        let enabled = world.kind == Kind::Back && matches!(part, Part::Enable);
        enabled || matches!(part, Part::Add) || matches!(part, Part::Deliver { fleet } if fleet == name)
    })
}

fn lingers(world: &World) -> Vec<Bounded> {
    let mut all = Vec::new();
    for (at, side) in world.fleets.iter().enumerate() {
        let name = &side.name;
        let learns = side.fleet.learns.at_most();
        let reached = reaching(world, side);
        if let Some(span) = learns {
            // A member that is silent for longer than its fleet declares is what a proof is for.
            if !world.flaws.silent_member {
                all.push(Bounded { linger: Linger::Learning(at), span, roots: reached.clone() });
            }
            let taken = places(world, |part| matches!(part, Part::Withdraw { fleet } if fleet == name));
            if !taken.is_empty() {
                all.push(Bounded { linger: Linger::Forgetting(at), span, roots: taken });
            }
        }
        let pointed = places(world, |part| {
            let promoted = world.able.promotes && matches!(part, Part::Add);
            promoted || matches!(part, Part::Switch) || matches!(part, Part::Point { fleet, .. } if fleet == name)
        });
        let started = places(
            world,
            |part| matches!(part, Part::Restart { fleet, why: Why::Follow | Why::Learn, .. } if fleet == name),
        );
        // How long until the whole fleet writes under the new version, and since which steps.
        let following = match side.fleet.writes {
            Writes::Never => None,
            Writes::NewestAfter(delay) if world.kind == Kind::Back => learns.map(|span| (span.plus(delay), pointed)),
            Writes::NewestAfter(delay) => learns.map(|span| (span.plus(delay), reached)),
            Writes::Current => match follows(&side.fleet) {
                Learns::Restart => None,
                Learns::Every { .. } | Learns::Always => follows(&side.fleet).at_most().map(|span| (span, pointed)),
            },
        };
        if let Some((span, roots)) = &following {
            all.push(Bounded { linger: Linger::Following(at), span: *span, roots: roots.clone() });
        }
        let (span, roots) = following.unwrap_or((Span::ZERO, started));
        all.push(Bounded { linger: Linger::InFlight(at), span: span.plus(side.fleet.in_flight), roots });
        let closed = places(world, |part| matches!(part, Part::Close));
        all.push(Bounded { linger: Linger::Cached(at), span: side.fleet.caches, roots: closed });
    }
    let made = places(world, |part| {
        matches!(part, Part::Add | Part::Deliver { .. }) || world.kind == Kind::Back && matches!(part, Part::Enable)
    });
    all.push(Bounded { linger: Linger::Grace, span: world.grace, roots: made });
    let closed = places(world, |part| matches!(part, Part::Close));
    all.push(Bounded { linger: Linger::Soak, span: world.soak, roots: closed });
    let moved = places(world, |part| matches!(part, Part::Rewrap { .. } | Part::Sweep { .. }));
    let landing = world.fleets.iter().map(|side| side.fleet.in_flight).max().unwrap_or(Span::ZERO);
    all.push(Bounded { linger: Linger::Landing, span: landing, roots: moved });
    all
}
