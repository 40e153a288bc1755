//! keyrota.

pub mod digest;
pub mod disk;
pub mod fault;
pub mod secret;
pub mod template;
