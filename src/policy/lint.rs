//! What a policy can mean, and probably should not: each lint has a code with a page in `explain`.

mod able;
mod apart;
mod guard;
mod time;

pub use guard::is_for as guard_is_for;

use crate::model::Name;
use crate::policy::cross::one_of_each;
use crate::policy::meant::Fleet;
use crate::policy::meant::Key;
use crate::policy::meant::Store;
use crate::policy::meant::project::Settings;
use crate::policy::place::Place;
use crate::policy::read::Draft;

/// A declared key, with what it names.
pub(super) struct One<'d> {
    pub(super) draft: &'d Draft<'d>,
    pub(super) name: &'d Name,
    pub(super) key: &'d Key,
    pub(super) place: Place<'d>,
}

impl<'d> One<'d> {
    /// The fleets that hold it.
    pub(super) fn fleets(&self) -> impl Iterator<Item = (&'d Name, &'d Fleet)> {
        self.key.used_by.iter().filter_map(|name| self.draft.policy.fleets.get_key_value(name))
    }

    /// The stores that it seals.
    pub(super) fn stores(&self) -> impl Iterator<Item = (&'d Name, &'d Store)> {
        self.key.seals.iter().filter_map(|name| self.draft.policy.stores.get_key_value(name))
    }

    /// The place of a fleet's block.
    pub(super) fn fleet_place(&self, name: &Name) -> Option<Place<'d>> {
        Some(self.draft.fleets.get(name)?.place(self.draft.reader.sheet))
    }

    /// Notes a lint at the place of a word of the key.
    pub(super) fn lint(&self, word: &str, code: &'static str, message: String, hint: &str) {
        self.place.sheet.lint(self.place.word(word).span(), code, message, Some(hint.to_owned()));
    }
}

/// Judges every policy that could be read.
pub(super) fn judge<'d>(drafts: &'d [Draft<'d>], settings: &Settings) {
    for draft in drafts {
        apart::built(draft);
        let keys: Vec<One<'_>> = one_of_each(draft)
            .filter_map(|(name, key)| {
                let place = draft.keys.get(name)?.place(draft.reader.sheet);
                Some(One { draft, name, key, place })
            })
            .collect();
        for one in &keys {
            time::grace(one);
            time::interval(one);
            time::backups(one);
            able::backend(one);
            able::strength_of_wrapping(one, drafts);
            able::proof(one);
            able::uses(one);
            apart::restart(one);
            guard::judge(one, settings);
        }
        apart::windows(&keys);
    }
}
