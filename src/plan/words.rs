//! What timing rests on, as inequalities a reviewer can check.

use crate::decision::lead::learn_span;
use crate::inventory::Disables;
use crate::model::Hour;
use crate::model::Span;
use crate::plan::Bound;
use crate::plan::Kind;
use crate::plan::aspect::Aspect;
use crate::plan::aspect::Turn;
use crate::plan::bound::Term;
use crate::plan::pass::fuse;
use crate::plan::pass::reach;
use crate::plan::rule::Code;
use crate::policy::meant::Fleet;
use crate::policy::meant::key::Retire;

/// The inequalities of one key's plan.
#[must_use]
pub fn bounds(aspect: &Aspect<'_>, hour: Hour) -> Vec<Bound> {
    let mut bounds = Vec::new();
    if matches!(aspect.kind, Kind::Rotate) {
        // How long a version may be current no longer matters for one that others know.
        bounds.extend((!aspect.haste).then(|| period(aspect)));
        let slowest = aspect.fleets.iter().max_by_key(|(_, fleet)| learn_span(fleet));
        if let Some((name, fleet)) = slowest {
            bounds.extend(readable(aspect, name.as_str(), fleet));
        }
        bounds.extend(grace(aspect));
    }
    if aspect.kind == Kind::Destroy {
        bounds.extend(destroy(aspect, hour));
    }
    let caches = aspect.longest(|fleet| fleet.caches);
    if aspect.retires() && !caches.is_zero() {
        bounds.push(Bound {
            rule: Code::R41,
            about: "no cache outlives the wait before the old version is disabled".into(),
            there: Term::new("soak", aspect.soak()),
            needed: vec![Term::new("caches", caches)],
        });
    }
    bounds
}

/// How long the old version has been out of use, against everything that may still need it. What has passed is
/// told up to what is needed: a later look at the same world says the same.
fn destroy(aspect: &Aspect<'_>, hour: Hour) -> Vec<Bound> {
    let Some(old) = aspect.old.as_ref().and_then(|id| aspect.seen.key.version(id)) else { return Vec::new() };
    let past = &aspect.seen.past;
    let retired = past.retired_at.get(&old.id).copied().or(old.since);
    let clean = past.clean_at.get(&old.id).copied();
    let disables = aspect.able.disables != Disables::No;
    let out = if disables { retired } else { clean };
    let bound = |about: String, since: Option<Hour>, name: &str, needed: Term| {
        let passed = since.map_or(Span::ZERO, |since| Span::between(since, hour)).min(needed.span);
        Bound { rule: Code::R71, about, there: Term::new(name, passed), needed: vec![needed] }
    };
    let mut bounds = Vec::new();
    if let Retire::After { destroy_after: Some(span), .. } = aspect.key.retire {
        let name = if disables { "passed since it was disabled" } else { "passed since nothing was left under it" };
        let about = "the old version was out of use for as long as the policy says".into();
        bounds.push(bound(about, out, name, Term::new("destroy_after", span)));
    }
    for name in &aspect.key.seals {
        let Some(span) = aspect.policy.stores.get(name).and_then(|store| store.restorable_for) else { continue };
        let about = format!("no backup of `{name}` with values under the old version can come back");
        let needed = Term::new(format!("{name} restorable_for"), span);
        bounds.push(bound(about, clean.or(out), "passed since nothing was left under it", needed));
    }
    bounds
}

fn period(aspect: &Aspect<'_>) -> Bound {
    let lead = aspect.lead;
    let terms = [
        ("readable", lead.readable),
        ("rest of grace", lead.grace),
        (if aspect.key.window.is_some() { "window" } else { "freeze" }, lead.window),
        ("written", lead.written),
        ("in flight", lead.in_flight),
        ("early by", aspect.key.early_by),
    ];
    Bound {
        rule: Code::R20,
        about: "a rotation fits into the time that a version may be current".into(),
        there: Term::new("rotate_every", aspect.key.rotate_every),
        needed: terms
            .into_iter()
            .filter(|(_, span)| !span.is_zero())
            .map(|(name, span)| Term::new(name, span))
            .collect(),
    }
}

/// Where members write by themselves after a delay, the slowest reader must be faster, with time left to
/// rescue a silent one.
fn readable(aspect: &Aspect<'_>, name: &str, fleet: &Fleet) -> Option<Bound> {
    if aspect.turn() != Turn::Add {
        return None;
    }
    Some(Bound {
        rule: Code::R20,
        about: format!("every member of `{name}` can read the new version before the first one writes with it"),
        there: Term::new("newest_after", fuse(aspect)?),
        needed: vec![Term::new(format!("{name} learns"), learn_span(fleet)), Term::new("rescue", reach(fleet))],
    })
}

/// Where the making of the version is the turn, grace is judged here and not waited for.
fn grace(aspect: &Aspect<'_>) -> Option<Bound> {
    if aspect.turn() != Turn::Add || aspect.grace().is_zero() {
        return None;
    }
    Some(Bound {
        rule: Code::R21,
        about: "the new version is there for the grace period before anybody writes with it".into(),
        there: Term::new("first write after", fuse(aspect).unwrap_or(Span::ZERO)),
        needed: vec![Term::new("grace", aspect.grace())],
    })
}
