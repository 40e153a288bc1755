//! Freezes: spans in which nothing begins that changes the world. What reads goes on, and what must not stay halfway is
//! finished: the turn itself, a span in which members hold one version, and learning where members write by themselves.

use crate::plan::Part;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::step::Why;

/// Whether a step waits until a freeze is over, where `begun` says what was begun before it.
#[must_use]
pub fn waits_out(unit: &Unit, index: usize, begun: impl Fn(usize) -> bool) -> bool {
    let Some(step) = unit.steps.get(index) else { return false };
    // Nobody waits with a version that others know.
    if !changes(&step.part) || unit.keys.get(step.key).is_some_and(|planned| planned.haste) {
        return false;
    }
    let mine = || unit.steps.iter().enumerate().filter(|(_, other)| other.key == step.key);
    let turned = mine().any(|(at, other)| other.turn && at != index && begun(at));
    if !turned {
        return true;
    }
    let any = |of: fn(&Step) -> bool| mine().any(|(_, other)| of(other));
    let takes_turns = any(|other| matches!(other.part, Part::Sweep { .. }));
    let by_itself = any(|other| other.turn && other.part == Part::Add);
    let finishes = step.turn || takes_turns && in_span(&step.part) || by_itself && learns(&step.part);
    !finishes
}

/// What reads, counts, waits, or keeps a copy changes nothing that anybody meets.
const fn changes(part: &Part) -> bool {
    !matches!(part, Part::Check { .. } | Part::Open { .. } | Part::Keep | Part::Wait { .. } | Part::Recount)
}

/// Until the last of them is done, members that hold the old version cannot start.
const fn in_span(part: &Part) -> bool {
    matches!(
        part,
        Part::Rewrap { .. }
            | Part::Sweep { .. }
            | Part::Point { .. }
            | Part::Switch
            | Part::Restart { why: Why::Follow, .. }
            | Part::Close
    )
}

/// Members begin to write by themselves: whoever does not know the version by then must learn it.
const fn learns(part: &Part) -> bool {
    matches!(part, Part::Deliver { .. } | Part::Restart { why: Why::Learn, .. })
}

#[cfg(test)]
mod tests {
    use super::waits_out;
    use crate::model::Risk;
    use crate::plan::Part;
    use crate::plan::Step;
    use crate::plan::Unit;
    use crate::plan::Waiting;
    use crate::plan::step::Why;

    fn fleet() -> crate::model::Name {
        #[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
        "web".parse().unwrap()
    }

    fn unit(parts: &[(Part, bool)]) -> Unit {
        let step = |(part, turn): &(Part, bool)| Step {
            key: 0,
            part: part.clone(),
            needs: Vec::new(),
            gates: Vec::new(),
            risk: Risk::Safe,
            turn: *turn,
            estimate: Default::default(),
        };
        Unit { keys: Vec::new(), steps: parts.iter().map(step).collect(), bounds: Vec::new(), proof: None }
    }

    /// Which steps wait, where so many were begun.
    fn held(unit: &Unit, begun: usize) -> Vec<usize> {
        (0..unit.steps.len()).filter(|at| waits_out(unit, *at, |other| other < begun)).collect()
    }

    #[test]
    fn nothing_that_changes_anything_begins_in_a_freeze() {
        let wait = Part::Wait { until: Waiting::Readable { fleet: fleet() } };
        let restart = Part::Restart { fleet: fleet(), member: None, why: Why::Follow };
        let parts = [
            (Part::Open { service: false }, false),
            (Part::Add, false),
            (wait, false),
            (Part::Switch, true),
            (Part::Point { fleet: fleet(), member: None }, true),
            (restart, false),
            (Part::Rewrap { service: false }, false),
            (Part::Retire, false),
            (Part::Recount, false),
        ];
        let unit = unit(&parts);
        assert_eq!(held(&unit, 0), [1, 3, 4, 5, 6, 7], "what reads, counts or waits goes on");
        assert_eq!(held(&unit, 4), [1, 3, 5, 6, 7], "the other half of the turn is finished");
    }

    #[test]
    fn what_must_not_stay_halfway_is_finished() {
        let sweep = Part::Sweep { fleet: fleet(), member: None };
        let restart = Part::Restart { fleet: fleet(), member: None, why: Why::Follow };
        let span = [
            (Part::Rewrap { service: false }, true),
            (Part::Point { fleet: fleet(), member: None }, false),
            (sweep, false),
            (restart, false),
            (Part::Close, false),
            (Part::Retire, false),
        ];
        assert_eq!(held(&unit(&span), 0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(held(&unit(&span), 1), [0, 5], "members that hold the old version cannot start");
        let learn = Part::Restart { fleet: fleet(), member: None, why: Why::Learn };
        let by_itself =
            [(Part::Add, true), (Part::Deliver { fleet: fleet() }, false), (learn, false), (Part::Close, false)];
        assert_eq!(held(&unit(&by_itself), 0), [0, 1, 2, 3]);
        assert_eq!(held(&unit(&by_itself), 1), [0, 3], "members begin to write by themselves");
        let destroy = [(Part::Recount, false), (Part::Destroy, false)];
        assert_eq!(held(&unit(&destroy), 1), [1]);
    }
}
