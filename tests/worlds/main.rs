//! Small true consumers of each system, written in Python on other libraries than ours, and keyrota's own program turning
//! their keys while they read and write. `tests/services.sh cargo test --all-features --test worlds`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

#[allow(dead_code, reason = "the client's own tests use the rest")]
#[path = "../openbao/server.rs"]
mod bao;
#[path = "../support/canary.rs"]
mod canary;
mod nico;
mod nico_postgres;
mod nvcf;
mod proofs;
mod stage;
mod transit;
mod uptrakit;
