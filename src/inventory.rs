//! What was true at one moment, and what each place can do. It is plain data: `survey` fills it from the
//! ports, tests fill it from a file. Never here: asking anybody anything.

pub mod able;
pub mod fleet;
pub mod key;
pub mod store;
pub mod unmanaged;

pub use able::Able;
pub use able::Disables;
pub use able::Fingerprints;
pub use able::Reopens;
pub use fleet::FleetSeen;
pub use fleet::MemberSeen;
pub use key::KeySeen;
pub use key::PreImages;
pub use store::Census;
pub use store::Mover;
pub use store::StoreSeen;
pub use unmanaged::Unmanaged;

use crate::model::Hour;
use crate::model::KeyName;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was true at one hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The hour it was looked at.
    pub hour: Hour,
    /// Every key of every policy.
    pub keys: BTreeMap<KeyName, KeySeen>,
    /// What looks like a key, or lies among keys, and that no policy names.
    #[serde(default)]
    pub unmanaged: Vec<Unmanaged>,
}
