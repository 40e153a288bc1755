//! The processes that hold keys: reached by the operator's own commands and by pointers in their configuration; a memory
//! sibling; and the contract that all of them meet.
//! Never here: when something is delivered, or to whom first.

pub mod command;
pub mod contract;
pub mod memory;
