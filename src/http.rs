//! HTTP: the only room that speaks it. [`get`] asks for a page, for checks and for proofs; [`call`] is what clients of servers
//! are built on. TLS verified; no proxy of the environment's; no redirect to another host; a time limit and a cap on what is read.
//! Never here: what an answer means.

#[cfg(feature = "http")]
mod ask;
#[cfg(feature = "http")]
pub mod call;

use crate::fault::Fault;
use crate::secret::Secret;
use std::time::Duration;

/// How much of an answer is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// What it says, as far as it was read.
    pub body: Vec<u8>,
    /// Whether there is more than was read.
    pub cut: bool,
}

/// Asks for a page. Any status is an answer; a redirect to another host is one too, and is not followed.
///
/// # Errors
/// The address makes no sense, nobody answered, it took too long, or whoever answered could not show who they are; or this
/// build cannot ask.
#[cfg(feature = "http")]
pub fn get(doing: &str, url: &str, headers: &[(String, Secret)], within: Duration) -> Result<Reply, Fault> {
    ask::get(doing, url, headers, within)
}

/// Asks for a page, in a build that can.
///
/// # Errors
/// This build cannot.
#[cfg(not(feature = "http"))]
pub fn get(doing: &str, _url: &str, _headers: &[(String, Secret)], _within: Duration) -> Result<Reply, Fault> {
    Err(Fault::give_up(doing, "this keyrota was built without its feature `http`")
        .hint("build it with `--features http`"))
}
