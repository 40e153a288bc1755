//! Ports: what we ask of the world, in our words. A trait per kind of place, and the plain values that pass through.
//! Never here: a concrete adapter, a protocol, a decision.

pub mod backend;
pub mod clock;
pub mod elsewhere;
pub mod facts;
pub mod fleet;
pub mod home;
pub mod movable;
pub mod probe;
pub mod service;
pub mod store;
pub mod trouble;
pub mod world;
