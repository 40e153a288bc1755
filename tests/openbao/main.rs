//! OpenBao's own server: logging in every way, staying logged in, and what every failure says.
//! `tests/services.sh cargo test --all-features --test openbao`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

mod failing;
mod login;
mod second;
mod sentences;
mod server;
