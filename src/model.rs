//! The words of the domain: keys, versions and their states, acts, names, spans of time, and the one
//! function that knows what an act does to a key (`Key::after`).
//! Never here: input and output, the hour, anything that knows an adapter.

pub mod act;
pub mod after;
pub mod key;
pub mod name;
pub mod span;

pub use act::Act;
pub use act::Change;
pub use act::Risk;
pub use act::Which;
pub use after::Refusal;
pub use key::Key;
pub use key::State;
pub use key::Version;
pub use name::Fingerprint;
pub use name::KeyName;
pub use name::Member;
pub use name::Name;
pub use name::VersionId;
pub use span::Span;

/// An hour: every instant in keyrota is UTC.
pub type Hour = chrono::DateTime<chrono::Utc>;
