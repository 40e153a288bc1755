//! Virtual time: a clock that nobody waits for. When it is told to sleep, everything that members would do until then
//! happens at once; and each look at it takes a moment, in which they go on too.

use crate::model::Hour;
use crate::model::Span;
use crate::port::clock::Clock;
use crate::simulated::crowd::Crowd;
use crate::simulated::dice::Dice;
use std::cell::RefCell;
use std::rc::Rc;

/// The hours of a simulated world. Clones share them.
#[derive(Clone)]
pub struct Time(Rc<RefCell<Inner>>);

struct Inner {
    now: Hour,
    crowd: Option<Crowd>,
    look: Span,
    wrong: Option<(Span, Dice)>,
}

impl Time {
    /// Time from this hour on, of which every look at the clock takes a little.
    #[must_use]
    pub fn from(now: Hour, look: Span) -> Self {
        Self(Rc::new(RefCell::new(Inner { now, crowd: None, look, wrong: None })))
    }

    /// Lets a fleet live in it.
    pub fn live(&self, crowd: Crowd) {
        self.0.borrow_mut().crowd = Some(crowd);
    }

    /// Lets whoever looks at the clock read hours that are wrong by up to this much, back or forth. Members go by the true one.
    pub fn go_wrong(&self, by: Span, dice: Dice) {
        self.0.borrow_mut().wrong = Some((by, dice));
    }

    /// The true hour.
    #[must_use]
    pub fn hour(&self) -> Hour {
        self.0.borrow().now
    }

    /// Lets time pass; says how many things members did.
    pub fn pass(&self, until: Hour) -> u64 {
        self.0.borrow_mut().pass(until)
    }

    /// Asks the fleet. `None` where there is none.
    pub fn ask<T>(&self, question: impl FnOnce(&mut Crowd) -> T) -> Option<T> {
        self.0.borrow_mut().crowd.as_mut().map(question)
    }
}

impl Inner {
    fn pass(&mut self, until: Hour) -> u64 {
        let happened = self.crowd.as_mut().map_or(0, |crowd| crowd.pass(until));
        self.now = self.now.max(until);
        happened
    }
}

impl Clock for Time {
    fn now(&self) -> Hour {
        let mut inner = self.0.borrow_mut();
        let next = inner.look.after(inner.now);
        inner.pass(next);
        let now = inner.now;
        match &mut inner.wrong {
            None => now,
            Some((by, dice)) => {
                let by = by.as_seconds();
                Span::seconds(by).before(Span::seconds(dice.below(by.saturating_mul(2).saturating_add(1))).after(now))
            }
        }
    }

    fn sleep_until(&self, hour: Hour) {
        self.pass(hour);
    }
}
