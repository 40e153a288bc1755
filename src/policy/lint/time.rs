//! Spans that do not fit each other.

use crate::model::Span;
use crate::policy::lint::One;
use crate::policy::meant::Fleet;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::key::Retire;

/// `grace` says something that is shorter than what a fleet needs anyway.
pub(super) fn grace(one: &One<'_>) {
    if one.key.grace.is_zero() && one.place.word("grace").node().is_none() {
        return;
    }
    let learn = one.fleets().filter_map(|(name, fleet)| Some((fleet.learns.at_most()?, name)));
    let Some((longest, fleet)) = learn.max_by_key(|(span, _)| *span) else { return };
    if longest > one.key.grace {
        let message =
            format!("members of `{fleet}` may need {longest} to learn a version, and `grace` is {}", one.key.grace);
        one.lint("grace", "K010", message, &format!("write at least `{longest}`, or leave `grace` out"));
    }
}

/// The longest that a fleet may need to do what `learns` or `follows` says.
fn longest(fleet: &Fleet, learns: Learns) -> Span {
    let restart = || fleet.restart.as_ref().map_or(Span::ZERO, |restart| restart.within);
    learns.at_most().unwrap_or_else(restart)
}

/// The next rotation would be due before this one is finished.
pub(super) fn interval(one: &One<'_>) {
    let most = |of: &dyn Fn(&Fleet) -> Span| one.fleets().map(|(_, fleet)| of(fleet)).max().unwrap_or_default();
    let readable = most(&|fleet| longest(fleet, fleet.learns)).max(one.key.grace);
    let writes = most(&|fleet| match fleet.writes {
        Writes::NewestAfter(span) => span,
        Writes::Current | Writes::Never => fleet.follows.map_or(Span::ZERO, |follows| longest(fleet, follows)),
    });
    let caches = most(&|fleet| fleet.caches);
    let retire = match one.key.retire {
        Retire::After { after, .. } => after.max(caches),
        Retire::Never => caches,
    };
    let whole = readable.plus(writes).plus(most(&|fleet| fleet.in_flight)).plus(retire);
    if whole >= one.key.rotate_every {
        let every = one.key.rotate_every;
        let message = format!("one whole rotation takes at least {whole}, and the next one is due after {every}");
        one.lint("rotate_every", "K011", message, "rotate less often, or make the waits shorter");
    }
}

/// A backup may come back when the version that opens it is gone.
pub(super) fn backups(one: &One<'_>) {
    let Retire::After { after, destroy_after: Some(destroy) } = one.key.retire else { return };
    let backups = one.stores().filter_map(|(name, store)| Some((store.restorable_for?, name)));
    let Some((longest, store)) = backups.max_by_key(|(span, _)| *span) else { return };
    let gone = after.plus(destroy);
    if gone < longest {
        let message = format!(
            "the old version is destroyed {gone} after the last value moved, and a backup of `{store}` may come back for {longest}"
        );
        let place = one.place.word("retire");
        let span = place.word("destroy_after").span();
        let hint = format!("let `after` and `destroy_after` make at least {longest} together");
        one.place.sheet.lint(span, "K012", message, Some(hint));
    }
}
