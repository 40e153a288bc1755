//! What comes after the plan: when the old version may be destroyed, and what keeps it.

use crate::inventory::Disables;
use crate::model::Hour;
use crate::model::Span;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Step;
use crate::policy::meant::key::Retire;
use crate::policy::meant::store::Place;
use crate::render::plan::group::Case;
use crate::render::plan::group::KeyCase;
use crate::render::plan::group::restorable;
use crate::render::words;

/// What becomes of the old versions of these cases.
pub(super) fn then(cases: &[Case<'_>]) -> Vec<String> {
    let Some(first) = cases.first() else { return Vec::new() };
    let alone = first.keys.len() == 1;
    let mut lines = Vec::new();
    for (slot, key) in first.keys.iter().enumerate() {
        let leaves = matches!(key.planned.kind, Kind::Rotate | Kind::Follow | Kind::Reopen);
        if !leaves || key.planned.old.is_none() {
            continue;
        }
        let old = match (&key.planned.old, cases.len(), alone) {
            (Some(old), 1, true) => format!("`{old}`"),
            (Some(old), 1, false) => format!("`{}@{old}`", key.planned.name),
            _ => "the old version".to_owned(),
        };
        lines.push(format!("Then: {}", one(cases, slot, key, &old)));
    }
    lines
}

fn one(cases: &[Case<'_>], slot: usize, key: &KeyCase<'_>, old: &str) -> String {
    let able = &key.planned.base.able;
    let Some(meant) = key.key else { return format!("{old} stays") };
    let unseen = meant.seals.iter().filter_map(|name| key.policy?.stores.get(name));
    if unseen.into_iter().any(|store| matches!(store.place, Place::Unseen)) && meant.retire == Retire::Never {
        return format!(
            "{old} stays readable for ever: values that nobody sees may be under it (`retire = \"never\"`)"
        );
    }
    let destroy_after = match meant.retire {
        Retire::Never => return format!("{old} stays readable for ever (`retire = \"never\"`)"),
        Retire::After { destroy_after: None, .. } => {
            let how = if able.disables == Disables::No { "readable" } else { "disabled" };
            return format!("{old} stays {how}; the policy sets no `destroy_after`, so nothing destroys it");
        }
        Retire::After { destroy_after: Some(span), .. } => span,
    };
    if !able.destroys {
        return format!("{old} stays: its backend cannot destroy one version");
    }
    let counts_from = |step: &Step| match able.disables {
        Disables::No => matches!(step.part, Part::Close | Part::Recount),
        Disables::Each | Disables::Floor => step.part == Part::Retire,
    };
    let backups = restorable(key).unwrap_or(Span::ZERO);
    let hours = cases.iter().filter_map(|case| may_go(case, slot, counts_from, destroy_after, backups));
    match hours.max() {
        Some(hour) => format!(
            "{old} may be destroyed from {} on, by a plan of its own ({destroy_after} after its retirement{})",
            words::day(hour),
            if backups > destroy_after { format!(", and backups may come back for {backups}") } else { String::new() }
        ),
        None => format!("{old} stays until a plan retires it"),
    }
}

/// When the old version of one case may be destroyed: after `destroy_after`, and when no backup can come back.
fn may_go(
    case: &Case<'_>,
    slot: usize,
    counts_from: impl Fn(&Step) -> bool,
    destroy_after: Span,
    backups: Span,
) -> Option<Hour> {
    let done = |of: &dyn Fn(&Step) -> bool| {
        let mine = case.unit.steps.iter().zip(&case.expected).filter(|(step, _)| step.key == slot && of(step));
        mine.map(|(_, expected)| expected.done).max()
    };
    let retired = done(&counts_from)?;
    let clean = done(&|step| matches!(step.part, Part::Close | Part::Recount)).unwrap_or(retired);
    Some(destroy_after.after(retired).max(backups.after(clean)))
}
