//! keyrota: Terraform for encryption-key rotation.
//!
//! ```text
//! policy text -> Policy -> Inventory -> Decisions -> Plan -> Approved -> Journal -> Report
//! ```
//!
//! | word | means | not |
//! |---|---|---|
//! | key | a named thing with versions | secret, KEK |
//! | version | one generation of a key | revision, generation |
//! | backend | where key material lives | provider, KMS |
//! | store | where sealed things live | target, database |
//! | sealed | one column, field or document sealed by a version | ciphertext column |
//! | fleet, member | the processes that hold a key, one of them | consumers, clients |
//! | act | a kind of step | action, operation |
//! | step | an act in a plan | task, stage |
//! | gate | what a step waits for | barrier, condition |
//! | run | one approved plan being carried out | execution, job |
//! | the turn | the last act of ours without which nobody seals under the new version | cut-over |
//! | problem, refusal, fault | the text is wrong; we will not; the world failed | error |

pub mod approval;
pub mod backend;
pub mod cli;
pub mod command;
pub mod course;
pub mod decision;
pub mod digest;
pub mod disk;
pub mod envelope;
pub mod executor;
pub mod explain;
pub mod fault;
pub mod fleet;
pub mod gauge;
pub mod home;
pub mod http;
pub mod inventory;
pub mod journal;
pub mod model;
#[cfg(feature = "openbao")]
pub mod openbao;
pub mod plan;
pub mod pointer;
pub mod policy;
pub mod port;
#[cfg(feature = "postgres")]
pub mod postgresql;
pub mod probe;
pub mod prove;
pub mod render;
pub mod report;
pub mod secret;
pub mod simulated;
pub mod store;
pub mod survey;
pub mod template;
#[cfg(feature = "tls")]
pub mod tls;
