//! What people see: views, which decide the words once, and templates, which only lay them out.
//! Never here: the world, the hour, secrets. Whether to use colours, and how wide the paper is, the caller says.

pub mod decisions;
pub mod plan;
pub mod report;
pub mod status;
pub mod terminal;
pub mod why;

mod escape;
mod outline;
mod page;
mod rest;
mod words;

pub use words::all_of;

pub use terminal::Paper;
