//! The rewrap on a real PostgreSQL server: every shape of table, what is refused by name, rivals and lost connections.
//! `tests/services.sh cargo test --all-features --test postgres`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/canary.rs"]
mod canary;
mod death;
mod documents;
mod home;
mod moved;
mod proxy;
mod refused;
mod rivals;
mod server;
mod shapes;
mod sizes;
mod ways;
mod whole;
#[expect(dead_code, reason = "the other databases' tests use the rest")]
#[path = "../rewrap/world.rs"]
mod world;
