//! Which `{{ placeholders }}` have a meaning where. What is not listed is a problem when it is written, rather than a
//! surprise when a plan runs.

use crate::policy::shape::nearest;

/// The placeholders that have a meaning at one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    words: &'static [&'static str],
    /// Whether `row.NAME` has one too.
    rows: bool,
}

const fn words(words: &'static [&'static str]) -> Allowed {
    Allowed { words, rows: false }
}

/// How a backend makes the id of a version.
pub(crate) const ID: Allowed = words(&["n", "uuid1"]);
/// How a version is written down where one is named.
pub(crate) const IS: Allowed = words(&["id", "n", "sha256", "each"]);
/// The same in a pointer, where each member may have its own.
pub(crate) const POINT: Allowed = words(&["id", "n", "sha256", "each", "member"]);
/// Where a pointer's file lies.
pub(crate) const POINT_FILE: Allowed = words(&["member", "each"]);
/// Places and rows of one key among many alike.
pub(crate) const EACH: Allowed = words(&["each"]);
/// Nothing at all.
pub(crate) const NONE: Allowed = words(&[]);
/// What brings a version to a member, or takes it away.
pub(crate) const CARRY: Allowed = words(&["member", "id", "n", "sha256", "key", "each"]);
/// What restarts members.
pub(crate) const RESTART: Allowed = words(&["member", "id", "n", "key", "each"]);
/// What shows a member well.
pub(crate) const HEALTHY: Allowed = words(&["member", "since", "id", "n", "new.id", "new.n", "key", "each"]);
/// What asks the world about a key.
pub(crate) const CHECK: Allowed =
    words(&["since", "new.id", "new.n", "old.id", "old.n", "current.id", "current.n", "key", "each"]);
/// What asks about one member.
pub(crate) const MEMBER: Allowed = words(&["member", "each"]);
/// What is told of events.
pub(crate) const NOTIFY: Allowed = words(&["key", "each"]);
/// What counts the seals of a version.
pub(crate) const COUNTER: Allowed = words(&["id", "n", "key", "each"]);
/// What else is written with a new current version.
pub(crate) const SET: Allowed = words(&["current.id", "current.n"]);
/// What else stands in the document of a new version.
pub(crate) const BESIDE: Allowed = words(&["id", "n", "sha256"]);
/// Associated data.
pub(crate) const AAD: Allowed = Allowed { words: &["each"], rows: true };

/// Where what has a meaning, for the page of words.
pub(crate) const ALL: [(&str, Allowed); 12] = [
    ("`id` of a backend", ID),
    ("`is`, wherever a version is written down", IS),
    ("`is` of a fleet's `point`", POINT),
    ("`file` of a fleet's `point`", POINT_FILE),
    ("`key.at`, `key.after`, `key.wraps`, `store.path`, texts of `where`", EACH),
    ("`deliver.command`, `withdraw.command`", CARRY),
    ("`restart.each`, `restart.all`", RESTART),
    ("checks of a fleet (`healthy`)", HEALTHY),
    ("checks of a key", CHECK),
    ("`proof.gone`, `proof.http`", MEMBER),
    ("`key.notify`", NOTIFY),
    ("`aad`", AAD),
];

impl Allowed {
    /// Every placeholder, as it is written.
    pub(crate) fn listed(self) -> String {
        let mut all: Vec<String> = self.words.iter().map(|word| format!("`{{{{ {word} }}}}`")).collect();
        if self.rows {
            all.push("`{{ row.NAME }}`".into());
        }
        all.join(", ")
    }

    /// Whether a placeholder has a meaning.
    pub(crate) fn has(self, name: &str) -> bool {
        self.words.contains(&name) || self.rows && name.strip_prefix("row.").is_some_and(|column| !column.is_empty())
    }

    /// Which do.
    pub(crate) fn hint(self, strange: &str) -> String {
        if let Some(near) = nearest(strange, self.words.iter().copied()) {
            return format!("did you mean `{{{{ {near} }}}}`?");
        }
        let all = self.listed();
        if all.is_empty() { "nothing is filled in here".into() } else { format!("here stand {all}") }
    }
}
