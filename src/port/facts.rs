//! What `{{ .. }}` may ask for where a version, a member or a moment is written down: one way to make these facts, so that
//! a command, a pointer and a proof write a version alike.

use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Member;
use crate::model::Version;
use crate::model::VersionId;
use crate::template::Missing;
use crate::template::Template;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Names and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// No facts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The facts of one version: `id`, `n` (the number that the id ends with, where it has one) and `sha256` (its
    /// fingerprint, where that is known).
    #[must_use]
    pub fn of(version: &Version) -> Self {
        Self::version(&version.id, version.fingerprint.as_ref())
    }

    /// [`Facts::of`], from an id and a fingerprint.
    #[must_use]
    pub fn version(id: &VersionId, fingerprint: Option<&Fingerprint>) -> Self {
        Self::none().version_as("", id, fingerprint)
    }

    /// With a version under a name: `new` adds `new.id`, `new.n` and `new.sha256`.
    #[must_use]
    pub fn with_version(self, name: &str, id: &VersionId, fingerprint: Option<&Fingerprint>) -> Self {
        self.version_as(&format!("{name}."), id, fingerprint)
    }

    /// With the member that an act is for.
    #[must_use]
    pub fn with_member(self, member: &Member) -> Self {
        self.with("member", member.as_str())
    }

    /// With the hour at which the act before ended, as `since`.
    #[must_use]
    pub fn with_since(self, since: Hour) -> Self {
        self.with("since", since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    /// With one more fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// What a name stands for.
    #[must_use]
    pub fn know(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }

    /// A template with these facts filled in.
    ///
    /// # Errors
    /// Names the first place that no fact fills.
    pub fn fill(&self, template: &Template) -> Result<String, Missing> {
        template.fill(|name| self.know(name))
    }

    fn version_as(mut self, prefix: &str, id: &VersionId, fingerprint: Option<&Fingerprint>) -> Self {
        self.0.insert(format!("{prefix}id"), id.to_string());
        if let Some(n) = number(id) {
            self.0.insert(format!("{prefix}n"), n.to_string());
        }
        if let Some(fingerprint) = fingerprint {
            self.0.insert(format!("{prefix}sha256"), fingerprint.to_string());
        }
        self
    }
}

/// The number at the end of an id that counts: `v12` gives 12, `kek-3` gives 3. An id with digits elsewhere does not count, and
/// `v012` is not how 12 is written.
#[must_use]
pub fn number(id: &VersionId) -> Option<u64> {
    let text = id.as_str();
    let start = text.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |last| last.saturating_add(1));
    let (before, digits) = text.split_at_checked(start)?;
    let counts = !before.contains(|c: char| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if counts { digits.parse().ok() } else { None }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Facts;
    use super::number;
    use crate::template::Template;

    #[test]
    fn ids_that_count_have_a_number() {
        let n = |text: &str| number(&text.parse().unwrap());
        assert_eq!([n("v12"), n("7"), n("kek-0"), n("kv2")], [Some(12), Some(7), Some(0), Some(2)]);
        let uuid = "52466a9c-e4ba-11f1-be23-02fc00000001";
        assert_eq!([n("v012"), n("blue"), n(uuid), n("v99999999999999999999")], [None; 4]);
    }

    #[test]
    fn one_version_is_written_in_many_ways() {
        let print = "ab".repeat(32).parse().unwrap();
        let facts = Facts::version(&"v2".parse().unwrap(), Some(&print))
            .with_version("new", &"v3".parse().unwrap(), None)
            .with_member(&"web-1".parse().unwrap())
            .with_since("2026-03-01T10:00:00.5Z".parse().unwrap());
        let fill = |text: &str| facts.fill(&Template::parse(text).unwrap());
        assert_eq!(fill("{{ member }} {{ id }} {{ n }} {{ sha256[:4] }} {{ new.id }}").unwrap(), "web-1 v2 2 abab v3");
        assert_eq!(fill("{{ since }}").unwrap(), "2026-03-01T10:00:00Z");
        assert!(fill("{{ new.sha256 }}").is_err());
    }
}
