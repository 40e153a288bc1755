//! Words for values that more than one view shows: hours, spans, counts, reasons.

use crate::decision::Reason;
use crate::decision::back::Obstacle;
use crate::decision::reason::Keeps;
use crate::inventory::key::Drift;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Span;
use crate::model::VersionId;
use crate::policy::meant::key::Accept;

/// An hour to the minute, with its day of the week: `Sat 2026-11-21 09:00`.
pub(super) fn hour(hour: Hour) -> String {
    hour.format("%a %Y-%m-%d %H:%M").to_string()
}

/// An hour to the second, for what somebody waits for: `Sat 2026-11-21 09:00:05 UTC`.
pub(super) fn second(hour: Hour) -> String {
    hour.format("%a %Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A risk that the policy accepts: for how long, until when, and why.
pub(super) fn acceptance(accept: &Accept) -> String {
    let most = accept.at_most.map(|span| format!("for at most {span}, ")).unwrap_or_default();
    format!("{}, {most}until {}: {}", accept.name(), day(accept.until), accept.because)
}

/// A day with its day of the week.
pub(super) fn day(hour: Hour) -> String {
    hour.format("%a %Y-%m-%d").to_string()
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A measured span, cut to what people compare: days and hours, hours and minutes, minutes and seconds.
pub(super) fn about(span: Span) -> String {
    let seconds = span.as_seconds();
    let grain = match seconds {
        0..HOUR => 1,
        HOUR..DAY => MINUTE,
        _ => HOUR,
    };
    Span::seconds(seconds / grain * grain).to_string()
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something: `1 key`, `2,000 keys`.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(u64::try_from(count).unwrap_or(u64::MAX)), if count == 1 { one } else { many })
}

/// Words joined by commas and a last `and`.
pub fn all_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A reason in words, with the way out where there is one.
pub(super) fn reason(key: &KeyName, reason: &Reason) -> (String, Option<String>) {
    let only = |text: String| (text, None);
    match reason {
        Reason::NoVersion => only("it has no version yet: this makes the first".into()),
        Reason::Age { version, age, at_most, lead } => {
            let rotation = if lead.is_zero() || *age > *at_most {
                String::new()
            } else {
                format!("; a rotation takes {} until nobody writes with it", about(*lead))
            };
            only(format!("`{version}` has been current for {}, at most {at_most}{rotation}", about(*age)))
        }
        Reason::AgeUnknown { version } => (
            format!("nobody knows since when `{version}` is current, which counts as due"),
            Some("say it with `born = \"2026-01-31\"` in the policy".into()),
        ),
        Reason::Asked => only("somebody asked for it by name".into()),
        Reason::AskedBack { to, from } => {
            only(format!("somebody asked for it by name: from `{from}` to `{to}`, which is there already"))
        }
        Reason::NoWayBack { version, why } => no_way_back(key, version.as_ref(), why),
        Reason::Compromised { version } => only(format!("`{version}` is known to others")),
        Reason::OpensAnew { version } => only(format!(
            "`{version}` is known to others, and is enabled again until its values have moved: \
             `keyrota plan --compromised {key}@{version}` does that by the shortest safe way"
        )),
        Reason::NoSuchVersion { version } => {
            (format!("it has no version `{version}`"), Some(format!("`keyrota status` names the versions of `{key}`")))
        }
        Reason::Algorithm { version, is, wanted } => {
            only(format!("`{version}` is a key of {is}, and the policy asks for {wanted}"))
        }
        Reason::Uses { version, uses, at_most } => {
            only(format!("`{version}` has sealed {} values, at most {}", number(*uses), number(*at_most)))
        }
        Reason::Values { store, version, count } => {
            only(format!("{} in `{store}` are still under `{version}`", values(*count)))
        }
        Reason::ValuesUnderRetired { store, version, count } => {
            only(format!("{} in `{store}` are under `{version}`, which is out of use", values(*count)))
        }
        Reason::Strange { store, count } => {
            let text = format!("{} in `{store}` name no version of this key", values(*count));
            (text, Some(format!("`keyrota verify --key {key}` names them")))
        }
        Reason::Quarantined { version, count } => (
            format!("in quarantine: {} under `{version}`", values(*count)),
            Some("settle them with `keyrota quarantine list`".into()),
        ),
        Reason::Unreachable { what, why, hint } => (format!("{what}: {why}"), hint.clone()),
        Reason::OpenRun { run } => (format!("the run {run} is open"), Some("go on with it: `keyrota apply`".into())),
        Reason::Drifted { drift } => drifted(key, drift),
        Reason::Kept { version, until, because } => only(kept(version.as_str(), *until, *because)),
        Reason::MayGo { version, since } => (
            format!("`{version}` may be destroyed since {}", day(*since)),
            Some("draw that plan with `keyrota plan --destroy`".into()),
        ),
        Reason::PreImages { run, since } => {
            only(format!("the pre-images of {run} were kept for as long as the policy says, until {}", hour(*since)))
        }
        Reason::TakenBack => (
            "the last rotation was taken back, and nobody has planned it since".into(),
            Some(format!("plan it by name: `keyrota plan --key {key}`, or `--to {key}@VERSION`")),
        ),
        Reason::AtOnce { at_most } => (
            format!("as many rotations as may be at once ({at_most}) are under way, or come first"),
            Some("go on with what is open by `keyrota apply`; the calendar's `at_once` says how many".into()),
        ),
        Reason::ComesAfter { key } => only(format!("`{key}` comes first and is not done")),
    }
}

/// Why there is no way back to a version, and what can be done instead.
fn no_way_back(key: &KeyName, version: Option<&VersionId>, why: &Obstacle) -> (String, Option<String>) {
    let version = version.map_or_else(|| "it".to_owned(), |version| format!("`{version}`"));
    let forward = format!(
        "stop here with both versions open (`keyrota cancel RUN`), go on (`keyrota apply`), or go forward to a newer version \
         (`keyrota plan --key {key}`)"
    );
    let (text, hint) = match why {
        Obstacle::UnderWay { run } => (
            format!("the run {run} is open, and nobody goes back from under it"),
            format!("`keyrota cancel {run}` leaves every version readable that was written with; then ask again"),
        ),
        Obstacle::Unknown => {
            (format!("there is no {version} to go to"), format!("`keyrota status` names the versions of `{key}`"))
        }
        Obstacle::Destroyed => (format!("{version} is destroyed: nothing can be sealed or opened with it"), forward),
        Obstacle::Compromised => (format!("{version} is known to others: nobody goes back to it"), forward),
        Obstacle::Current => (
            format!("{version} is current already, and nothing is left under another version that could be taken back"),
            format!("where to go further back to is said by name: `keyrota plan --to {key}@VERSION`"),
        ),
        Obstacle::Nothing => ("there is no older version to go back to".to_owned(), forward),
        Obstacle::NeverDemotes => (format!("its backend cannot make {version} current again"), forward),
        Obstacle::ByThemselves { fleet } => (
            format!(
                "members of `{fleet}` write with the newest version by themselves: making {version} current moves nothing for them"
            ),
            forward,
        ),
    };
    (text, Some(hint))
}

/// So many values.
pub(super) fn values(count: u64) -> String {
    format!("{} {}", number(count), if count == 1 { "value" } else { "values" })
}

fn drifted(key: &KeyName, drift: &Drift) -> (String, Option<String>) {
    let adopt = |version: &dyn std::fmt::Display| Some(format!("take it over with `keyrota adopt {key}@{version}`"));
    match drift {
        Drift::VersionAppeared { version } => (format!("`{version}` is there, and we did not make it"), adopt(version)),
        Drift::MaterialGone { version } => (
            format!("the material of `{version}` is gone, and nobody destroyed it"),
            Some("bring it back from a backup before anything else".into()),
        ),
        Drift::CurrentMoved { from, to } => (format!("`{to}` is current, and we left `{from}` current"), adopt(to)),
        Drift::MaterialChanged { version } => (
            format!("the material of `{version}` is another than before"),
            Some("bring the right one back before anything else".into()),
        ),
        Drift::UnknownRun { run } => (
            format!("`{run}` changed it last, and this journal does not know that run: it is lost, or its end is"),
            Some(format!(
                "restore the home (`.keyrota/`) from a backup; where that is lost for good, `keyrota adopt {key}@VERSION` \
                 takes the key over as it stands"
            )),
        ),
        Drift::RotatesItself { every } => (
            format!("its backend rotates it by itself ({every})"),
            Some("switch that off: two rotations at once are not safe".into()),
        ),
    }
}

fn kept(version: &str, until: Option<Hour>, because: Keeps) -> String {
    let why = keeps(because);
    match until {
        Some(until) => format!("`{version}` is kept until {}: {why}", day(until)),
        None => format!("`{version}` is kept: {why}"),
    }
}

/// What keeps an old version, in words.
pub(super) const fn keeps(because: Keeps) -> &'static str {
    match because {
        Keeps::Never => "the policy keeps old versions for ever (`retire = \"never\"`)",
        Keeps::NoDestroyAfter => "the policy sets no `destroy_after`",
        Keeps::NotRetired => "it is not disabled yet",
        Keeps::DestroyAfter => "`destroy_after` has not passed",
        Keeps::Restorable => "a backup with values under it may still come back",
        Keeps::PreImages => "pre-images under it are kept, and may come back",
        Keeps::Values => "values still need it",
        Keeps::Quarantined => "values that do not open pin it",
        Keeps::CannotDestroy => "its backend cannot destroy one version",
        Keeps::OlderFirst => "its backend ends versions in their order, and an older one is still there",
    }
}
