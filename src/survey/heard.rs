//! What the members of one key say of themselves: asked only where somebody has to know it now.

use crate::inventory::Inventory;
use crate::inventory::MemberSeen;
use crate::model::KeyName;
use crate::policy::Project;
use crate::policy::meant::fleet::Proof;
use crate::port::facts::Facts;
use crate::port::fleet::Row;
use crate::port::fleet::seen;
use crate::port::world::World;

/// Writes down what the members of a key's fleets say of themselves. Who cannot be asked, or says nothing that can be read,
/// stays as one that said nothing.
pub fn hear(inventory: &mut Inventory, project: &Project, world: &dyn World, key: &KeyName) {
    let policy = project.policies.iter().find(|policy| policy.name == *key.policy());
    let Some((policy, meant)) = policy.and_then(|policy| Some((policy, policy.keys.get(key.key())?))) else { return };
    let Some(found) = inventory.keys.get_mut(key) else { return };
    let versions: Vec<_> = found.key.versions.iter().map(|version| (version.id.clone(), Facts::of(version))).collect();
    for (name, fleet) in meant.used_by.iter().filter_map(|name| policy.fleets.get_key_value(name)) {
        let Some(proof) = &fleet.proof else { continue };
        let Ok(rows) = world.fleet(key, name).and_then(crate::port::fleet::Fleet::proofs) else { continue };
        let heard: Vec<MemberSeen> = rows.iter().filter_map(|row| read(proof, row, &versions)).collect();
        let members = &mut found.fleets.entry(name.clone()).or_default().members;
        for member in heard {
            match members.iter_mut().find(|other| other.name == member.name) {
                Some(slot) => *slot = member,
                None => members.push(member),
            }
        }
    }
}

fn read(proof: &Proof, row: &Row, versions: &[(crate::model::VersionId, Facts)]) -> Option<MemberSeen> {
    seen(proof, row, versions).ok()
}
