//! Nothing goes wrong: the yardstick for all that follows.

use keyrota::decision::Wish;
use keyrota::port::clock::Clock;

use crate::project;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Applied;
use crate::site::Silent;
use crate::site::Virtual;

/// A clock for a project whose members look again whenever time has passed.
pub(crate) fn clock(project: &Project, from: keyrota::model::Hour) -> impl Clock + 'static {
    let clock = Virtual::at(from);
    if project.kind == Kind::Proof {
        project.members_look();
        let project = Project { at: project.at.clone(), kind: project.kind };
        clock.then(move |_| project.members_look());
    }
    clock
}

#[test]
fn undisturbed_every_kind_of_project_rotates_and_then_destroys() {
    for kind in Kind::ALL {
        let folder = project::folder();
        let project = Project::make(folder.path(), kind, 300);
        let others = project.others();
        let world = site::site(&project, clock(&project, site::start()));
        let mut home = site::home(&project);
        let plan = site::draw(&project, &world, &home, &site::rotate());
        let applied = site::apply(&world, &mut home, &plan, &mut Silent);
        assert!(applied.finished(), "{kind:?}: {applied:?}");
        let state = |state: &str| vec![("v1".to_owned(), state.to_owned()), ("v2".to_owned(), "current".to_owned())];
        let (under, old) = if kind.moves() { ("v2", "disabled") } else { ("v1", "decrypt-only") };
        assert_eq!(project.rows(), [(under.to_owned(), 300)].into(), "{kind:?}");
        assert_eq!(project.versions(), state(old), "{kind:?}");
        // A plan is used once.
        let again = site::apply(&world, &mut home, &plan, &mut Silent);
        assert!(matches!(again, Applied::Denied(_)), "{kind:?}: {again:?}");

        if !kind.moves() {
            continue;
        }
        let world = site::site(&project, clock(&project, site::later(world.clock.now(), 60)));
        if kind == Kind::Two {
            // Kept values pin the version until a plan of its own has deleted them.
            let plan = site::draw(&project, &world, &home, &Wish::WhatIsDue);
            let applied = site::apply(&world, &mut home, &plan, &mut Silent);
            assert!(applied.finished(), "{kind:?}: {applied:?}");
            assert_eq!(project::files(&project.at.join(".keyrota/pre-images")), [] as [std::path::PathBuf; 0]);
        }
        let plan = site::draw(&project, &world, &home, &Wish::Destroy);
        let applied = site::apply(&world, &mut home, &plan, &mut Silent);
        assert!(applied.finished(), "{kind:?}: {applied:?}");
        assert_eq!(project.versions(), state("destroyed"), "{kind:?}");
        assert_eq!(project.rows(), [("v2".to_owned(), 300)].into(), "{kind:?}");
        if kind != Kind::Proof {
            assert_eq!(project.others(), others, "{kind:?}");
        }
        project.search(&[("plan", plan.bytes())]);
    }
}
