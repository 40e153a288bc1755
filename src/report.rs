//! Plans and journal as one told story.
//! Never here: the world; a claim that a standard demands something it does not demand.

pub mod line;
