//! What happened, one line each, in a file that cannot be quietly changed: events, the chain that binds them, the head that
//! sees a cut tail, and where every run, step and key stands by them.
//!
//! Never here: files, locks, the hour (`home` keeps the bytes, callers bring the hour), and no secret: events hold names,
//! counts and digests. The format is in `docs/formats.md`.

pub mod broken;
pub mod carried;
pub mod chain;
pub mod entry;
pub mod event;
pub mod head;
pub mod known;
pub mod ledger;
pub mod name;
pub mod parts;
pub mod read;
pub mod standing;

pub use self::broken::Broken;
pub use self::broken::Why;
pub use self::carried::carried;
pub use self::carried::prefix;
pub use self::chain::LINE_BYTES_MAX;
pub use self::chain::Tail;
pub use self::entry::Draft;
pub use self::entry::Entry;
pub use self::event::Event;
pub use self::event::FORMAT;
pub use self::head::Head;
pub use self::known::Known;
pub use self::known::Look;
pub use self::known::PRE_IMAGES_DELETED;
pub use self::known::PRE_IMAGES_UNDER;
pub use self::ledger::Approval;
pub use self::ledger::Ledger;
pub use self::name::RunId;
pub use self::name::StepName;
pub use self::parts::Base;
pub use self::parts::Clock;
pub use self::parts::DELIVERED_PROVEN;
pub use self::parts::Fact;
pub use self::parts::Facts;
pub use self::parts::Mark;
pub use self::parts::Opened;
pub use self::parts::Place;
pub use self::parts::Settled;
pub use self::read::Checked;
pub use self::read::Journal;
pub use self::read::Torn;
pub use self::read::read;
pub use self::read::verify;
pub use self::standing::Ended;
pub use self::standing::Standing;
pub use self::standing::Stands;
pub use self::standing::StepRecord;

use std::collections::BTreeMap;

use crate::inventory::key::Past;
use crate::model::KeyName;

/// Where everything stands by the whole journal.
///
/// # Errors
/// An entry cannot be read, or cannot follow what stands before it.
pub fn ledger(journal: &Journal) -> Result<Ledger, Broken> {
    let mut ledger = Ledger::default();
    for entry in journal.entries() {
        ledger.apply(&entry?)?;
    }
    Ok(ledger)
}

/// What the journal knows of every key in it, for the inventory.
///
/// # Errors
/// As [`ledger`].
pub fn past(journal: &Journal) -> Result<BTreeMap<KeyName, Past>, Broken> {
    Ok(ledger(journal)?.past())
}
