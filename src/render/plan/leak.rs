//! A version that others know: what would break without it, and what is left out on the way from it.

use crate::decision::Breaks;
use crate::decision::Decision;
use crate::decision::Leak;
use crate::decision::Reason;
use crate::decision::reason::Keeps;
use crate::inventory::Disables;
use crate::model::Member;
use crate::model::Name;
use crate::model::State;
use crate::plan::Kind;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Unit;
use crate::plan::aspect::shows;
use crate::plan::step::Gate;
use crate::plan::step::Part;
use crate::plan::step::Waiting;
use crate::policy::meant::Key;
use crate::policy::meant::key::Retire;
use crate::render::plan::view::Note;
use crate::render::words;

/// How many members are named.
const NAMES_MAX: usize = 6;

/// All notes about what others know.
pub(super) fn notes(plan: &Plan) -> Vec<Note> {
    plan.leaks.iter().flat_map(|leak| of(plan, leak)).collect()
}

fn of(plan: &Plan, leak: &Leak) -> Vec<Note> {
    let mut notes = vec![Note { tone: "bad", text: title(leak) }];
    let plain = |text: String| Note { tone: "warn", text: format!("  {text}") };
    notes.extend(leak.breaks.iter().map(|breaks| plain(line(breaks))));
    let hasty = |unit: &&Unit| unit.keys.iter().any(|planned| planned.name == leak.key);
    match plan.units.iter().find(hasty) {
        Some(unit) => notes.extend(spared(plan, unit, leak).into_iter().map(|text| Note { tone: "plain", text })),
        None => notes.push(Note { tone: "plain", text: nothing_drawn(plan, leak) }),
    }
    notes
}

/// That others know it, and what is told below.
pub(crate) fn title(leak: &Leak) -> String {
    if let Some(why) = &leak.unseen {
        let what = if leak.breaks.is_empty() { "." } else { ". What may need it:" };
        return format!("`{}@{}` is known to others. Its state could not be seen: {why}{what}", leak.key, leak.version);
    }
    let state = leak.state.map_or_else(|| "no longer there".to_owned(), |state| state.to_string());
    let which = format!("`{}@{}` ({state}) is known to others.", leak.key, leak.version);
    match (leak.state, leak.breaks.is_empty()) {
        (Some(State::Disabled), false) => {
            format!("{which} It is disabled already; what that breaks, or would bring back:")
        }
        (_, false) => format!("{which} Disabled this moment, this would break:"),
        (Some(State::Destroyed) | None, true) => format!("{which} Nothing opens with it any more."),
        (_, true) => format!("{which} Disabled this moment, nothing that is known of would break."),
    }
}

/// One thing that would break.
pub(crate) fn line(breaks: &Breaks) -> String {
    match breaks {
        Breaks::Values { store, count } => {
            format!("{} in `{store}` are under it, and nobody could open them", words::values(*count))
        }
        Breaks::ByTrial { store, count } => {
            format!("{} in `{store}` name no version: only opening tells which are under it", words::values(*count))
        }
        Breaks::Uncounted { store } => format!("values in `{store}`, which were not counted"),
        Breaks::Unseen { store } => {
            format!("values in `{store}` are neither seen nor moved, and may be under it for ever")
        }
        Breaks::Writers { fleet, members } => {
            format!("`{fleet}` writes under it{}: what it writes, nobody could open", named(members))
        }
        Breaks::HoldOnly { fleet, members } => {
            format!("`{fleet}` holds no other version{}: it could not start, or open anything", named(members))
        }
        Breaks::Unheard { fleet, members } => {
            format!("`{fleet}` did not say what it holds{}", named(members))
        }
        Breaks::Quarantined { count } => {
            format!(
                "{} in quarantine may be under it (those that name it are counted above too)",
                words::values(*count)
            )
        }
        Breaks::Backups { store, until: Some(until), span: _ } => {
            format!("a backup of `{store}` may bring values under it back until {}", words::hour(*until))
        }
        Breaks::Backups { store, until: None, span } => {
            format!("a backup of `{store}` may bring values under it back, for {span} after the last of them has moved")
        }
        Breaks::PreImages { count } => {
            let runs = words::count(usize::try_from(*count).unwrap_or(usize::MAX), "run", "runs");
            format!("pre-images of {runs} are under it")
        }
    }
}

fn named(members: &[Member]) -> String {
    let (shown, more) = members.split_at(members.len().min(NAMES_MAX));
    let mut names: Vec<String> = shown.iter().map(ToString::to_string).collect();
    if !more.is_empty() {
        names.push(words::count(more.len(), "other", "others"));
    }
    if names.is_empty() { String::new() } else { format!(" ({})", words::all_of(&names)) }
}

/// What the plan leaves out on the way from it, and what it keeps.
fn spared(plan: &Plan, unit: &Unit, leak: &Leak) -> Vec<String> {
    let Some(slot) = unit.keys.iter().position(|planned| planned.name == leak.key) else { return Vec::new() };
    let Some(planned) = unit.keys.get(slot) else { return Vec::new() };
    if !planned.haste {
        return vec![beside(planned, leak)];
    }
    let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
    let Some((policy, key)) = policy.and_then(|policy| Some((policy, policy.keys.get(planned.name.key())?))) else {
        return Vec::new();
    };
    let waits = |until: &dyn Fn(&Waiting) -> bool| {
        let mine = unit.steps.iter().filter(|step| step.key == slot);
        mine.into_iter().find(|step| matches!(&step.part, Part::Wait { until: waiting } if until(waiting)))
    };
    let mut out: Vec<String> = key.window.iter().map(window).collect();
    if !plan.settings.calendar.freezes.is_empty() {
        out.push("freezes".into());
    }
    let graced = waits(&|until| *until == Waiting::Grace).is_some();
    let all_show = key.used_by.iter().filter_map(|name| policy.fleets.get(name)).all(shows);
    if !key.grace.is_zero() && !graced && all_show {
        out.push(format!(
            "the {} of `grace` (every member proves that it knows the new version, or looks each time)",
            key.grace
        ));
    }
    let retires = unit.steps.iter().any(|step| step.key == slot && step.part == Part::Retire);
    let soak = waits(&|until| *until == Waiting::Soak).and_then(|step| {
        step.gates.iter().find_map(|gate| if let Gate::After { by } = gate { Some(*by) } else { None })
    });
    out.extend(soaked(planned, key, soak).filter(|_| retires));
    let mut told = Vec::new();
    if !out.is_empty() {
        told.push(format!("On the way from it this plan does not wait for {}.", words::all_of(&out)));
    }
    if graced {
        told.push(format!("It still waits the {} of `grace`: not every member shows what it knows.", key.grace));
    }
    told.extend((!retires).then(|| stays(planned, key)));
    told
}

/// What a plan is about that does not lead away from it.
fn beside(planned: &Planned, leak: &Leak) -> String {
    let (key, version) = (&leak.key, &leak.version);
    let state = match leak.state {
        Some(State::Current | State::DecryptOnly) if matches!(planned.kind, Kind::Follow | Kind::Reopen) => {
            return format!(
                "This plan does not yet lead away from it: values of another version come first. Then plan again with \
                 `--compromised {key}@{version}`."
            );
        }
        Some(State::DecryptOnly) => {
            format!("is decrypt-only already: `keyrota why {key}@{version}` tells what keeps it")
        }
        Some(state) => format!("is {state} already"),
        None => "is no longer there".to_owned(),
    };
    format!("This plan is about something else than `{version}`, which {state}.")
}

/// What becomes of a version that no step of the plan disables.
fn stays(planned: &Planned, key: &Key) -> String {
    let able = planned.base.able;
    let keeps = match key.retire {
        Retire::Never => Keeps::Never,
        Retire::After { .. } if able.disables != Disables::No => Keeps::OlderFirst,
        Retire::After { destroy_after: None, .. } => Keeps::NoDestroyAfter,
        Retire::After { .. } if !able.destroys => Keeps::CannotDestroy,
        Retire::After { .. } => {
            return "It stays readable until it is destroyed: `keyrota plan --destroy -o FILE`, from the hour on that is \
                    told at the end."
                .to_owned();
        }
    };
    format!("It stays readable: {}.", words::keeps(keeps))
}

/// From when on a version may be destroyed that no plan disables, or what keeps it, by what was decided.
fn kept(decision: &Decision, leak: &Leak) -> Option<String> {
    let when = decision.reasons.iter().find_map(|reason| match reason {
        Reason::MayGo { version, .. } if *version == leak.version => Some(Ok(None)),
        Reason::Kept { version, until, because } if *version == leak.version => Some(until.map(Some).ok_or(*because)),
        _ => None,
    })?;
    Some(match when {
        Ok(hour) => {
            let from = hour.map_or_else(|| "now".to_owned(), |hour| format!("from {} on", words::hour(hour)));
            format!("It stays readable until it is destroyed: `keyrota plan --destroy -o FILE`, {from}. ")
        }
        Err(because) => format!("It stays readable: {}. ", words::keeps(because)),
    })
}

fn window(name: &Name) -> String {
    format!("the window `{name}`")
}

fn soaked(planned: &Planned, key: &Key, soak: Option<crate::model::Span>) -> Option<String> {
    let Retire::After { after, .. } = key.retire else { return None };
    if after.is_zero() || soak.is_some_and(|soak| soak >= after) {
        return None;
    }
    let old = planned.old.as_ref()?;
    let instead = soak.map_or_else(String::new, |soak| format!(", but {soak} for what members cache"));
    Some(format!("the {after} of normal traffic before `{old}` is disabled{instead}"))
}

fn nothing_drawn(plan: &Plan, leak: &Leak) -> String {
    let decision = plan.decisions.iter().find(|decision| decision.key == leak.key);
    let held = decision.is_some_and(|decision| decision.verdict == crate::decision::Verdict::Blocked);
    if held {
        return "No step is drawn for it, as told below. Carrying out this plan only writes down that it is known to others."
            .to_owned();
    }
    let kept = decision.filter(|_| leak.state == Some(State::DecryptOnly)).and_then(|decision| kept(decision, leak));
    format!(
        "There is nothing to rotate. {}Carrying out this plan only writes down that it is known to others.",
        kept.unwrap_or_default()
    )
}
