//! Which version had to be replaced by when, and when it was: the population that a reviewer draws samples from.

use crate::journal::Ledger;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::VersionId;
use crate::plan::Document;
use crate::plan::Kind;
use crate::policy::Policy;
use crate::report::Ask;
use crate::report::key_of;
use serde::Serialize;

/// One version's time as the current one.
#[derive(Debug, Clone, Serialize)]
pub struct Due {
    /// The key.
    pub key: KeyName,
    /// The version.
    pub version: VersionId,
    /// Since when somebody may have written with it.
    pub since: Option<Hour>,
    /// Where that is known from.
    pub basis: &'static str,
    /// How long it may be current.
    pub rotate_every: Option<Span>,
    /// When it had to be replaced.
    pub due_by: Option<Hour>,
    /// When it was.
    pub changed_at: Option<Hour>,
    /// How much earlier than necessary.
    pub early: Option<Span>,
    /// How much too late; for a version that is still current, as of the report.
    pub late: Option<Span>,
}

const JOURNAL: &str = "our own switch, by the journal";
const BACKEND: &str = "the backend's date, or `born` in the policy";
const UNKNOWN: &str = "unknown";

/// Every version that is or was current, as far as journal and plans know.
pub(super) fn all(
    policies: &[Policy],
    ledger: &Ledger,
    plans: &[Document],
    names: &[KeyName],
    hour: Hour,
    ask: &Ask,
) -> Vec<Due> {
    let mut all = Vec::new();
    for name in names {
        let every = key_of(policies, name).map(|key| key.rotate_every);
        let mut mine = first(ledger, plans, name);
        let known = ledger.keys.get(name);
        let mut since: Vec<_> = known.into_iter().flat_map(|known| &known.current_since).collect();
        since.sort_by_key(|(_, at)| **at);
        for (version, at) in since {
            mine.push(Due {
                key: name.clone(),
                version: version.clone(),
                since: Some(*at),
                basis: JOURNAL,
                rotate_every: every,
                due_by: every.map(|every| every.after(*at)),
                changed_at: None,
                early: None,
                late: None,
            });
        }
        let turns = known.map_or(&[][..], |known| known.turns.as_slice());
        for due in &mut mine {
            // After the last turn to it, or from the beginning: a version that was gone back to is current again.
            due.changed_at = turns.iter().rev().take_while(|(to, _)| *to != due.version).last().map(|(_, at)| *at);
            due.judge(hour);
        }
        all.extend(mine.into_iter().filter(|due| due.concerns(ask)));
    }
    all
}

/// The version that was current before our first switch: what the first plan knew of it.
fn first(ledger: &Ledger, plans: &[Document], name: &KeyName) -> Vec<Due> {
    let mut runs: Vec<_> = ledger.runs.values().filter(|run| run.keys.contains_key(name)).collect();
    runs.sort_by_key(|run| run.opened_at);
    let rotated = runs.iter().find_map(|run| {
        let plan = plans.iter().find(|plan| plan.id() == run.plan)?.plan();
        let planned = plan.units.iter().flat_map(|unit| &unit.keys);
        let mut planned = planned.filter(|planned| planned.name == *name && planned.kind == Kind::Rotate);
        let old = planned.next_back()?.old.clone()?;
        Some((plan, old))
    });
    let Some((plan, old)) = rotated else { return Vec::new() };
    let ours = ledger.keys.get(name).is_some_and(|known| known.current_since.contains_key(&old));
    if ours {
        return Vec::new();
    }
    let due_by = plan.decisions.iter().find(|decision| decision.key == *name).and_then(|decision| decision.due_by);
    let every = key_of(&plan.policies, name).map(|key| key.rotate_every);
    vec![Due {
        key: name.clone(),
        version: old,
        since: due_by.zip(every).map(|(due, every)| every.before(due)),
        basis: if due_by.is_some() { BACKEND } else { UNKNOWN },
        rotate_every: every,
        due_by,
        changed_at: None,
        early: None,
        late: None,
    }]
}

impl Due {
    fn judge(&mut self, hour: Hour) {
        let Some(due) = self.due_by else { return };
        let end = self.changed_at.unwrap_or(hour);
        let late = Span::between(due, end);
        self.late = (!late.is_zero()).then_some(late);
        self.early = self.changed_at.filter(|at| *at <= due).map(|at| Span::between(at, due));
    }

    /// Whether it was due, changed or still current in the time that was asked for.
    fn concerns(&self, ask: &Ask) -> bool {
        let begun = self.since.is_none_or(|since| ask.to.is_none_or(|to| since <= to));
        let ended = self.changed_at.is_none_or(|changed| ask.from.is_none_or(|from| changed >= from));
        begun && ended
    }
}
