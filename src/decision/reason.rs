//! Why a verdict is what it is: always the measured value beside the limit. No code decides by a reason.

use crate::inventory::key::Drift;
use crate::model::Hour;
use crate::model::Name;
use crate::model::Span;
use crate::model::VersionId;
use serde::Deserialize;
use serde::Serialize;

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Reason {
    /// There is no version.
    NoVersion,
    /// The current version's age beside the limit, and the lead that a rotation needs.
    Age {
        /// The version.
        version: VersionId,
        /// How long it has been current.
        age: Span,
        /// How long it may be.
        at_most: Span,
        /// How long a rotation takes until nobody writes under it.
        lead: Span,
    },
    /// The age cannot be known, which counts as due.
    AgeUnknown {
        /// The version.
        version: VersionId,
    },
    /// Somebody asked for it.
    Asked,
    /// Somebody asked for another version that is there already to take the current one's place.
    AskedBack {
        /// The version.
        to: VersionId,
        /// The version that is left behind, and stays readable.
        from: VersionId,
    },
    /// What was asked for cannot be gone back to.
    NoWayBack {
        /// The version.
        version: Option<VersionId>,
        /// What stands in the way.
        why: crate::decision::back::Obstacle,
    },
    /// The version is known to others.
    Compromised {
        /// The version.
        version: VersionId,
    },
    /// The version is known to others and out of use, and has to be enabled for its values to move.
    OpensAnew {
        /// The version.
        version: VersionId,
    },
    /// The version that is said to be known to others is none of this key.
    NoSuchVersion {
        /// The version.
        version: VersionId,
    },
    /// It is another kind of key than the policy asks for.
    Algorithm {
        /// The version.
        version: VersionId,
        /// What it is.
        is: String,
        /// What it should be.
        wanted: String,
    },
    /// Uses beside the limit.
    Uses {
        /// The version.
        version: VersionId,
        /// How many values it sealed, as counted.
        uses: u64,
        /// How many it may seal.
        at_most: u64,
    },
    /// Values that are not under the current version.
    Values {
        /// The store.
        store: Name,
        /// The version they are under.
        version: VersionId,
        /// How many.
        count: u64,
    },
    /// A version that opens nothing any more has values.
    ValuesUnderRetired {
        /// The store.
        store: Name,
        /// The version they are under.
        version: VersionId,
        /// How many.
        count: u64,
    },
    /// Values that name no version of this key.
    Strange {
        /// The store.
        store: Name,
        /// How many.
        count: u64,
    },
    /// Values in quarantine pin their version.
    Quarantined {
        /// The version.
        version: VersionId,
        /// How many.
        count: u64,
    },
    /// Something could not be looked at.
    Unreachable {
        /// What.
        what: String,
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
    /// A run is open.
    OpenRun {
        /// Which.
        run: String,
    },
    /// Something is not as we left it.
    Drifted {
        /// What.
        drift: Drift,
    },
    /// A version waits for something before it may be destroyed.
    Kept {
        /// The version.
        version: VersionId,
        /// Until when.
        until: Option<Hour>,
        /// Because of what.
        because: Keeps,
    },
    /// A version may be destroyed.
    MayGo {
        /// The version.
        version: VersionId,
        /// Since when.
        since: Hour,
    },
    /// Pre-images were kept for as long as they should be.
    PreImages {
        /// The run that kept them.
        run: String,
        /// Since when they may go.
        since: Hour,
    },
    /// The last run was taken back, and nobody planned since.
    TakenBack,
    /// As many rotations as may be at once are under way, or come first.
    AtOnce {
        /// How many may be.
        at_most: u32,
    },
    /// A key that comes first is not done.
    ComesAfter {
        /// The key that comes first.
        key: crate::model::KeyName,
    },
}

/// What keeps an old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    /// `retire = "never"`.
    Never,
    /// No `destroy_after` is set.
    NoDestroyAfter,
    /// It is not disabled yet.
    NotRetired,
    /// `destroy_after` has not passed.
    DestroyAfter,
    /// A backup may still come back.
    Restorable,
    /// Pre-images under it are kept.
    PreImages,
    /// Values still need it.
    Values,
    /// Values that do not open pin it.
    Quarantined,
    /// Its backend cannot destroy one version.
    CannotDestroy,
    /// An older version ends first.
    OlderFirst,
}
