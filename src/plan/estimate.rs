//! What a step costs, as far as can be told before.

use crate::decision::lead::VALUES_A_SECOND;
use serde::Deserialize;
use serde::Serialize;

/// An estimate. Nothing in it decides anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Values to be moved or opened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub values: u64,
    /// Seconds it takes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seconds: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Estimate {
    /// Whether it says nothing.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.values == 0 && self.seconds == 0
    }

    /// The estimate for moving or opening so many values.
    #[must_use]
    pub const fn values(values: u64) -> Self {
        Self { values, seconds: values.div_ceil(VALUES_A_SECOND) }
    }

    /// The estimate for something that takes so long.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self { values: 0, seconds }
    }
}
