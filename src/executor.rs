//! Carrying out what was approved.

pub mod rewrap;
