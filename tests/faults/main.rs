//! The whole way under attack: real key files and SQLite, and everything that can go wrong going wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[path = "../support/binary.rs"]
mod binary;
#[path = "../support/canary.rs"]
mod canary;
#[path = "../support/project.rs"]
mod project;
#[path = "../support/site.rs"]
mod site;
#[path = "../support/trouble.rs"]
mod trouble;

mod asked;
mod attempts;
mod calm;
mod clock;
mod crash;
mod enemy;
mod kill;
mod late;
mod plans;
mod planted;
mod ports;
mod rivals;
