//! The world as a plan found it: what must still be so when the plan is opened. Counts are estimates and do
//! not belong to it.

use crate::inventory::Able;
use crate::inventory::KeySeen;
use crate::model::Key;
use crate::model::Member;
use crate::model::Name;
use crate::policy::meant::fleet::Fleet;
use crate::policy::meant::fleet::Members;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// One key's world as the plan found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its versions, with states and fingerprints.
    pub key: Key,
    /// What its backend can do.
    pub able: Able,
    /// Which world its backend is.
    pub backend: String,
    /// Which worlds its stores are.
    pub stores: BTreeMap<Name, String>,
    /// The members of its fleets, where the policy lists them.
    pub members: BTreeMap<Name, Vec<Member>>,
}

impl Base {
    /// The base of a key that was seen so; nothing where its backend could not be asked.
    #[must_use]
    pub fn of(seen: &KeySeen, fleets: &[(&Name, &Fleet)]) -> Option<Self> {
        let mut key = seen.key.clone();
        for version in &mut key.versions {
            // When something happened is the world's to say anew; what stands is the base.
            (version.born, version.current_since, version.since) = (None, None, None);
        }
        let listed = fleets.iter().filter_map(|(name, fleet)| match &fleet.members {
            Members::Listed(members) => Some(((*name).clone(), members.clone())),
            Members::FromProof { .. } | Members::FromCommand { .. } => None,
        });
        Some(Self {
            key,
            able: seen.able?,
            backend: seen.world.clone(),
            stores: seen.stores.iter().map(|(name, store)| (name.clone(), store.world.clone())).collect(),
            members: listed.collect(),
        })
    }
}
