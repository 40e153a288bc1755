//! What people and machines see of a plan: its bytes, its digests, and its screens.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod bytes;
mod sample;
mod screens;
