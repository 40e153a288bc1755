//! What a line of the journal can say. Names, counts and digests only: the floor test keeps `Secret` out of here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::head::Head;
use crate::journal::name::RunId;
use crate::journal::name::StepName;
use crate::journal::parts::Base;
use crate::journal::parts::Clock;
use crate::journal::parts::Facts;
use crate::journal::parts::Mark;
use crate::journal::parts::Opened;
use crate::journal::parts::Place;
use crate::journal::parts::Settled;
use crate::model::Change;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Risk;
use crate::model::VersionId;

/// The format of the journals that this build writes and reads, as the first line states it.
pub const FORMAT: &str = "keyrota-journal/1";

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The journal begins: its first entry, and no other.
    Begun {
        /// [`FORMAT`].
        format: String,
        /// The version of keyrota that began it.
        tool: String,
        /// Whose hours stand in it.
        clock: Clock,
    },
    /// A plan is being carried out from here on.
    RunOpened {
        /// The run; the entries that belong to it bear it too.
        run: RunId,
        /// The plan's id: the digest of its bytes.
        plan: Digest,
        /// The digest of what it means to do, dates and estimates left out.
        intent: Digest,
        /// What was found of each key that it works on.
        keys: BTreeMap<KeyName, Base>,
        /// Until when the plan could be opened.
        expires: Option<Hour>,
        /// Who said yes, in one line each.
        #[serde(default)]
        approved: Vec<String>,
    },
    /// All steps of a run are done.
    RunFinished {
        /// Which.
        run: RunId,
    },
    /// A run was given up, and its plan is used.
    RunCancelled {
        /// Which.
        run: RunId,
        /// Why.
        why: String,
    },
    /// A step is about to act.
    Intent {
        /// Which.
        step: StepName,
        /// Counted from 1.
        attempt: u32,
        /// By what a retry knows its own work.
        #[serde(default)]
        mark: Mark,
    },
    /// A step has acted, and the world was seen to have changed.
    Done {
        /// Which.
        step: StepName,
        /// The attempt that ended well.
        attempt: u32,
        /// What came of it.
        #[serde(default)]
        facts: Facts,
        /// What it did to versions. The turn says `switch` here, also where it is a rewrap or a fleet's pointer.
        #[serde(default)]
        change: Vec<(KeyName, Change)>,
        /// The steps that are ahead again by it: it took one of them back, or found that another round is needed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        undone: Vec<StepName>,
    },
    /// A step could not act, or the world was not seen to change.
    Failed {
        /// Which.
        step: StepName,
        /// The attempt that ended so.
        attempt: u32,
        /// Why.
        fault: Fault,
    },
    /// A gate opened.
    Waited {
        /// The step behind it.
        step: StepName,
        /// The gate, as the plan words it.
        gate: String,
        /// What opened it.
        because: Opened,
    },
    /// A part of a rewrap is committed.
    Chunk {
        /// The step.
        step: StepName,
        /// The store.
        store: Name,
        /// Counted from 1.
        round: u32,
        /// The values moved in this chunk.
        moved: u64,
        /// The values in it that did not open.
        quarantined: u64,
        /// The cursor behind its last row.
        up_to: String,
    },
    /// A rewrap went once through a store.
    Round {
        /// The step.
        step: StepName,
        /// The store.
        store: Name,
        /// Counted from 1.
        round: u32,
        /// The values moved in this round.
        moved: u64,
        /// The values that were found to move. None closes the rewrap.
        found: u64,
        /// The values that did not open.
        quarantined: u64,
    },
    /// A service was asked about values that it moves itself, and answered.
    Asked {
        /// The key that sealed them.
        key: KeyName,
        /// Where.
        store: Name,
        /// The part of it that the call was for; nothing: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Whether it only looked.
        dry_run: bool,
        /// The version that it moves to.
        target: VersionId,
        /// Rows that it moved, or would.
        moved: u64,
        /// Rows that were there already, by the version's id.
        there: u64,
        /// Rows that it could not move.
        failed: u64,
    },
    /// Somebody signed a plan.
    Approval {
        /// The plan's id.
        plan: Digest,
        /// For steps up to which risk.
        stage: Risk,
        /// Who, as the list of signers names them.
        principal: String,
        /// The fingerprint of the signing key, as `ssh-keygen -l` prints it.
        key: String,
        /// The signature, armoured.
        signature: String,
    },
    /// A key as we looked at it.
    Observation {
        /// Which.
        key: KeyName,
        /// Its versions.
        versions: Key,
        /// Per fleet and member, the digest of its sign of life: fresh is what changed between two of our own looks.
        #[serde(default)]
        members: BTreeMap<Name, BTreeMap<Member, Digest>>,
    },
    /// Values were counted, all of them.
    Census {
        /// The key that sealed them.
        key: KeyName,
        /// Where.
        store: Name,
        /// How many under which version.
        under: BTreeMap<VersionId, u64>,
        /// How many name no version of the key.
        strange: u64,
        /// Whether the count is whole and exact and found nothing strange.
        clean: bool,
    },
    /// A value does not open; it was left untouched.
    Quarantined {
        /// The key that should open it.
        key: KeyName,
        /// Where it stands.
        at: Place,
        /// The version that it names.
        names: Option<VersionId>,
        /// What happened when it was opened.
        why: String,
    },
    /// A quarantined value no longer waits for anybody.
    QuarantineSettled {
        /// The key.
        key: KeyName,
        /// Where it stands.
        at: Place,
        /// How.
        how: Settled,
        /// Who.
        by: String,
    },
    /// Somebody went past a rule.
    Override {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// A version that we did not make is ours from here on.
    Adopted {
        /// The key.
        key: KeyName,
        /// The version.
        version: VersionId,
        /// What tells its material from any other.
        fingerprint: Option<Fingerprint>,
        /// Whether it was the current one.
        current: bool,
    },
    /// Somebody says that a version's material is known to others.
    Compromised {
        /// The key.
        key: KeyName,
        /// The version.
        version: VersionId,
        /// How they know.
        why: String,
    },
    /// A key's last rotation was taken back, and nobody has planned it since: said again where the journal that saw it was broken or
    /// lost.
    TakenBack {
        /// The key.
        key: KeyName,
    },
    /// A torn last line was kept aside.
    SetAside {
        /// The file's name, beside the journal.
        file: String,
        /// How long it is.
        bytes: u64,
        /// The plain SHA-256 of its bytes.
        digest: Digest,
    },
    /// The journal before this one was broken or lost, and somebody began this one in its place. What was left of it stands in
    /// the entries before this one.
    Recovered {
        /// What was wrong with it.
        wrong: String,
        /// How many of its entries were whole.
        entries: u64,
        /// The head that was kept apart, where it could be read.
        head: Option<Head>,
        /// How many plans it had kept.
        plans: u64,
        /// The runs that were open, as far as that could be told.
        open: Vec<String>,
        /// Why, in the words of whoever did it.
        why: String,
    },
    /// Anything else worth a line.
    Note {
        /// It.
        text: String,
    },
}

impl Event {
    /// The first event of every journal.
    #[must_use]
    pub fn begun(clock: Clock) -> Self {
        Self::Begun { format: FORMAT.to_owned(), tool: env!("CARGO_PKG_VERSION").to_owned(), clock }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Event;

    #[test]
    fn words_that_we_do_not_know_are_refused() {
        let good = r#"{"event":"note","text":"x"}"#;
        assert!(serde_json::from_str::<Event>(good).is_ok());
        for bad in [r#"{"event":"note","text":"x","more":1}"#, r#"{"event":"noted","text":"x"}"#, r#"{"text":"x"}"#] {
            assert!(serde_json::from_str::<Event>(bad).is_err(), "{bad}");
        }
        // A line's bytes are hashed as they stand, so nothing in them may depend on how a map was built.
        let event: Event =
            serde_json::from_str(r#"{"event":"done","step":"a/b/1-add","attempt":1,"facts":{"b":1,"a":"x","c":true}}"#)
                .unwrap();
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"event":"done","step":"a/b/1-add","attempt":1,"facts":{"a":"x","b":1,"c":true},"change":[]}"#
        );
    }
}
