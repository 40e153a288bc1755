//! A failure of the world (a server, a disk, a command), sorted by what to do about it.
//!
//! Not here: a wrong text (`Problem`) or an act that we will not do (`Refusal`). A fault carries words, never a secret.

use std::error::Error;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::Serialize;

/// Who or what can mend a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Time: the same again, later.
    Retry,
    /// A person: a permission, a file, a setting.
    AskOperator,
    /// Nobody within this run.
    GiveUp,
    /// The authors of keyrota.
    ReportBug,
}

/// What we could not do, why, and who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Who can mend it.
    pub remedy: Remedy,
    /// What we were doing, to follow "could not": `list versions of ..`.
    pub doing: String,
    /// What the world said.
    pub source: String,
    /// One sentence with the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds that the other side asked us to wait before a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Fault {
    /// A fault with a remedy, to be mended by `remedy`.
    pub fn new(remedy: Remedy, doing: impl Into<String>, source: impl fmt::Display) -> Self {
        Self { remedy, doing: doing.into(), source: source.to_string(), hint: None, after: None }
    }

    /// The same again may work later.
    pub fn retry(doing: impl Into<String>, source: impl fmt::Display) -> Self {
        Self::new(Remedy::Retry, doing, source)
    }

    /// A person must change something first.
    pub fn ask_operator(doing: impl Into<String>, source: impl fmt::Display) -> Self {
        Self::new(Remedy::AskOperator, doing, source)
    }

    /// Nothing in this run can mend it.
    pub fn give_up(doing: impl Into<String>, source: impl fmt::Display) -> Self {
        Self::new(Remedy::GiveUp, doing, source)
    }

    /// It cannot happen unless keyrota is wrong.
    pub fn report_bug(doing: impl Into<String>, source: impl fmt::Display) -> Self {
        Self::new(Remedy::ReportBug, doing, source)
    }

    /// An error of the operating system, sorted by its kind: what passes by itself is a retry, the rest needs a person.
    pub fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::Interrupted | Kind::WouldBlock | Kind::TimedOut | Kind::ResourceBusy => Self::retry(doing, error),
            _ => Self::ask_operator(doing, error),
        }
    }

    /// With the way out, in one sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the seconds that the other side asked us to wait.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.after = Some(seconds);
        self
    }

    /// Whether the same again may work later.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.remedy == Remedy::Retry
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.doing, self.source)
    }
}

impl Error for Fault {}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::io;

    use super::Fault;
    use super::Remedy;

    #[test]
    fn reads_as_a_sentence() {
        let fault = Fault::retry("rewrap page 7 of `data_keys`", "database is locked").after(3);
        assert_eq!(fault.to_string(), "could not rewrap page 7 of `data_keys`: database is locked");
        assert!(fault.may_retry());
        assert_eq!(fault.after, Some(3));
    }

    #[test]
    fn errors_of_the_system_are_sorted() {
        let sorted = |kind| Fault::io("x", &io::Error::from(kind)).remedy;
        assert_eq!(sorted(io::ErrorKind::TimedOut), Remedy::Retry);
        assert_eq!(sorted(io::ErrorKind::PermissionDenied), Remedy::AskOperator);
    }

    #[test]
    fn is_journaled_and_read_back() {
        let fault = Fault::give_up("open the row", "tag does not match").hint("`keyrota quarantine list`");
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(
            text,
            r#"{"remedy":"give-up","doing":"open the row","source":"tag does not match","hint":"`keyrota quarantine list`"}"#
        );
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
    }
}
