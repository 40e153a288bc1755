//! keyrota.

pub mod digest;
pub mod disk;
pub mod envelope;
pub mod fault;
pub mod secret;
pub mod template;
