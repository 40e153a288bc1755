//! What each step does, in plain words.

use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Planned;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::rule::Code;
use crate::plan::rule::RULES;
use crate::plan::step::Part;
use crate::plan::step::Waiting;
use crate::plan::step::Why;
use crate::policy::meant::check::When;

/// A step of this key's plan in a few words.
#[must_use]
pub fn told(planned: Option<&Planned>, part: &Part) -> String {
    named(planned, title(part))
}

/// A sentence about a key's plan. Where one goes back, the new version is an old one: both are called by name.
#[must_use]
pub fn named(planned: Option<&Planned>, sentence: String) -> String {
    let Some(planned) = planned.filter(|planned| planned.kind == Kind::Back) else { return sentence };
    let (to, from) = (format!("`{}`", planned.new), planned.old.as_ref().map(|old| format!("`{old}`")));
    let sentence = sentence.replace("the new version", &to).replace("the retired version", &to);
    sentence.replace("the old version", from.as_deref().unwrap_or("the old version"))
}

/// A step in a few words.
#[must_use]
pub fn title(part: &Part) -> String {
    match part {
        Part::Check { when, again } => {
            let moment = match when {
                When::Before => "before anything changes",
                When::Added => "once the new version is there",
                When::Readable => "once every member can read it",
                When::Switched => "after the turn",
                When::Written => "once every member writes with it",
                When::Moved => "once everything is moved",
                When::Retired => "while the old version is disabled",
            };
            if *again { "look again whether all is well".into() } else { format!("look whether all is well {moment}") }
        }
        Part::Open { service: true } => "let the service count what the old version sealed".into(),
        Part::Open { service: false } => "open what the old version sealed".into(),
        Part::Keep => "keep pre-images of what will change".into(),
        Part::Add => "make the new version".into(),
        Part::Enable => "enable the retired version again".into(),
        Part::Deliver { fleet } => format!("bring the new version to `{fleet}`"),
        Part::Restart { fleet, member, why } => {
            let whom = member.as_ref().map_or_else(|| format!("`{fleet}`"), |member| format!("`{member}`"));
            let what = match why {
                Why::Learn => "so that it learns the new version",
                Why::Follow => "so that it writes with the new version",
                Why::Forget => "so that it forgets the old version",
            };
            format!("restart {whom} {what}")
        }
        Part::Wait { until } => match until {
            Waiting::Readable { fleet } => format!("wait until every member of `{fleet}` can read the new version"),
            Waiting::Grace => "wait for the grace period".into(),
            Waiting::Written { fleet } => format!("wait until `{fleet}` writes with the new version only"),
            Waiting::Landed => "wait until what the service had under way has landed".into(),
            Waiting::Forgotten { fleet } => {
                format!("wait until every member of `{fleet}` has let go of the old version")
            }
            Waiting::Soak => "let normal traffic run with the new version".into(),
            Waiting::Watch => "watch that nothing turns up under the old version".into(),
        },
        Part::Switch => "make the new version current".into(),
        Part::Point { fleet, member } => {
            let whom = member.as_ref().map_or_else(|| format!("`{fleet}`"), |member| format!("`{member}`"));
            format!("point {whom} at the new version")
        }
        Part::Rewrap { service: true } => "let the service move its values to the new version".into(),
        Part::Rewrap { service: false } => "move every value to the new version".into(),
        Part::Sweep { fleet, member } => {
            let whom = member.as_ref().map_or_else(|| format!("`{fleet}`"), |member| format!("`{member}`"));
            format!("move what was written meanwhile, before {whom} starts")
        }
        Part::Close => "move what is left, until a whole round finds nothing".into(),
        Part::Withdraw { fleet } => format!("take the old version from `{fleet}`"),
        Part::Retire => "disable the old version".into(),
        Part::Recount => "count that nothing is under the old version".into(),
        Part::Destroy => "destroy the old version".into(),
        Part::Discard { runs } => format!("delete the pre-images of {}", runs.join(", ")),
    }
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// How, in words.
    pub how: String,
    /// The step, by its place in the unit, that closes this way back; nothing where this plan never closes it.
    pub until: Option<usize>,
    /// Whether there is a way back at all.
    pub possible: bool,
}

/// How a step is taken back, and until when. Nothing for steps that only look or wait.
#[must_use]
pub fn undo(step: &Step, unit: &Unit) -> Option<Undo> {
    let planned = unit.keys.get(step.key)?;
    let first = |of: fn(&Step) -> bool| unit.steps.iter().position(|other| other.key == step.key && of(other));
    let (turn, gone) = (first(|step| step.turn), first(takes_away));
    let way = |how: &str, until| Some(Undo { how: named(Some(planned), how.to_owned()), until, possible: true });
    let none = |how: &str| Some(Undo { how: how.to_owned(), until: None, possible: false });
    let (demotes, fresh) = (planned.base.able.demotes, planned.kind == Kind::First);
    match &step.part {
        Part::Check { .. } | Part::Open { .. } | Part::Wait { .. } | Part::Recount => None,
        Part::Keep => way("delete the copies; nothing depends on them", None),
        Part::Add if fresh => way("discard it: nothing is sealed with it yet", turn.filter(|_| !step.turn)),
        Part::Add if step.turn && writes_by_itself(step, unit) => none(STAY_OPEN),
        Part::Switch | Part::Add if step.turn && !demotes && !fresh => none(FORWARD),
        Part::Add if step.turn => way("make the old version current again; both stay readable", gone),
        Part::Add => way("discard the new version: nobody writes with it yet", turn),
        Part::Enable => way("disable the version again", None),
        Part::Deliver { .. } if planned.kind == Kind::Back => {
            way("nothing to take back: it opens what was sealed with it before", None)
        }
        Part::Deliver { fleet } => way(&format!("take the new version from `{fleet}` again"), turn),
        Part::Restart { why: Why::Learn, .. } => way("nothing to take back: members still know the old version", None),
        Part::Switch | Part::Point { .. } if fresh => way("nothing to go back to: it is the first version", None),
        Part::Restart { why: Why::Follow, .. } if fresh => way("nothing to go back to: it is the first version", None),
        Part::Restart { why: Why::Follow, member: None, .. } => way("switch back and restart again", gone),
        Part::Restart { why: Why::Follow, .. } => way("move the values back, point it back and restart it", gone),
        Part::Restart { why: Why::Forget, .. } | Part::Withdraw { .. } if planned.kind == Kind::Destroy => {
            way("nothing to take back: the version is gone already", None)
        }
        Part::Restart { why: Why::Forget, .. } => way("bring the old version back and restart again", None),
        Part::Switch if !demotes => none(FORWARD),
        Part::Switch => way("switch back; both versions stay readable", gone),
        Part::Point { .. } => way("point back at the old version; both stay readable", gone),
        Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close if !demotes => {
            way("nothing to take back: both versions open what they sealed", gone)
        }
        Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close => way("move the values back to the old version", gone),
        Part::Withdraw { fleet } => way(&format!("bring the old version to `{fleet}` again"), None),
        Part::Retire => way("enable the old version again", None),
        Part::Destroy => none("the material is gone for good"),
        Part::Discard { .. } => none("the copies are gone for good"),
    }
}

/// What going back means where a version starts to be written with by itself.
const STAY_OPEN: &str = "members begin to write with it by themselves, so it is never taken away: \
     stop here with both versions open, go on, or go forward to a newer version";

/// What going back means where nothing demotes.
const FORWARD: &str = "its backend cannot make an old version current again: \
     stop here with both versions open, go on, or go forward to a newer version";

fn takes_away(step: &Step) -> bool {
    matches!(step.part, Part::Withdraw { .. } | Part::Retire)
}

/// Whether members write with the new version after a while without any act of ours: only then is there a
/// deadline for those that have not learnt it.
fn writes_by_itself(step: &Step, unit: &Unit) -> bool {
    let mine = unit.steps.iter().filter(|other| other.key == step.key);
    mine.flat_map(|other| &other.gates).any(|gate| matches!(gate, Gate::NotAfter { .. }))
}

/// Why a rule is there.
#[must_use]
pub fn because(code: Code) -> &'static str {
    RULES.iter().find(|rule| rule.code == code).map_or("", |rule| rule.because)
}

/// A gate in a few words, as the journal keeps it.
#[must_use]
pub fn gate(gate: &Gate) -> String {
    match gate {
        Gate::After { by } => format!("{by} since what it needs was done"),
        Gate::NotAfter { within } => format!("not later than {within} after the new version began to be made"),
        Gate::Proof { fleet, .. } => format!("every member of `{fleet}` proved that it knows the new version"),
        Gate::Window { window, .. } => format!("window `{window}`"),
        Gate::Approval { class } => format!("approval of `{class}` steps"),
    }
}
