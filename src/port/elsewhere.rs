//! The mark of a home whose journal is in another one: it was moved away, or is still on its way here.

use serde::Deserialize;
use serde::Serialize;

use crate::fault::Fault;
use crate::journal::Head;

const FORMAT: &str = "keyrota-moved/1";

/// Where a journal is, when it is not in the home that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "journal", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Elsewhere {
    /// It was moved away.
    Gone {
        /// Where it went.
        to: String,
        /// Where it ended when it went.
        head: Head,
    },
    /// It is being copied here, and is still true where it comes from.
    Coming {
        /// Where it comes from.
        from: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    #[serde(flatten)]
    mark: Elsewhere,
}

impl Elsewhere {
    /// The mark as a home keeps it: one line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let written = Written { format: FORMAT.to_owned(), mark: self.clone() };
        // Names and numbers always have a writing; what had none would be refused when it is read.
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    }

    /// Reads what [`Elsewhere::to_text`] wrote.
    ///
    /// # Errors
    /// It is no mark: never taken for "it is here".
    pub fn from_text(text: &str) -> Result<Self, Fault> {
        let unreadable = |why: String| {
            Fault::ask_operator("use the journal's home", format!("its mark that it was moved cannot be read: {why}"))
                .hint("use the keyrota that moved it, or restore the home from a backup")
        };
        let written: Written = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        match written.format == FORMAT {
            true => Ok(written.mark),
            false => Err(unreadable(format!("its format is `{}`", written.format.escape_default()))),
        }
    }

    /// The refusal of a home that bears this mark.
    #[must_use]
    pub fn refusal(&self) -> Fault {
        let doing = "use the journal's home";
        match self {
            Elsewhere::Gone { to, head } => {
                let why = format!("its journal of {} entries was moved to {}", head.count, to.escape_debug());
                Fault::give_up(doing, why).hint("say so in `[home]` of `keyrota.toml`")
            }
            Elsewhere::Coming { from } => {
                let why = format!("a journal is on its way here from {}, and has not arrived", from.escape_debug());
                Fault::give_up(doing, why).hint("run that `keyrota journal move` again: it goes on where it stopped")
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Elsewhere;
    use crate::journal::Head;

    #[test]
    fn a_mark_reads_back_and_what_is_none_is_not_taken_for_none() {
        let gone = Elsewhere::Gone { to: "a \"place\"".into(), head: Head::NONE };
        let coming = Elsewhere::Coming { from: "`.keyrota`".into() };
        for mark in [gone, coming] {
            assert_eq!(Elsewhere::from_text(&mark.to_text()).unwrap(), mark);
            assert!(Elsewhere::from_text(&mark.to_text().replace("moved/1", "moved/2")).is_err());
            assert!(mark.refusal().hint.is_some());
        }
        for bad in ["", "{}", "null"] {
            assert!(Elsewhere::from_text(bad).is_err(), "{bad:?}");
        }
    }
}
