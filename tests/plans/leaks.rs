//! What is told of a version that others know.

use crate::scene;
use keyrota::decision::Breaks;
use keyrota::inventory::key::Unreachable;
use keyrota::plan::Document;
use keyrota::plan::Plan;

fn shown(plan: Plan) -> String {
    let document = Document::of(keyrota::prove::check(plan).unwrap());
    keyrota::render::plan::markdown(&document).replace("<code>", "`").replace("</code>", "`")
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
