//! The hazards that a policy accepts by name, and whether an acceptance covers the whole of its hazard: how long that
//! lasts follows from what is declared and from how much there is to move.

use crate::decision::lead::learn_span;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::plan::Part;
use crate::plan::Unit;
use crate::policy::meant::key::Accept;
use crate::prove::world::Side;

/// What came of a key's acceptances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The hazards that are accepted: code and fleet.
    pub covered: Vec<(String, Option<Name>)>,
    /// Those that an acceptance names and does not cover, and why not.
    short: Vec<(String, Option<Name>, String)>,
}

impl Accepted {
    /// Judges the acceptances of one key of this unit at this hour.
    pub(super) fn of(accepts: &[Accept], fleets: &[Side], unit: &Unit, slot: usize, hour: Hour) -> Self {
        let work = work(unit, slot);
        let mut all = Self::default();
        for accept in accepts {
            match falls_short(accept, fleets, work, hour) {
                None => all.covered.push((accept.risk.clone(), accept.fleet.clone())),
                Some(why) => all.short.push((accept.risk.clone(), accept.fleet.clone(), why)),
            }
        }
        all
    }

    /// Whether a hazard is accepted for a fleet.
    #[must_use]
    pub fn covers(&self, risk: &str, fleet: &Name) -> bool {
        self.covered.iter().any(|(code, of)| code == risk && of.as_ref().is_none_or(|of| of == fleet))
    }

    /// Why an acceptance that names this hazard for this fleet is not enough.
    #[must_use]
    pub fn falls_short(&self, risk: &str, fleet: &Name) -> Option<&str> {
        let named = self.short.iter().find(|(code, of, _)| code == risk && of.as_ref().is_none_or(|of| of == fleet));
        named.map(|(_, _, why)| why.as_str())
    }
}

/// How long it is expected to take to move a key's values.
pub(super) fn work(unit: &Unit, slot: usize) -> Span {
    let moves = unit.steps.iter().filter(|step| step.key == slot && matches!(step.part, Part::Rewrap { .. }));
    moves.fold(Span::ZERO, |sum, step| sum.plus(Span::seconds(step.estimate.seconds)))
}

fn falls_short(accept: &Accept, fleets: &[Side], work: Span, hour: Hour) -> Option<String> {
    let (risk, until) = (&accept.risk, accept.until.format("%Y-%m-%d %H:%M UTC"));
    if accept.until <= hour {
        return Some(format!("the policy accepts {risk} only until {until}, and that has passed"));
    }
    let (lasts, because) = lasts(accept, fleets, work);
    let most = accept.at_most.filter(|most| *most < lasts)?;
    Some(format!("the policy accepts {risk} for at most {most}, and it may last {lasts} ({because})"))
}

/// How long a hazard may last for the fleet that it is accepted for, and what that is made of.
fn lasts(accept: &Accept, fleets: &[Side], work: Span) -> (Span, String) {
    match accept.risk.as_str() {
        "K203" => {
            let learns = fleets.iter().map(|side| learn_span(&side.fleet)).max().unwrap_or(Span::ZERO);
            (learns, "until the slowest member knows the new version".to_owned())
        }
        "K207" => {
            let mine = fleets.iter().filter(|side| accept.fleet.as_ref().is_none_or(|of| *of == side.name));
            let turns = mine.map(|side| before_its_turn(fleets, side)).max().unwrap_or(Span::ZERO);
            (work.plus(turns), format!("{work} to move the values, {turns} for the restarts before its own turn"))
        }
        _ => (Span::ZERO, String::new()),
    }
}

/// How long the restarts take before the last member of a fleet has its turn: those of every fleet that takes turns and is
/// not put after this one, and of its own other members.
fn before_its_turn(fleets: &[Side], side: &Side) -> Span {
    if !side.holds_one() {
        return Span::ZERO;
    }
    let turns = |side: &Side, members: usize| {
        let within = side.fleet.restart.as_ref().map_or(Span::ZERO, |restart| restart.within);
        (0..members).fold(Span::ZERO, |sum, _| sum.plus(within))
    };
    let others = fleets.iter().filter(|other| other.holds_one() && other.name != side.name);
    let first = others.filter(|other| !comes_after(fleets, other, side, fleets.len()));
    first.fold(turns(side, side.listed.saturating_sub(1)), |sum, other| sum.plus(turns(other, other.listed)))
}

/// Whether the policy puts a fleet after another one. Policies have no cycles; a limit is put to it nonetheless.
fn comes_after(fleets: &[Side], side: &Side, first: &Side, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    let mut before = side.after.iter().filter_map(|at| fleets.get(*at));
    before.any(|other| other.name == first.name || comes_after(fleets, other, first, left))
}
