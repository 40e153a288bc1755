//! What is told of a version that others know.

use crate::scene;
use keyrota::decision::Breaks;
use keyrota::decision::Wish;
use keyrota::inventory::key::Unreachable;
use keyrota::model::Span;
use keyrota::model::State;
use keyrota::plan::Document;
use keyrota::plan::Plan;
use keyrota::policy::meant::fleet::Deliver;
use keyrota::policy::meant::fleet::Learns;
use keyrota::policy::meant::key::Retire;
use keyrota::render::Paper;
use keyrota::render::why;

/// The screen, on one line.
fn shown(plan: Plan) -> String {
    let document = Document::of(keyrota::prove::check(plan).unwrap());
    joined(&keyrota::render::plan::text(&document, Paper::default()))
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wish(key: &str, version: &str) -> Wish {
    Wish::Compromised(key.parse().unwrap(), version.parse().unwrap())
}

fn why(scene: &scene::Scene, version: &str) -> String {
    let decisions = keyrota::decision::decide(&scene.project, &scene.world, &Wish::WhatIsDue);
    let (policy, seen) = (&scene.project.policies[0], scene.world.keys.values().next().unwrap());
    let key = policy.keys.values().next().unwrap();
    let case = why::Case { policy, key, seen, decision: &decisions[0], run: None, hour: scene.world.hour };
    let version = seen.key.version(&version.parse().unwrap());
    joined(&why::text(&why::answer(case, version), Paper::default()))
}

fn lost(what: &str) -> Unreachable {
    Unreachable { what: what.into(), why: "connection refused".into(), hint: None }
}

/// Nobody could look: that is no word about the version, and whatever may need it is named.
#[test]
fn a_version_that_nobody_could_look_at_is_not_called_gone() {
    let mut scene = scene::case("known-to-others-and-left-before");
    for seen in scene.world.keys.values_mut() {
        seen.past.known = seen.key.versions.iter().map(|version| version.id.clone()).collect();
        seen.key.versions.clear();
        seen.able = None;
        seen.stores.values_mut().for_each(|store| store.census = None);
        seen.unreachable.push(lost("backend `files`"));
    }
    let plan = scene.draw(None);
    assert!(plan.units.is_empty());
    let breaks = &plan.leaks[0].breaks;
    assert!(breaks.iter().any(|one| matches!(one, Breaks::Uncounted { .. })), "{breaks:?}");
    assert!(
        breaks.iter().any(|one| matches!(one, Breaks::Unheard { members, .. } if members.len() == 2)),
        "{breaks:?}"
    );
    let shown = shown(plan);
    assert!(
        shown.contains("Its state could not be seen: backend `files`: connection refused. What may need it:"),
        "{shown}"
    );
    assert!(!shown.contains("no longer there") && !shown.contains("Nothing opens with it"), "{shown}");
}

/// A store and a fleet that cannot be reached are named, and not left out.
#[test]
fn what_could_not_be_asked_may_break() {
    let mut scene = scene::case("known-to-others-and-left-before");
    for seen in scene.world.keys.values_mut() {
        seen.stores.clear();
        seen.fleets.clear();
        seen.unreachable.extend([lost("store `app`"), lost("fleet `web`")]);
    }
    let breaks = scene.draw(None).leaks.remove(0).breaks;
    let app = Breaks::Uncounted { store: "app".parse().unwrap() };
    let web = Breaks::Unheard { fleet: "web".parse().unwrap(), members: Vec::new() };
    assert!(breaks.contains(&app) && breaks.contains(&web), "{breaks:?}");
}

/// Where nothing disables, no plan says that it does, and what ends the version is told instead.
#[test]
fn where_nothing_disables_it_stays_readable_until_it_is_destroyed() {
    let mut scene = scene::case("destroy-where-nothing-disables");
    scene.wish = wish("document/kek", "v2");
    let away = shown(scene.draw(None));
    assert!(away.contains("It stays readable until it is destroyed: `keyrota plan --destroy -o FILE`"), "{away}");
    assert!(!away.contains("of normal traffic before"), "{away}");
    scene.wish = wish("document/kek", "v1");
    let left = scene.draw(None);
    assert!(left.units.is_empty());
    let left = shown(left);
    assert!(
        left.contains("nothing to rotate. It stays readable until it is destroyed: `keyrota plan --destroy"),
        "{left}"
    );
    for (clean, command) in
        [("2026-09-01T10:00:00Z", "`keyrota plan --destroy"), ("2026-11-20T10:00:00Z", "from Wed 2026-12-30")]
    {
        let seen = scene.world.keys.values_mut().next().unwrap();
        seen.past.compromised = vec!["v1".parse().unwrap()];
        seen.past.clean_at = [("v1".parse().unwrap(), clean.parse().unwrap())].into();
        let told = why(&scene, "v1");
        assert!(told.contains(command) && !told.contains("--compromised"), "{told}");
        assert!(told.contains("nothing that is known of would break") || told.contains("a backup of"), "{told}");
    }
}

/// Nor is it said to be disabled where nothing ends it either.
#[test]
fn where_nothing_ends_it_it_stays_readable() {
    let mut scene = scene::case("destroy-where-nothing-disables");
    scene.wish = wish("document/kek", "v2");
    for key in scene.project.policies[0].keys.values_mut() {
        key.retire = Retire::After { after: Span::days(1), destroy_after: None };
    }
    let told = shown(scene.draw(None));
    assert!(told.contains("It stays readable: the policy sets no `destroy_after`."), "{told}");
    assert!(told.contains("Then: `v2` stays readable; the policy sets no `destroy_after`"), "{told}");
}

/// A plan that is about something else says so, and does not promise another.
#[test]
fn a_plan_beside_it_says_what_it_is_about() {
    let mut scene = scene::case("known-to-others-and-left-before");
    let seen = scene.world.keys.values_mut().next().unwrap();
    seen.key.versions[0].state = State::Disabled;
    seen.key.versions[1].current_since = Some("2026-01-01T09:00:00Z".parse().unwrap());
    seen.stores.values_mut().for_each(|store| store.census.as_mut().unwrap().under.retain(|id, _| id.as_str() != "v1"));
    let due = shown(scene.draw(None));
    assert!(due.contains("This plan is about something else than `v1`, which is disabled already."), "{due}");
    let mut scene = scene::case("restored-under-a-retired-version");
    scene.wish = wish("restored/kek", "v2");
    let first = shown(scene.draw(None));
    assert!(first.contains("values of another version come first"), "{first}");
}

/// Nobody enables in silence what others know.
#[test]
fn what_others_know_is_not_enabled_in_silence() {
    let mut scene = scene::case("restored-under-a-retired-version");
    assert!(!shown(scene.draw(None)).contains("known to others"));
    scene.world.keys.values_mut().for_each(|seen| seen.past.compromised = vec!["v1".parse().unwrap()]);
    let told = shown(scene.draw(None));
    assert!(told.contains("`v1` is known to others, and is enabled again until its values have moved"), "{told}");
    assert!(told.contains("keyrota plan --compromised restored/kek@v1"), "{told}");
    scene.wish = wish("restored/kek", "v1");
    assert!(!shown(scene.draw(None)).contains("keyrota plan --compromised"));
}

/// That a delivery ended well is no sign that anybody knows the version: `grace` stays, unless the delivery proves it.
#[test]
fn a_delivery_that_proves_nothing_shortens_no_grace() {
    let drawn = |proves: Option<bool>| {
        let mut scene = scene::case("destroy-where-nothing-disables");
        scene.wish = wish("document/kek", "v2");
        let policy = &mut scene.project.policies[0];
        policy.keys.values_mut().for_each(|key| key.grace = Span::minutes(120));
        for fleet in policy.fleets.values_mut() {
            fleet.learns = Learns::Always;
            fleet.deliver = fleet.deliver.take().zip(proves).map(|(deliver, proves)| Deliver { proves, ..deliver });
        }
        shown(scene.draw(None))
    };
    let kept = drawn(Some(false));
    assert!(kept.contains("It still waits the 2h of `grace`") && kept.contains("wait for the grace period"), "{kept}");
    for proves in [Some(true), None] {
        let hasty = drawn(proves);
        assert!(
            hasty.contains("the 2h of `grace` (every member proves") && !hasty.contains("wait for the grace period"),
            "{hasty}"
        );
    }
}
