//! How long a rotation takes from its opening until nobody writes under the old version. Start-by counts
//! back through it, so that "90 days" means what an auditor thinks it means.

use crate::decision::calendar;
use crate::inventory::Able;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::project::Calendar;
use serde::Deserialize;
use serde::Serialize;

/// Values a second that are moved or opened with the key at hand, on the slow side of what was measured.
pub const VALUES_A_SECOND: u64 = 50_000;

/// The parts of the lead, the longest path through each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lead {
    /// From the new version's making until every member can read it.
    pub readable: Span,
    /// What of `grace` goes beyond that.
    pub grace: Span,
    /// The longest wait for a window, and for the end of a freeze.
    pub window: Span,
    /// From the turn until every member writes under the new version.
    pub written: Span,
    /// How late a write may land after that.
    pub in_flight: Span,
}

impl Lead {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Span {
        self.readable.plus(self.grace).plus(self.window).plus(self.written).plus(self.in_flight)
    }

    /// What follows the turn.
    #[must_use]
    pub fn after_turn(&self) -> Span {
        self.written.plus(self.in_flight)
    }

    /// With the wait for the key's window and for freezes: the longest that there is, or what this end asks for, where
    /// freezes make that longer.
    #[must_use]
    pub fn with_window(mut self, ways: &Ways<'_>, calendar: &Calendar, due: Option<Hour>) -> Self {
        let window = ways.key.window.as_ref().map(|window| (window, ways.turn_lasts()));
        if let Some((window, lasts)) = window {
            self.window = calendar::longest_wait(calendar, window, lasts);
        }
        let Some(latest) = due.map(|due| self.after_turn().before(due)) else { return self };
        let around = (self.readable.plus(self.grace), self.after_turn());
        if let Some(turn) = calendar::last_turn(calendar, window, around, latest) {
            self.window = self.window.max(Span::between(turn, latest));
        }
        self
    }
}

/// What a key's lead depends on.
#[derive(Debug, Clone)]
pub struct Ways<'a> {
    /// The key.
    pub key: &'a Key,
    /// Its fleets, by name.
    pub fleets: Vec<(&'a Name, &'a Fleet)>,
    /// What its backend can do.
    pub able: Option<Able>,
    /// How many values are to be moved.
    pub values: u64,
}

impl Ways<'_> {
    /// The lead, without the wait for a window. A restart counts with the time that it may take.
    #[must_use]
    pub fn lead(&self) -> Lead {
        let longest = |of: &dyn Fn(&Fleet) -> Span| self.fleets.iter().map(|(_, f)| of(f)).max().unwrap_or(Span::ZERO);
        let in_flight = longest(&|fleet| if fleet.writes == Writes::Never { Span::ZERO } else { fleet.in_flight });
        let readable = longest(&|fleet| self.learned(fleet, self.fleets.len()));
        let written = longest(&|fleet| self.followed(fleet, self.fleets.len()));
        // What the old version sealed is opened before the turn.
        let before = readable.max(self.work());
        let given =
            longest(&|fleet| if fleet.deliver.is_some() { self.given(fleet, self.fleets.len()) } else { Span::ZERO });
        let grace = if self.key.grace.is_zero() { Span::ZERO } else { given.plus(self.key.grace).less(before) };
        // Where the making of the version is the turn, learning and following begin at once.
        match self.turns_when_made() {
            true => Lead { readable: self.work(), grace: Span::ZERO, window: Span::ZERO, written, in_flight },
            false => Lead { readable: before, grace, window: Span::ZERO, written, in_flight },
        }
    }

    /// How long the window must stay open: for the turn and, where members take turns, for all of them.
    #[must_use]
    pub fn turn_lasts(&self) -> Span {
        let single = self.fleets.iter().filter(|(_, fleet)| fleet.holds == Holds::One);
        let restarts = single.clone().fold(Span::ZERO, |sum, (_, fleet)| sum.plus(turns_span(fleet)));
        if single.count() == 0 { Span::ZERO } else { restarts.plus(self.work()) }
    }

    fn turns_when_made(&self) -> bool {
        let by_themselves = self.fleets.iter().any(|(_, fleet)| matches!(fleet.writes, Writes::NewestAfter(_)));
        self.able.is_some_and(|able| able.promotes) || by_themselves
    }

    /// How long it takes to open, or to move, every value.
    fn work(&self) -> Span {
        Span::seconds(self.values.div_ceil(VALUES_A_SECOND))
    }

    /// The longest of something over the fleets that come before this one. Policies have no cycles; a limit is put to
    /// it nonetheless.
    fn after(&self, fleet: &Fleet, left: usize, of: impl Fn(&Fleet, usize) -> Span) -> Span {
        let Some(left) = left.checked_sub(1) else { return Span::ZERO };
        let first = self.fleets.iter().filter(|(name, _)| fleet.after.contains(*name));
        first.map(|(_, fleet)| of(fleet, left)).max().unwrap_or(Span::ZERO)
    }

    /// From the making of the version until this fleet knows it.
    fn learned(&self, fleet: &Fleet, left: usize) -> Span {
        let own = if fleet.holds == Holds::One { Span::ZERO } else { learn_span(fleet) };
        self.given(fleet, left).plus(own)
    }

    /// From the making of the version until it is brought to this fleet: after fleets that the policy puts first, and
    /// where it writes, after those that only keep or read it.
    fn given(&self, fleet: &Fleet, left: usize) -> Span {
        let first = self.after(fleet, left, |first, left| self.learned(first, left));
        let writes = fleet.writes != Writes::Never && fleet.deliver.is_some();
        let Some(left) = left.checked_sub(1).filter(|_| writes) else { return first };
        let readers = self.fleets.iter().map(|(_, fleet)| *fleet);
        let readers = readers.filter(|other| other.writes == Writes::Never && other.deliver.is_some());
        let given = readers.map(|reader| self.given(reader, left)).max();
        first.max(given.unwrap_or(Span::ZERO))
    }

    /// From the turn until this fleet writes under the new version.
    fn followed(&self, fleet: &Fleet, left: usize) -> Span {
        let learned = if self.turns_when_made() { self.learned(fleet, self.fleets.len()) } else { Span::ZERO };
        let first = self.after(fleet, left, |first, left| self.followed(first, left));
        match fleet.writes {
            Writes::NewestAfter(fuse) => learned.plus(fuse),
            _ if fleet.holds == Holds::One => first.max(self.work()).plus(turns_span(fleet)),
            Writes::Never => Span::ZERO,
            Writes::Current if follows(fleet) == Learns::Restart => first.max(learned).plus(restart_span(fleet)),
            Writes::Current => learned.plus(follow_span(fleet)),
        }
    }
}

/// How long until a running fleet knows a version that it was given.
#[must_use]
pub fn learn_span(fleet: &Fleet) -> Span {
    fleet.learns.at_most().unwrap_or_else(|| restart_span(fleet))
}

/// How long until a running fleet writes under a version that was made current.
#[must_use]
pub fn follow_span(fleet: &Fleet) -> Span {
    follows(fleet).at_most().unwrap_or_else(|| restart_span(fleet))
}

/// How a fleet learns which version is current.
#[must_use]
pub fn follows(fleet: &Fleet) -> Learns {
    fleet.follows.unwrap_or(fleet.learns)
}

fn restart_span(fleet: &Fleet) -> Span {
    fleet.restart.as_ref().map_or(Span::ZERO, |restart| restart.within)
}

/// How long the members of a fleet take that are restarted one after the other.
fn turns_span(fleet: &Fleet) -> Span {
    let members = match &fleet.members {
        Members::Listed(members) => members.len(),
        Members::FromProof { .. } | Members::FromCommand { .. } => 1,
    };
    (0..members).fold(Span::ZERO, |sum, _| sum.plus(restart_span(fleet)))
}
