//! A violation told so that a person can follow it, and what a proof holds for.

use crate::digest::Digest;
use crate::model::Name;
use crate::plan::Kind;
use crate::plan::Proof;
use crate::plan::phrase::named;
use crate::plan::phrase::told;
use crate::plan::step::Step;
use crate::policy::meant::check::When;
use crate::policy::meant::fleet::Counts;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::key::risk_name;
use crate::prove::Breach;
use crate::prove::event::Event;
use crate::prove::model::Action;
use crate::prove::model::Visited;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::world::World;
use std::fmt;

/// A way to a state in which the plan is not safe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violation {
    /// The key.
    pub key: String,
    /// What is wrong in the end.
    pub breach: Option<Breach>,
    /// The hazard's code, where a policy may accept it by name.
    pub hazard: Option<&'static str>,
    /// The fleet that the hazard is accepted for.
    pub fleet: Option<Name>,
    /// What happens, one sentence an act or event.
    pub story: Vec<String>,
    /// How it ends.
    pub end: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
}

impl Violation {
    /// A violation of this world's key, of which nothing is told yet.
    pub(crate) fn of(world: &World) -> Self {
        Self { key: world.key.clone(), ..Self::default() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the plan for `{}` is not safe:", self.key)?;
        for (at, sentence) in self.story.iter().enumerate() {
            writeln!(f, "  {}. {sentence}", at + 1)?;
        }
        let code = self.hazard.map(|code| format!(" ({code})")).unwrap_or_default();
        let invariant = self.breach.map(|breach| format!(" [{}]", breach.invariant())).unwrap_or_default();
        write!(f, "  => {}{code}{invariant}", self.end)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Tells the way to the last of these states.
pub fn tell(world: &World, path: &[(State, Option<Action>)]) -> Violation {
    let breach = path.last().and_then(|(state, _)| state.breach);
    let story = sentences(world, path);
    let (hazard, fleet) = hazard(world, path, breach);
    let end = breach.map_or_else(String::new, |breach| named(world.unit.keys.first(), ending(world, breach)));
    let hint = hazard.zip(fleet.as_ref()).map(|(code, fleet)| match world.accepted.falls_short(code, fleet) {
        Some(why) => format!("{why}; make it shorter, or see whether that can be borne (`keyrota explain {code}`)"),
        None => format!(
            "`keyrota explain {code}`; where it can be borne, accept {code} for `{fleet}` by name in the policy"
        ),
    });
    let hint = hint.or_else(|| counts_anew(world, path));
    Violation { key: world.key.clone(), breach, hazard, fleet, story, end, hint }
}

/// Where a member that restarted wrote as before: nobody knows when the last of them does so.
fn counts_anew(world: &World, path: &[(State, Option<Action>)]) -> Option<String> {
    let restarted = path.iter().find_map(|(_, action)| match action {
        Some(Action::World(Event::Restart(at))) => world.side_of(*at).filter(|side| side.counts_anew(world.kind)),
        _ => None,
    });
    let name = &restarted.filter(|_| world.kind != Kind::Back && world.has_old)?.name;
    Some(format!(
        "a member of `{name}` that restarts counts anew and writes as before until then, so no wait is long enough: where it counts \
         from the hour that the version bears, say `counts = \"made\"` beside `newest_after`; where it does not, nothing that it \
         seals can be moved and retired safely (`retire = \"never\"`, and a store of the type `unseen`)"
    ))
}

/// The hazard that a policy may accept by name for this breach, and the fleet that it is accepted for.
fn hazard(
    world: &World,
    path: &[(State, Option<Action>)],
    breach: Option<Breach>,
) -> (Option<&'static str>, Option<Name>) {
    match breach {
        Some(Breach::FailsInSpan(at)) => (Some("K207"), world.side_of(at).map(|side| side.name.clone())),
        Some(Breach::StrandedNew(_) | Breach::GraceCut | Breach::CannotFollow(_)) => {
            let writer = path.iter().rev().find_map(|(_, action)| match action {
                Some(Action::World(Event::Write(at) | Event::Follow(at))) => world.side_of(*at),
                _ => None,
            });
            // Only a fleet that writes with a version the moment it is made can outrun the others by design.
            match writer.filter(|side| world.able.promotes && side.follows()) {
                Some(side) => (Some("K203"), Some(side.name.clone())),
                None => (None, None),
            }
        }
        _ => (None, None),
    }
}

/// A sentence for each act and event; an act that nothing came between is one.
fn sentences(world: &World, path: &[(State, Option<Action>)]) -> Vec<String> {
    let mut told = Vec::new();
    let mut rest = path;
    while let Some(((state, action), after)) = rest.split_first() {
        let ahead: Vec<Option<Action>> = rest.iter().take(3).map(|(_, action)| *action).collect();
        let (sentence, taken) = match ahead.as_slice() {
            [Some(Action::Begin(a)), Some(Action::Effect(b, _)), Some(Action::Done(c))] if a == b && b == c => {
                (Some(format!("{} is done", step_name(world, *a))), 3)
            }
            [Some(Action::Begin(a)), Some(Action::Effect(b, _)), ..] if a == b => {
                (Some(format!("{} takes effect", step_name(world, *a))), 2)
            }
            _ => (action.map(|action| sentence(world, state, action)), 1),
        };
        told.extend(sentence);
        rest = if taken == 1 { after } else { rest.get(taken..).unwrap_or_default() };
    }
    told.into_iter().map(|sentence| named(world.unit.keys.first(), sentence)).collect()
}

/// Tells of a plan that never comes to its end: how far it comes where everything goes well.
pub fn endless(world: &World, furthest: &State) -> Violation {
    let done = |at: usize| furthest.step(at) == Micro::Done;
    let open =
        world.steps().iter().enumerate().filter(|(at, step)| !done(*at) && step.needs.iter().all(|n| done(n.step)));
    let told: Vec<String> = open.map(|(at, _)| step_name(world, at)).collect();
    let steps = world.steps().iter().enumerate().filter(|(at, _)| done(*at));
    let story = steps.map(|(at, _)| format!("{} is done", step_name(world, at))).collect();
    let end = format!("whatever happens, the plan does not come to its end: {} waits for ever", told.join(", "));
    Violation { breach: Some(Breach::NeverEnds), story, end, ..Violation::of(world) }
}

fn goes_round(world: &World, state: &State, at: usize) -> bool {
    state.step(at) == Micro::Effected && crate::prove::act::done(world, state, at).is_none()
}

fn member(world: &World, at: usize) -> String {
    let name = world.side_of(at).and_then(|side| side.members.get(at - side.first));
    name.map_or_else(|| "a member".to_owned(), |name| format!("`{name}`"))
}

/// A step, as stories name it.
pub(super) fn step_name(world: &World, at: usize) -> String {
    let act = world.steps().get(at).map(|step: &Step| told(world.unit.keys.first(), &step.part)).unwrap_or_default();
    format!("step {} ({act})", at + 1)
}

fn sentence(world: &World, state: &State, action: Action) -> String {
    match action {
        Action::Begin(at) => format!("{} begins", step_name(world, at)),
        Action::Effect(at, _) => format!("{} takes effect", step_name(world, at)),
        Action::Done(at) => format!("{} is done", step_name(world, at)),
        Action::Die(at) if goes_round(world, state, at) => {
            format!("{} finds that something is left and goes round again", step_name(world, at))
        }
        Action::Die(at) if state.step(at) == Micro::Begun => {
            format!("the executor dies in the middle of {}; the next attempt is another's", step_name(world, at))
        }
        Action::Die(at) => {
            format!(
                "the executor dies before it has written down that {} was done; the next attempt is another's",
                step_name(world, at)
            )
        }
        Action::Late(at) => format!("{} finds what must not be there", step_name(world, at)),
        Action::Undo(at) => format!("{} is taken back", step_name(world, at)),
        Action::Undone(_) => "another round begins".into(),
        Action::World(event) => happening(world, event),
    }
}

fn happening(world: &World, event: Event) -> String {
    let who = |at| member(world, at);
    match event {
        Event::Refresh(at) => format!("{} looks again and takes what is there", who(at)),
        Event::Follow(at) => format!("{} follows the pointer to the new version", who(at)),
        Event::Fuse(at) => format!("{} has known the new version for long enough and begins to write with it", who(at)),
        Event::Behind(at) => {
            format!("{} goes by what stood before, and writes with the version that is to be left", who(at))
        }
        Event::Write(at) => format!("{} writes a value", who(at)),
        Event::Land(at) => format!("a write of {} that was under way lands under the old version", who(at)),
        Event::Drop(at) => format!("a write of {} that was under way comes to nothing", who(at)),
        Event::Cache(at) => format!("{} reads a value and keeps it sealed under the old version", who(at)),
        Event::Expire(at) => format!("the cache of {} runs out", who(at)),
        Event::Restart(at) => format!("{} restarts by itself", who(at)),
        Event::Join(at) => format!("a new member takes the place of {} with what it was given long ago", who(at)),
        Event::GraceOver => "the grace period is over".into(),
        Event::SoakOver => "the time of normal traffic is over".into(),
        Event::ServiceLands => "the service writes an old value back".into(),
        Event::ServiceDone => "the service has nothing more under way".into(),
        Event::TurnsUp => "a backup brings values under the old version back".into(),
        Event::WindowShuts => "the key's window shuts".into(),
        Event::WindowOpens => "the key's window opens".into(),
        Event::Sleeper(at) => {
            format!(
                "a second executor, which slept since it began {}, wakes and writes what it meant to",
                step_name(world, at)
            )
        }
    }
}

fn ending(world: &World, breach: Breach) -> String {
    let who = |at| member(world, at);
    match breach {
        Breach::StrandedNew(at) => {
            format!("{} meets a value under the new version, which it does not know: it cannot open it", who(at))
        }
        Breach::StrandedOld(at) => format!(
            "{} meets a value under the old version, which it does not have any more: it cannot open it",
            who(at)
        ),
        Breach::StaleCache(at) => format!("{} opens a value that it kept under the old version, and cannot", who(at)),
        Breach::CannotFollow(at) => format!("{} is told to write with a version that it does not know", who(at)),
        Breach::CannotStart(at) => {
            format!("{} does not come up: it is told to use a version that it does not have", who(at))
        }
        Breach::FailsInSpan(at) => {
            format!("{} does not come up: it holds one version, and values are under the other", who(at))
        }
        Breach::ValuesLost => "values lie under a version that is disabled: nobody can open them".into(),
        Breach::WrittenOver => "what others wrote meanwhile is lost".into(),
        Breach::SealsDisabled(at) => format!("{} can still write under the old version, which is disabled", who(at)),
        Breach::CopiesLeft => "members still hold copies of the old version".into(),
        Breach::Unchecked => "something changes before anybody looked whether the world is as it should be".into(),
        Breach::StaleCheck => {
            "hours passed since the world was checked, and there is no easy way back from here".into()
        }
        Breach::Unopened => "nobody knows whether the old version opens what it sealed".into(),
        Breach::GraceCut => "the grace period is cut short".into(),
        Breach::NotKept => "something changes of which no pre-image was kept".into(),
        Breach::CheckSkipped(when) => format!("the checks of `{}` were passed over", word(when)),
        Breach::CheckEarly(when) => format!("the checks of `{}` look at what has not happened yet", word(when)),
        Breach::OutOfOrder => "a fleet's turn comes before that of a fleet that the policy puts first".into(),
        Breach::SoakCut => "the old version is taken away while values, caches or normal traffic may need it".into(),
        Breach::Unswept => "a member is started without a sweep just before".into(),
        Breach::OutsideWindow => "it happens outside the key's window".into(),
        Breach::TwoDown => "two members are down at once, by our own hand".into(),
        Breach::ClosedEarly => "the closing round is over while values are still being moved".into(),
        Breach::Uncounted => "the old version is disabled, and nobody counted whether anything is left under it".into(),
        Breach::EndsUnclean => "the plan ends while values are, or may yet come, under the old version".into(),
        Breach::NotFollowed => "the plan ends while a member still works with the old version".into(),
        Breach::ServiceBehind => {
            "the service is asked to move its values before it knows the new version as current".into()
        }
        Breach::SecondVersion => "a second version is made, and nobody knows of the first".into(),
        Breach::DestroyedNeeded => "a version is destroyed that something still needs: it is lost".into(),
        Breach::Impossible => "the step cannot be done: what it needs is not there".into(),
        Breach::Stuck => "nothing can go on, and nothing is waited for".into(),
        Breach::NotRetired => "the plan ends, and the old version still opens what it sealed".into(),
        Breach::KeptForEver
        | Breach::KeyOrder
        | Breach::Unapproved
        | Breach::GateInSpan
        | Breach::EmptyProof
        | Breach::HoldsOne
        | Breach::TooSlow
        | Breach::Restorable
        | Breach::NeverEnds
        | Breach::TooLarge => String::new(),
    }
}

fn word(when: When) -> &'static str {
    match when {
        When::Before => "before",
        When::Added => "added",
        When::Readable => "readable",
        When::Switched => "switched",
        When::Written => "written",
        When::Moved => "moved",
        When::Retired => "retired",
    }
}

/// What a check of a world found, told for this world.
pub fn proof(world: &World, shape: Digest, visited: Visited) -> Proof {
    Proof {
        shape,
        states: visited.states,
        depth: visited.depth,
        bound: bound(world),
        assumptions: assumptions(world),
        accepted: world.accepted.covered.iter().map(|(code, fleet)| risk_name(code, fleet.as_ref())).collect(),
    }
}

/// What was looked at.
fn bound(world: &World) -> String {
    let fleets = world.fleets.iter().map(|side| format!("{} of `{}`", side.members.len(), side.name));
    let fleets: Vec<String> = fleets.collect();
    format!(
        "{} steps; members: {}; one executor that may die anywhere and begin again",
        world.steps().len(),
        fleets.join(", ")
    )
}

/// The declared delays that a proof rests on.
fn assumptions(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for side in &world.fleets {
        let (name, fleet) = (&side.name, &side.fleet);
        match fleet.learns {
            Learns::Every { every, margin } => {
                all.push(format!("every running member of `{name}` looks again within {every} (and {margin} margin)"));
            }
            Learns::Restart => all.push(format!("a member of `{name}` that restarts takes what it was given")),
            Learns::Always => all.push(format!("members of `{name}` find a version the moment it is there")),
        }
        if let Writes::NewestAfter(delay) = fleet.writes {
            all.push(format!("no member of `{name}` writes with a version sooner than {delay} after it appeared"));
            all.push(match fleet.counts {
                Counts::Seen => format!("a member of `{name}` that restarts may count those {delay} anew"),
                Counts::Made => format!(
                    "members of `{name}` count those {delay} from when the version was made, also after a restart"
                ),
            });
        }
        if side.writes() && world.has_old {
            all.push(format!("a write of `{name}` lands within {}", fleet.in_flight));
        }
        if !fleet.caches.is_zero() && world.has_old {
            all.push(format!("members of `{name}` keep a sealed value for at most {}", fleet.caches));
        }
    }
    all
}
