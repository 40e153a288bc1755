//! The world moves between two attempts, in the worst way at the worst moment.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use keyrota::decision::Wish;
use keyrota::executor::Screen;
use keyrota::executor::Told;
use keyrota::plan::Part;

use crate::calm::clock;
use crate::project;
use crate::project::FIRST;
use crate::project::Kind;
use crate::project::Project;
use crate::site;
use crate::site::Silent;

/// Asks to stop once an act of a kind is done.
struct StopAfter {
    stop: Arc<AtomicBool>,
    wanted: fn(&Part) -> bool,
}

impl Screen for StopAfter {
    fn tell(&mut self, told: &Told<'_>) {
        if let Told::Done { part, .. } = told
            && (self.wanted)(part)
        {
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn what_a_backup_brought_back_after_the_last_count_is_not_lost_with_its_key() {
    let folder = project::folder();
    let project = Project::make(folder.path(), Kind::Plain, 20);
    let world = site::site(&project, clock(&project, site::start()));
    let plan = site::draw(&project, &world, &site::home(&project), &site::rotate());
    assert!(site::apply(&world, &mut site::home(&project), &plan, &mut Silent).finished());

    let world = site::site(&project, clock(&project, site::later(world.clock.now(), 60)));
    let plan = site::draw(&project, &world, &site::home(&project), &Wish::Destroy);
    let stop = Arc::new(AtomicBool::new(false));
    let mut screen = StopAfter { stop: Arc::clone(&stop), wanted: |part| *part == Part::Recount };
    let applied = site::apply_with(&world, &mut site::home(&project), &plan, &mut screen, &stop, true);
    assert!(!applied.finished(), "{applied:?}");
    // Weeks later somebody restores an old row; then the run that was left open goes on.
    project::insert(&project.connect(), 1000, "v1", FIRST).unwrap();
    let world = site::site(&project, clock(&project, site::later(world.clock.now(), 3_000_000)));
    let applied = site::apply(&world, &mut site::home(&project), &plan, &mut Silent);
    assert_eq!(project.versions()[0], ("v1".to_owned(), "disabled".to_owned()), "{applied:?}");
    assert!(!applied.finished(), "{applied:?}");
    // Once it is gone again, the same run goes to its end.
    project.connect().execute("DELETE FROM data_keys WHERE id = 1000", ()).unwrap();
    assert!(site::apply(&world, &mut site::home(&project), &plan, &mut Silent).finished());
    assert_eq!(project.versions()[0].1, "destroyed");
}
