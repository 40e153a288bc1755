//! Where key material lives: one adapter per kind of place, a memory sibling, and the contract that all of them meet.
//! Never here: what should happen to a key. That is planned; here it is done.

mod coding;
pub mod contract;
pub mod document;
pub mod file;
mod id;
pub mod memory;
#[cfg(feature = "openbao")]
pub mod openbao_kv;
#[cfg(feature = "openbao")]
pub mod openbao_transit;
