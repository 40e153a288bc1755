//! What each step does, in plain words.

use crate::plan::step::Part;
use crate::plan::step::Waiting;
use crate::plan::step::Why;
use crate::policy::meant::check::When;

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
        Part::Open => "open what the old version sealed".into(),
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
    }
}
