//! A small simulated world: an application whose members seal and open rows, and hours that pass at once. Behind the demo,
//! the example and the fault tests. The database and the key files are true ones; only the members and the hours are made up.
//! Never here: anything of the tool itself. Members read key files and rows by themselves, as an application would, so that
//! they can contradict us.

pub mod app;
pub mod crowd;
pub mod dice;
pub mod manners;
pub mod member;
pub mod time;

pub use crowd::Crowd;
pub use crowd::Habits;
pub use crowd::Tally;
pub use dice::Dice;
pub use manners::Manners;
pub use manners::Writes;
pub use time::Time;
