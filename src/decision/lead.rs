//! How long a rotation takes from its opening until nobody writes under the old version. Start-by counts
//! back through it, so that "90 days" means what an auditor thinks it means.

use crate::inventory::Able;
use crate::model::Span;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::fleet::Holds;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Writes;
use serde::Deserialize;
use serde::Serialize;

/// The parts of the lead, the longest path through each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lead {
    /// From the new version's making until every member can read it.
    pub readable: Span,
    /// What of `grace` goes beyond that.
    pub grace: Span,
    /// The longest wait for a window.
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
}

/// The lead of one key with these fleets. A restart counts with the time that it may take.
#[must_use]
pub fn lead(key: &Key, fleets: &[&Fleet], able: Option<&Able>, window: Span) -> Lead {
    let longest = |of: &dyn Fn(&Fleet) -> Span| fleets.iter().map(|fleet| of(fleet)).max().unwrap_or(Span::ZERO);
    let promotes = able.is_some_and(|able| able.promotes);
    let in_flight = longest(&|fleet| if fleet.writes == Writes::Never { Span::ZERO } else { fleet.in_flight });
    let by_themselves = fleets.iter().any(|fleet| matches!(fleet.writes, Writes::NewestAfter(_)));
    let readable = longest(&learn_span);
    let written = longest(&|fleet| match fleet.writes {
        Writes::Never => Span::ZERO,
        Writes::NewestAfter(fuse) => learn_span(fleet).plus(fuse),
        Writes::Current if fleet.holds == Holds::One => restart_span(fleet),
        Writes::Current => follow_span(fleet),
    });
    // Where the making of the version is the turn, nothing stands between them: both begin at once.
    let together = promotes || by_themselves;
    let before = if together { Span::ZERO } else { readable };
    let grace = if together { Span::ZERO } else { key.grace.less(readable) };
    Lead { readable: before, grace, window, written, in_flight }
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
