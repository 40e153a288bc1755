//! keyrota.

pub mod digest;
pub mod fault;
pub mod secret;
