//! Policy text in, `Policy` out, or every problem at once; lint; schema.
//! Never here: the world. What a policy names is looked at by `survey` and touched by `executor`.

pub mod meant;
mod place;
mod problem;
mod shape;
mod sheet;
mod tree;
mod written;

pub use meant::Policy;
pub use meant::Project;
