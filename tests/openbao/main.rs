//! OpenBao's own server: logging in every way, staying logged in, and what every failure says.
//! `tests/services.sh cargo test --all-features --test openbao`

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

mod death;
mod failing;
mod fitting;
mod kv;
mod login;
mod page;
mod paths;
mod proxy;
mod pushing;
mod races;
mod scene;
mod second;
mod sentences;
mod server;
mod transit;
