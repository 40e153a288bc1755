//! Which version is older. The set's own order says who is current; after somebody went back it no longer says who came first.

use crate::backend::openbao_kv::ids::Ids;
use crate::model::Version;

/// Puts versions in the order in which their ids were made, where every id tells; otherwise leaves them as they stand.
pub(super) fn by_age(versions: &mut [Version], ids: &Ids) {
    if versions.iter().all(|version| ids.n(&version.id).is_some()) {
        versions.sort_by_key(|version| ids.n(&version.id));
    } else if versions.iter().all(|version| ids.made(&version.id).is_some()) {
        versions.sort_by_key(|version| ids.made(&version.id));
    }
}
