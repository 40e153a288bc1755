//! Inequalities between spans: all timing is decided by arithmetic, and printed, so that a reviewer can
//! check it. `48h >= 26h + 1h`.

use crate::model::Span;
use crate::plan::rule::Code;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// What is there must be at least what is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The rule that asks for it.
    pub rule: Code,
    /// What it is about, in words.
    pub about: String,
    /// What is there.
    pub there: Term,
    /// What is needed, all together.
    pub needed: Vec<Term>,
}

/// One named span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// Its length.
    pub span: Span,
}

impl Term {
    /// A span and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, span: Span) -> Self {
        Self { name: name.into(), span }
    }
}

impl Bound {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.there.span >= self.needed.iter().fold(Span::ZERO, |sum, term| sum.plus(term.span))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.there.span, self.there.name)?;
        f.write_str(if self.holds() { " >= " } else { " < " })?;
        for (at, term) in self.needed.iter().enumerate() {
            let plus = if at > 0 { " + " } else { "" };
            write!(f, "{plus}{} ({})", term.span, term.name)?;
        }
        Ok(())
    }
}
