//! Keys that never leave their service: it is asked to open, to seal, and to do both in one. Many values a call, each with an
//! answer of its own. How many go into one request, and how many requests at once, is the adapter's to find out.

use std::fmt;

use crate::fault::Fault;
use crate::model::VersionId;
use crate::secret::Secret;

/// Whoever holds one key and opens and seals with it. Nothing of it changes the key, so that every call may be repeated.
pub trait Service: Send + Sync {
    /// Seals values anew under `target`; what they hold never leaves the service. Only for values with no associated data:
    /// a service may drop that in silence.
    ///
    /// # Errors
    /// It cannot be asked, or not for as long as we have patience. A value that it refuses is an answer.
    fn rewrap(&self, values: &[Asked<'_>], target: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault>;

    /// Opens values.
    ///
    /// # Errors
    /// As [`Service::rewrap`].
    fn open(&self, values: &[Asked<'_>]) -> Result<Vec<Answer<Secret>>, Fault>;

    /// Seals values under `version`.
    ///
    /// # Errors
    /// As [`Service::rewrap`].
    fn seal(&self, values: &[Plain<'_>], version: &VersionId) -> Result<Vec<Answer<Vec<u8>>>, Fault>;
}

/// A sealed value that a service is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The version that sealed it.
    pub version: &'a VersionId,
    /// Its bytes, without what names the version.
    pub bytes: &'a [u8],
    /// What binds it to its place; empty where nothing does.
    pub aad: &'a [u8],
}

/// A value to be sealed. It cannot be printed.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    /// What it holds.
    pub bytes: &'a Secret,
    /// What binds it to its place; empty where nothing does.
    pub aad: &'a [u8],
}

/// The answer about one value.
pub type Answer<T> = Result<T, No>;

/// Why a service did not do as asked with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum No {
    /// It is not what this service seals.
    Misfit(String),
    /// Its version is disabled or destroyed, or there is none such.
    NoKey,
    /// It does not open.
    DoesNotOpen,
    /// Something else, in the service's own words.
    Said(String),
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit(why) => write!(f, "it is not what this service seals: {why}"),
            Self::NoKey => f.write_str("its version opens nothing there"),
            Self::DoesNotOpen => f.write_str("it does not open"),
            Self::Said(why) => write!(f, "the service says: {why}"),
        }
    }
}
