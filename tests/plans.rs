//! Plans: every sample and every case is read, decided, drawn and proved; broken plans are refused with a story; and
//! the prover is tried with each rule left out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]

#[path = "plans/alike.rs"]
mod alike;
#[path = "plans/broken.rs"]
mod broken;
#[path = "plans/cases.rs"]
mod cases;
#[path = "plans/kept.rs"]
mod kept;
#[path = "plans/laws.rs"]
mod laws;
#[path = "plans/leaks.rs"]
mod leaks;
#[path = "plans/rules.rs"]
mod rules;
#[path = "plans/scene.rs"]
mod scene;
#[path = "plans/shapes.rs"]
mod shapes;
#[path = "plans/tamper.rs"]
mod tamper;
