//! Why bytes are not taken for a plan.

use crate::plan::document::BYTES_MAX;
use crate::plan::document::FORMAT;
use crate::plan::document::STEPS_MAX;
use std::fmt;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is too large to be one.
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It does not begin as a plan does.
    NotAPlan,
    /// It is a plan of another format.
    OtherFormat {
        /// The format's name.
        format: String,
    },
    /// It cannot be read.
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// It reads, and is not what keyrota writes for that plan.
    NotAsWritten {
        /// The first line that differs, counted from 1.
        line: usize,
    },
    /// Its parts do not fit together.
    Unsound {
        /// The unit, counted from 1.
        unit: usize,
        /// What does not fit.
        why: &'static str,
    },
    /// It has too many steps.
    TooManySteps,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLarge { bytes } => {
                write!(f, "this is {bytes} bytes long, and no plan is longer than {BYTES_MAX}")
            }
            Refused::NotAPlan => f.write_str("this is not a plan of keyrota"),
            Refused::OtherFormat { format } => {
                write!(f, "this plan has the format `{format}`, and this keyrota reads `{FORMAT}`")
            }
            Refused::Malformed { line, column, why } => {
                write!(f, "this plan cannot be read: line {line}, column {column}: {}", why.escape_default())
            }
            Refused::NotAsWritten { line } => write!(f, "this plan is not as keyrota wrote it: line {line} differs"),
            Refused::Unsound { unit, why } => write!(f, "this plan does not hold together: unit {unit}: {why}"),
            Refused::TooManySteps => write!(f, "this plan has more than {STEPS_MAX} steps"),
        }
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// The way out, in one sentence.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Refused::OtherFormat { .. } => "use the keyrota that wrote it, or draw the plan again with this one",
            Refused::NotAPlan => "name a file that `keyrota plan -o FILE` wrote",
            Refused::TooLarge { .. } | Refused::TooManySteps => "plan fewer keys at once with `keyrota plan --key KEY`",
            Refused::Malformed { .. } | Refused::NotAsWritten { .. } | Refused::Unsound { .. } => {
                "do not edit a plan: change the policy and draw the plan again"
            }
        }
    }
}
