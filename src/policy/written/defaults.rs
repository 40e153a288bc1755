//! The defaults, each once: the schema shows them and `meaning` fills them in.

/// How long a write may linger.
pub(crate) const IN_FLIGHT: &str = "5m";
/// No time at all: `grace`, `caches`, `early_by`.
pub(crate) const NOTHING: &str = "0s";
/// How long a restart may take until the member is well again.
pub(crate) const WITHIN: &str = "10m";
/// How long the answer to a check may take.
pub(crate) const TIMEOUT: &str = "30s";
/// How long one call of a service may take.
pub(crate) const CALL: &str = "5m";
/// How a version is written down where one is named.
pub(crate) const IS: &str = "{{ id }}";
/// How long a saved plan may be opened.
pub(crate) const PLANS_EXPIRE: &str = "7d";
/// The least margin of `learns`; else it is a tenth of `every`.
pub(crate) const MARGIN_AT_LEAST_SECONDS: u64 = 60;
/// The field of a proof that names the member.
pub(crate) const MEMBER: &str = "member";
/// The mount of a transit engine.
pub(crate) const TRANSIT: &str = "transit";
/// Where the journal lives.
pub(crate) const HOME: &str = ".keyrota";
/// The schema of a journal in a database.
pub(crate) const SCHEMA: &str = "keyrota";
/// The zone of the calendar.
pub(crate) const ZONE: &str = "UTC";
/// How the ids of counted versions are made.
pub(crate) const COUNTED: &str = "v{{ n }}";
