//! The laws that every fleet keeps that delivers with proof, withdraws, restarts its members one by one and has pointers.
//! Adapters run them against the real thing.

use crate::model::Member;
use crate::model::VersionId;
use crate::port::facts::Facts;
use crate::port::fleet::Fleet;
use crate::secret::Secret;
use crate::template::Template;

/// Whether the laws hold. `is` is how the fleet's pointers write a version.
///
/// # Errors
/// Says which law is broken, and how.
pub fn holds(fleet: &dyn Fleet, is: &Template) -> Result<(), String> {
    let members = fleet.members().map_err(say)?;
    law("there is somebody", !members.is_empty())?;
    law(
        "everybody is there once",
        members.iter().all(|one| members.iter().filter(|other| *other == one).count() == 1),
    )?;
    law("the members are the same when asked again", fleet.members().map_err(say)? == members)?;
    let versions = [version("v1", 1)?, version("v2", 2)?];
    for member in &members {
        delivering(fleet, member, &versions)?;
        pointing(fleet, member, &versions, is)?;
        law("who is there is not gone", !fleet.gone(member).map_err(say)?)?;
        let [(version, _), _] = &versions;
        fleet.restart(Some(member), version).map_err(say)?;
    }
    Ok(())
}

type Version = (Facts, Secret);

fn version(id: &str, byte: u8) -> Result<Version, String> {
    let id: VersionId = id.parse().map_err(say)?;
    let material = Secret::from_vec(vec![byte; 32]);
    let print = material.fingerprint().hex().parse().map_err(say)?;
    Ok((Facts::version(&id, Some(&print)), material))
}

fn delivering(fleet: &dyn Fleet, member: &Member, [old, new]: &[Version; 2]) -> Result<(), String> {
    for _ in 0..2 {
        let delivered = fleet.deliver(member, &new.0, Some(&new.1)).map_err(say)?;
        let proven = delivered.proven.map(String::from);
        law("a delivery proves the very key", proven.as_deref() == new.0.know("sha256").as_deref())?;
    }
    let wrong = fleet.deliver(member, &new.0, Some(&old.1));
    law("another key than the one that was meant is a fault", wrong.is_err())?;
    fleet.deliver(member, &new.0, Some(&new.1)).map_err(say)?;
    for _ in 0..2 {
        fleet.withdraw(member, &new.0).map_err(say)?;
    }
    Ok(())
}

fn pointing(fleet: &dyn Fleet, member: &Member, versions: &[Version; 2], is: &Template) -> Result<(), String> {
    let [old, new] = versions;
    for (version, _) in [old, new, new, old] {
        fleet.point(member, version).map_err(say)?;
        let wanted = version.clone().with_member(member).fill(is).map_err(say)?;
        law("who is pointed somewhere points there", fleet.pointed(member).map_err(say)? == Some(wanted))?;
    }
    Ok(())
}

fn say(failed: impl ToString) -> String {
    failed.to_string()
}

fn law(name: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {name}")) }
}
