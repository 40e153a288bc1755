//! The world as a stateright model: breadth first on one thread, so that the first violation has the shortest
//! story.

use crate::course;
use crate::course::Door;
use crate::course::Next;
use crate::plan::Kind;
use crate::plan::Part;
use crate::prove::Breach;
use crate::prove::Violation;
use crate::prove::act;
use crate::prove::event;
use crate::prove::event::Event;
use crate::prove::gate;
use crate::prove::judge::judge;
use crate::prove::state::Micro;
use crate::prove::state::State;
use crate::prove::story;
use crate::prove::undo;
use crate::prove::world::World;
use crate::prove::world::has_effect;
use stateright::Checker;
use stateright::Model;
use stateright::Property;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// One thing that may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The executor writes a step's intent.
    Begin(usize),
    /// A step takes effect; the number tells outcomes apart.
    Effect(usize, usize),
    /// The executor writes that a step is done.
    Done(usize),
    /// The executor dies after it has written the intent and before it has written down that it is done: what it left is
    /// another's, which begins a new attempt. Or it finds that the effect is to be had again.
    Die(usize),
    /// A step looks, and finds what must not be there.
    Late(usize),
    /// A retirement's undo takes effect.
    Undo(usize),
    /// The executor writes that a retirement is taken back, and the round is open again.
    Undone(usize),
    /// The world does something.
    World(Event),
}

/// The property's name. There is one only: with two, stateright goes on after the first violation and tells another.
const SAFE: &str = "safe";

/// A world as stateright sees it.
#[derive(Clone)]
pub struct Small {
    world: Arc<World>,
    /// Whether a state was met in which every step is done.
    ended: Arc<AtomicBool>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited {
    /// States that can be reached.
    pub states: u64,
    /// Acts and events on the longest of the shortest ways.
    pub depth: u64,
}

/// Checks a world.
///
/// # Errors
/// The violation with the shortest story.
pub fn check(world: &World) -> Result<Visited, Box<Violation>> {
    let small = Small { world: Arc::new(world.clone()), ended: Arc::default() };
    let checker = small.clone().checker().threads(1).spawn_bfs().join();
    match checker.discovery(SAFE) {
        None if !small.ended.load(Ordering::Relaxed) => Err(Box::new(story::endless(world, &small.furthest()))),
        Some(path) => {
            let steps: Vec<(State, Option<Action>)> = path.into_vec();
            Err(Box::new(story::tell(world, &steps)))
        }
        None => Ok(Visited {
            states: u64::try_from(checker.unique_state_count()).unwrap_or(u64::MAX),
            depth: u64::try_from(checker.max_depth()).unwrap_or(u64::MAX),
        }),
    }
}

impl Small {
    fn doors(&self, state: &State) -> Vec<Door> {
        (0..state.steps.len()).map(|at| gate::door(&self.world, state, at)).collect()
    }

    /// What the executor may do, by the function that the real one asks.
    fn executor(&self, state: &State, out: &mut Vec<Action>) -> Next {
        let progress = state.progress(|at| gate::took(&self.world, state, at));
        let next = course::next(&self.world.unit, &progress, &self.doors(state));
        for at in 0..state.steps.len() {
            self.in_hand(state, at, out);
        }
        match &next {
            Next::Perform(ready) => ready.iter().for_each(|at| self.begin(state, *at, out)),
            // Each part of an undo may be repeated: one that was left is the same as one that was not begun.
            Next::TakeBack(back) => {
                let done = |at: &usize| if undo::is_back(state) { Action::Undone(*at) } else { Action::Undo(*at) };
                out.extend(back.iter().map(done));
            }
            _ => {}
        }
        next
    }

    /// What is ready is begun, whether for the first time or in a new attempt.
    fn begin(&self, state: &State, at: usize, out: &mut Vec<Action>) {
        let effects = self.world.steps().get(at).is_some_and(|step| has_effect(&step.part));
        match state.step(at) {
            Micro::Ahead | Micro::Left if effects => out.push(Action::Begin(at)),
            Micro::Ahead if act::done(&self.world, state, at).is_some() => {
                out.push(Action::Done(at));
                // What the application sees while the version is disabled, nobody knows before.
                out.extend(undo::may_fail(&self.world, state, at).then_some(Action::Late(at)));
            }
            Micro::Ahead if undo::finds_late(&self.world, state, at) => out.push(Action::Late(at)),
            _ => {}
        }
    }

    /// An act in hand is finished without asking again, unless its executor dies.
    fn in_hand(&self, state: &State, at: usize, out: &mut Vec<Action>) {
        match state.step(at) {
            Micro::Left if self.world.flaws.begun_goes_on => out.push(Action::Begin(at)),
            Micro::Begun => {
                let outcomes = act::effect(&self.world, state, at).len();
                out.extend((0..outcomes).map(|outcome| Action::Effect(at, outcome)));
                // Where no gate is asked again, an act that was left is one that takes its time.
                out.extend(self.is_gated(at).then_some(Action::Die(at)));
            }
            Micro::Effected if undo::finds_late(&self.world, state, at) => out.push(Action::Late(at)),
            Micro::Effected => {
                out.extend(act::done(&self.world, state, at).map(|_| Action::Done(at)));
                // Also where the effect is to be had again: a rewrap that met a late writer goes round once more.
                out.push(Action::Die(at));
            }
            Micro::Ahead | Micro::Left | Micro::Done | Micro::Back => {}
        }
    }
}

impl Model for Small {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut first = State::first(&self.world);
        first.iter_mut().for_each(|state| judge(&self.world, state));
        first
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.breach.is_some() {
            return;
        }
        self.executor(state, actions);
        let mut events = Vec::new();
        event::possible(&self.world, state, &mut events);
        actions.extend(events.into_iter().map(Action::World));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::Begin(at) => act::begin(&self.world, state, at),
            Action::Effect(at, outcome) => act::effect(&self.world, state, at).into_iter().nth(outcome)?,
            Action::Done(at) => act::done(&self.world, state, at)?,
            Action::Die(at) => {
                let mut next = state.clone();
                let again = state.step(at) == Micro::Effected && act::done(&self.world, state, at).is_none();
                next.put_step(at, if again || !self.is_gated(at) { Micro::Begun } else { Micro::Left });
                next
            }
            Action::Late(at) => undo::late(&self.world, state, at),
            Action::Undo(at) => undo::take_back(&self.world, state, at),
            Action::Undone(at) => undo::taken_back(&self.world, state, at),
            Action::World(event) => event::happen(&self.world, state, event),
        };
        judge(&self.world, &mut next);
        if next.finished() {
            self.ended.store(true, Ordering::Relaxed);
        }
        if next.breach.is_none() && self.stuck(&next) {
            next.breach(Breach::Stuck);
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFE, |_: &Self, state: &State| state.breach.is_none())]
    }
}

impl Small {
    /// How far the plan comes where everything goes well: for the story of one that has no end.
    fn furthest(&self) -> State {
        let mut states = self.init_states();
        let mut state = states.remove(0);
        // Each round does at least one step or lets one more thing happen, or there is nothing more to come.
        for _ in 0..state.steps.len() * 8 {
            let mut actions = Vec::new();
            self.actions(&state, &mut actions);
            let forward = |action: &Action| {
                let back = matches!(action, Action::Die(_) | Action::Late(_));
                !back && !matches!(action, Action::World(Event::Join(_) | Event::TurnsUp | Event::WindowShuts))
            };
            let next = actions.into_iter().filter(forward).filter_map(|action| self.next_state(&state, action));
            let next = next.max_by_key(|next| next.steps.iter().map(|step| *step as u8 as usize).sum::<usize>());
            let Some(next) = next else { break };
            state = next;
        }
        state
    }

    fn is_gated(&self, at: usize) -> bool {
        self.world.steps().get(at).is_some_and(|step| !step.gates.is_empty())
    }

    fn refuses(&self, state: &State, at: usize) -> bool {
        let counts = self.world.steps().get(at).is_some_and(|step| step.part == Part::Recount);
        counts && (self.world.kind == Kind::Destroy || !self.world.retired(state))
    }

    /// Whether an unfinished plan can neither go on nor waits for anything.
    fn stuck(&self, state: &State) -> bool {
        let mut acts = Vec::new();
        let finished = state.finished();
        match self.executor(state, &mut acts) {
            Next::Finish => !finished,
            // Where nothing was taken out of use yet, a count that finds something fails, and says what: that is a stop
            // with a name.
            Next::Perform(ready) => acts.is_empty() && !finished && !ready.iter().any(|at| self.refuses(state, *at)),
            Next::TakeBack(_) => acts.is_empty(),
            Next::Wait(_) | Next::Stop(_) => false,
        }
    }
}
