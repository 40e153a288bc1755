//! Stores that there are: SQLite files, PostgreSQL databases, values that nobody sees, and one in memory for tests and drills.
//! Never here: a key or a cipher. An adapter moves ciphertext, and what it says about itself is tried by one contract.

#[cfg(test)]
mod contract;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod served;
pub mod sqlite;
pub mod unseen;
