//! The port to a service that seals its own rows anew when it is asked, and the law that each of its replies must keep.
//! Never here: whether a reply is the one that was hoped for; that is the executor's.

use crate::fault::Fault;
use crate::inventory::Census;
use crate::model::Key;
use crate::model::Name;
use crate::model::State;
use crate::model::VersionId;
use crate::port::store::Known;
use crate::port::store::Versions;
use std::collections::BTreeMap;

/// A service that seals its own rows anew.
///
/// It is trusted to do what it says of each row, and no further: what it says must add up, and must be about the version that
/// was meant.
pub trait Service: Send + Sync {
    /// The identity of the world behind it, as far as it shows one.
    ///
    /// # Errors
    /// It cannot be reached.
    fn world(&self) -> Result<String, Fault>;

    /// Asks it to look, or to move: everything, or one scope of it. One that only looks changes nothing. One that moves may have
    /// moved some or all of it when it fails; a fault that may be retried says only that the same may be asked again.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    fn call(&self, scope: Option<&str>, dry_run: bool) -> Result<Reply, Fault>;

    /// The scopes of a roll-out in phases, in their order. None: every call is for everything.
    ///
    /// # Errors
    /// Whoever knows them cannot be asked.
    fn scopes(&self) -> Result<Vec<String>, Fault>;

    /// Each version as replies write it down.
    ///
    /// # Errors
    /// The policy asks for what is not known of a version.
    fn written(&self, versions: &Versions) -> Result<Vec<Known>, Fault>;

    /// What is asked and answered by which fields of which messages, for people.
    ///
    /// # Errors
    /// It cannot be known, or the policy does not fit it.
    fn shapes(&self) -> Result<String, Fault>;

    /// What the failures of its replies are filed under.
    fn method(&self) -> &str;
}

/// What a service answered, as it answered it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The version that it moves to, as it writes it down.
    pub target: String,
    /// What it counted by rows.
    pub rows: Counts,
    /// What it counted by sealed fields. They have no total: a row without any is there already.
    pub fields: Counts,
    /// What it could not move. One row may fail by several fields.
    pub failures: Vec<Failure>,
}

/// Numbers of a reply, as far as it has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were looked at.
    pub seen: Option<u64>,
    /// Those that were moved, or would be.
    pub moved: Option<u64>,
    /// Those that were there already.
    pub there: Option<u64>,
    /// Those that could not be moved.
    pub failed: Option<u64>,
}

/// One thing that a service could not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The row, for people: `organization_id='a'`.
    pub row: String,
    /// What in it is sealed.
    pub field: String,
    /// Why.
    pub why: String,
    /// Whether only the row changed meanwhile: the same again may work.
    pub again: bool,
}

/// A reply that adds up and is about a version of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The version that it moves to.
    pub target: VersionId,
    /// Rows that were moved, or would be.
    pub moved: u64,
    /// Rows that were there already, by the version's id alone: nobody opened them.
    pub there: u64,
    /// Rows that could not be moved.
    pub failed: u64,
    /// Why not, each by its name.
    pub failures: Vec<Failure>,
}

impl Reply {
    /// The answer, if it adds up: every row that was seen was moved, was there, or failed; and no more rows have names among
    /// the failures than failed.
    ///
    /// # Errors
    /// It does not, or is about no version of the key.
    pub fn judged(self, doing: &str, known: &[Known]) -> Result<Answer, Fault> {
        let odd = |why: String| {
            Fault::ask_operator(doing, why).hint("nothing is taken for done; look at the service and at `reply`")
        };
        let named = self.named();
        let rows = self.rows;
        let moved = rows.moved.ok_or_else(|| odd("the reply does not say how many rows it moves".to_owned()))?;
        let failed = rows.failed.unwrap_or(named);
        let there = match (rows.there, rows.seen) {
            (Some(there), _) => there,
            (None, Some(seen)) => seen
                .checked_sub(moved)
                .and_then(|left| left.checked_sub(failed))
                .ok_or_else(|| odd(format!("of {seen} rows it moves {moved}, and {failed} fail")))?,
            (None, None) => return Err(odd("the reply does not say how many rows were there already".to_owned())),
        };
        let sum = moved.checked_add(there).and_then(|sum| sum.checked_add(failed));
        if let Some(seen) = rows.seen.filter(|seen| Some(*seen) != sum) {
            let parts = format!("{moved} moved, {there} there already and {failed} failed");
            return Err(odd(format!("the reply does not add up: {seen} rows seen are not {parts}")));
        }
        if named > failed {
            return Err(odd(format!("the reply does not add up: {failed} rows failed, and it names {named}")));
        }
        let Some(target) = known.iter().find(|version| version.text == self.target) else {
            let shown = crate::port::store::Value::Text(self.target.as_bytes()).to_string();
            return Err(odd(format!("it moves to version {shown}, which the key does not have")));
        };
        Ok(Answer { target: target.id.clone(), moved, there, failed, failures: self.failures })
    }

    /// How many rows have a name among the failures.
    fn named(&self) -> u64 {
        let rows: std::collections::BTreeSet<&str> = self.failures.iter().map(|failure| failure.row.as_str()).collect();
        u64::try_from(rows.len()).unwrap_or(u64::MAX)
    }
}

impl Answer {
    /// Whether nothing is left to move, and nothing failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.moved == 0 && self.failed == 0 && self.failures.is_empty()
    }

    /// How many rows are under which version. What is not there is under the only other one there is; where there are several,
    /// under any of them.
    #[must_use]
    pub fn census<'v>(&self, versions: impl Iterator<Item = &'v VersionId>) -> Census {
        let elsewhere = self.moved.saturating_add(self.failed);
        let mut census = Census { exact: true, ..Census::default() };
        if self.there > 0 {
            census.under.insert(self.target.clone(), self.there);
        }
        match (self.other(versions), elsewhere) {
            (_, 0) => {}
            (Some(other), rows) => drop(census.under.insert(other, rows)),
            (None, rows) => census.strange = rows,
        }
        census
    }

    /// The only version beside the target, where there is one.
    #[must_use]
    pub fn other<'v>(&self, versions: impl Iterator<Item = &'v VersionId>) -> Option<VersionId> {
        let mut others = versions.filter(|id| **id != self.target);
        others.next().cloned().filter(|_| others.next().is_none())
    }

    /// The failures of each row.
    #[must_use]
    pub fn by_row(&self) -> BTreeMap<&str, Vec<&Failure>> {
        let mut rows: BTreeMap<&str, Vec<&Failure>> = BTreeMap::new();
        for failure in &self.failures {
            rows.entry(&failure.row).or_default().push(failure);
        }
        rows
    }
}

/// A service, as it is asked about the values of one key.
pub struct Asked<'a> {
    store: Name,
    service: &'a dyn Service,
    written: Vec<Known>,
    versions: Vec<VersionId>,
}

impl<'a> Asked<'a> {
    /// Who is asked about a key with these versions.
    ///
    /// # Errors
    /// Versions cannot be told apart in its replies.
    pub fn new(store: &Name, service: &'a dyn Service, key: &Key, versions: &Versions) -> Result<Self, Fault> {
        let there = key.versions.iter().filter(|version| version.state != State::Destroyed);
        let there = there.map(|version| version.id.clone()).collect();
        Ok(Self { store: store.clone(), service, written: service.written(versions)?, versions: there })
    }

    /// The store's name.
    #[must_use]
    pub fn store(&self) -> &Name {
        &self.store
    }

    /// As [`Service::method`].
    #[must_use]
    pub fn method(&self) -> &str {
        self.service.method()
    }

    /// As [`Service::scopes`].
    ///
    /// # Errors
    /// The same.
    pub fn scopes(&self) -> Result<Vec<String>, Fault> {
        self.service.scopes()
    }

    /// Asks it once. A look changes nothing.
    ///
    /// # Errors
    /// It cannot be asked, or its reply does not add up.
    pub fn call(&self, scope: Option<&str>, dry_run: bool) -> Result<Answer, Fault> {
        self.service.call(scope, dry_run)?.judged(&self.doing(scope, dry_run), &self.written)
    }

    /// How many rows are under which version, by an answer.
    #[must_use]
    pub fn census(&self, answer: &Answer) -> Census {
        answer.census(self.versions.iter())
    }

    /// The only version beside an answer's target, where there is one.
    #[must_use]
    pub fn other(&self, answer: &Answer) -> Option<VersionId> {
        answer.other(self.versions.iter())
    }

    /// What a call does, to follow "could not".
    #[must_use]
    pub fn doing(&self, scope: Option<&str>, dry_run: bool) -> String {
        let what = if dry_run { "what it would move" } else { "to move its values" };
        let of = scope.map(|scope| format!(" in `{scope}`")).unwrap_or_default();
        format!("ask the service of store `{}` {what}{of}", self.store)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Counts;
    use super::Failure;
    use super::Reply;
    use crate::model::VersionId;
    use crate::port::store::Known;

    fn known() -> Vec<Known> {
        let known = |id: &str| Known { id: id.parse().unwrap(), text: format!("#{id}") };
        vec![known("v1"), known("v2")]
    }

    fn reply(seen: u64, moved: u64, there: u64, failed: u64) -> Reply {
        let rows = Counts { seen: Some(seen), moved: Some(moved), there: Some(there), failed: Some(failed) };
        Reply { target: "#v2".to_owned(), rows, ..Reply::default() }
    }

    fn failure(row: &str, field: &str) -> Failure {
        Failure { row: row.to_owned(), field: field.to_owned(), why: "no".to_owned(), again: false }
    }

    #[test]
    fn what_does_not_add_up_is_no_answer() {
        let judged = |reply: Reply| reply.judged("ask", &known()).map_err(|fault| fault.source);
        assert!(judged(reply(10, 3, 6, 1)).is_ok());
        for (wrong, why) in [
            (reply(11, 3, 6, 1), "11 rows seen are not 3 moved, 6 there already and 1 failed"),
            (reply(u64::MAX, u64::MAX, 1, 0), "does not add up"),
            (
                Reply { target: "v2".to_owned(), ..reply(1, 1, 0, 0) },
                "moves to version 'v2', which the key does not have",
            ),
            (Reply { failures: vec![failure("a", "x"), failure("b", "x")], ..reply(1, 0, 0, 1) }, "it names 2"),
            (
                Reply { rows: Counts { moved: None, ..reply(1, 1, 0, 0).rows }, ..reply(1, 1, 0, 0) },
                "how many rows it moves",
            ),
        ] {
            let said = judged(wrong).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_it_does_not_count_follows_from_the_rest() {
        let rows = Counts { seen: Some(10), moved: Some(3), there: None, failed: None };
        let two = vec![failure("a", "x"), failure("a", "y")];
        let reply = Reply { target: "#v1".to_owned(), rows, failures: two, ..Reply::default() };
        let answer = reply.judged("ask", &known()).unwrap();
        assert_eq!((answer.there, answer.failed), (6, 1), "a row that fails by two fields is one row");
        assert!(!answer.is_clean());
    }

    #[test]
    fn what_is_elsewhere_is_under_the_only_other_version_or_under_any() {
        let id = |id: &str| id.parse::<VersionId>().unwrap();
        let answer = reply(10, 3, 6, 1).judged("ask", &known()).unwrap();
        let two = [id("v1"), id("v2")];
        let census = answer.census(two.iter());
        assert_eq!((census.of(&id("v1")), census.of(&id("v2")), census.strange), (4, 6, 0));
        let three = [id("v0"), id("v1"), id("v2")];
        assert_eq!(answer.census(three.iter()).strange, 4);
    }
}
