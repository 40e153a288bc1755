//! The whole way under attack: real key files and SQLite, and everything that can go wrong going wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[path = "../support/project.rs"]
mod project;
#[path = "../support/site.rs"]
mod site;

mod calm;
mod crash;
mod enemy;
