//! The rewrap on real SQLite files: every shape of table, every way to go wrong, rivals, and death at any moment.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/canary.rs"]
mod canary;
mod death;
mod refused;
mod rivals;
mod served;
mod shapes;
mod values;
mod world;
