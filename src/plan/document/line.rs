//! The lines of a document as they are written and read: private to the document, and expanded to a plan at
//! the door.

use crate::decision::Decision;
use crate::decision::Leak;
use crate::digest::Digest;
use crate::inventory::Able;
use crate::inventory::Unmanaged;
use crate::model::Hour;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Risk;
use crate::model::VersionId;
use crate::model::Which;
use crate::plan::Base;
use crate::plan::Bound;
use crate::plan::Gate;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Proof;
use crate::plan::Step;
use crate::plan::Unit;
use crate::plan::document::Refused;
use crate::plan::estimate::Estimate;
use crate::plan::step::Need;
use crate::policy::Policy;
use crate::policy::meant::project::Settings;
use serde::Deserialize;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The whole document, as it is read. [`super::write`] writes the same fields line by line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "format")]
    _format: String,
    tool: String,
    made: Hour,
    expires: Hour,
    settings: Settings,
    policies: Vec<Policy>,
    decisions: Vec<Decision>,
    /// Left out where there is nothing.
    #[serde(default)]
    unmanaged: Vec<Unmanaged>,
    /// As these.
    #[serde(default)]
    leaks: Vec<Leak>,
    shapes: Vec<Shape>,
    units: Vec<Row<'static>>,
    /// Checked where the bytes are compared with what we would write.
    #[serde(rename = "sha256")]
    _sha256: Digest,
}

/// A shape, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    keys: Vec<ShapeKey>,
    steps: Vec<StepLine<'static>>,
    bounds: Vec<Bound>,
    proof: Option<Proof>,
}

/// What the keys of a shape share, one for each place in the unit.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShapeKey {
    pub(super) kind: Kind,
    pub(super) able: Able,
}

/// A step of a shape: all but its estimate.
#[derive(Serialize, Deserialize)]
pub(super) struct StepLine<'a> {
    /// Its name after the key's, for people; what is read is checked against the rest.
    pub(super) step: Cow<'a, str>,
    pub(super) key: usize,
    #[serde(flatten)]
    pub(super) part: Cow<'a, Part>,
    pub(super) needs: Vec<Need>,
    pub(super) gates: Cow<'a, [Gate]>,
    pub(super) risk: Risk,
    pub(super) turn: bool,
}

/// A unit: the shape that it has, its keys, and the estimates of its steps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row<'a> {
    pub(super) shape: usize,
    pub(super) keys: Vec<RowKey<'a>>,
    /// Step, values, seconds; only of steps that have an estimate.
    pub(super) estimates: Vec<(usize, u64, u64)>,
}

/// A key of a unit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowKey<'a> {
    pub(super) name: Cow<'a, KeyName>,
    pub(super) old: Cow<'a, Option<VersionId>>,
    pub(super) new: Cow<'a, Which>,
    /// Left out where it is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) haste: bool,
    pub(super) versions: Cow<'a, Key>,
    pub(super) backend: Cow<'a, str>,
    pub(super) stores: Cow<'a, BTreeMap<Name, String>>,
    pub(super) members: Cow<'a, BTreeMap<Name, Vec<Member>>>,
}

impl<'a> Row<'a> {
    /// The line of a unit.
    pub(super) fn of(shape: usize, unit: &'a Unit) -> Self {
        let estimates = unit.steps.iter().enumerate().filter(|(_, step)| !step.estimate.is_nothing());
        Self {
            shape,
            keys: unit.keys.iter().map(RowKey::of).collect(),
            estimates: estimates.map(|(at, step)| (at, step.estimate.values, step.estimate.seconds)).collect(),
        }
    }
}

impl<'a> RowKey<'a> {
    /// The line of a key.
    pub(super) fn of(planned: &'a Planned) -> Self {
        let Planned { name, kind: _, old, new, haste, base } = planned;
        let Base { key, able: _, backend, stores, members } = base;
        Self {
            name: Cow::Borrowed(name),
            old: Cow::Borrowed(old),
            new: Cow::Borrowed(new),
            haste: *haste,
            versions: Cow::Borrowed(key),
            backend: Cow::Borrowed(backend),
            stores: Cow::Borrowed(stores),
            members: Cow::Borrowed(members),
        }
    }

    fn planned(self, shape: ShapeKey) -> Planned {
        let base = Base {
            key: self.versions.into_owned(),
            able: shape.able,
            backend: self.backend.into_owned(),
            stores: self.stores.into_owned(),
            members: self.members.into_owned(),
        };
        let (old, new) = (self.old.into_owned(), self.new.into_owned());
        Planned { name: self.name.into_owned(), kind: shape.kind, old, new, haste: self.haste, base }
    }
}

impl<'a> StepLine<'a> {
    /// The line of a step with this name.
    pub(super) fn of(name: String, step: &'a Step) -> Self {
        let Step { key, part, needs, gates, risk, turn, estimate: _ } = step;
        Self {
            step: Cow::Owned(name),
            key: *key,
            part: Cow::Borrowed(part),
            needs: needs.clone(),
            gates: Cow::Borrowed(gates),
            risk: *risk,
            turn: *turn,
        }
    }

    fn step(&self, estimate: Estimate) -> Step {
        Step {
            key: self.key,
            part: self.part.clone().into_owned(),
            needs: self.needs.clone(),
            gates: self.gates.clone().into_owned(),
            risk: self.risk,
            turn: self.turn,
            estimate,
        }
    }
}

/// Reads the lines and expands them.
pub(super) fn read(bytes: &[u8], steps_max: usize) -> Result<Plan, Refused> {
    let written: Written = serde_json::from_slice(bytes).map_err(|error| Refused::Malformed {
        line: error.line(),
        column: error.column(),
        why: error.to_string(),
    })?;
    let mut units = Vec::with_capacity(written.units.len());
    let mut steps_left = steps_max;
    for (at, row) in written.units.into_iter().enumerate() {
        let unsound = |why| Refused::Unsound { unit: at + 1, why };
        let shape = written.shapes.get(row.shape).ok_or_else(|| unsound("there is no such shape"))?;
        steps_left = steps_left.checked_sub(shape.steps.len()).ok_or(Refused::TooManySteps)?;
        units.push(unit(shape, row).map_err(unsound)?);
    }
    let Written { tool, made, expires, settings, policies, decisions, unmanaged, leaks, .. } = written;
    Ok(Plan { tool, made, expires, settings, policies, decisions, unmanaged, leaks, units })
}

fn unit(shape: &Shape, row: Row<'static>) -> Result<Unit, &'static str> {
    if shape.keys.len() != row.keys.len() {
        return Err("its shape has another number of keys");
    }
    let mut estimates: BTreeMap<usize, Estimate> = BTreeMap::new();
    for (step, values, seconds) in row.estimates {
        estimates.insert(step, Estimate { values, seconds });
    }
    let mut steps = Vec::with_capacity(shape.steps.len());
    for (at, line) in shape.steps.iter().enumerate() {
        if line.key >= shape.keys.len() {
            return Err("a step is for a key that is not there");
        }
        // Steps stand in their order: what needs a later one, or itself, could never begin.
        if line.needs.iter().any(|need| need.step >= at) {
            return Err("a step needs one that does not come before it");
        }
        steps.push(line.step(estimates.get(&at).copied().unwrap_or_default()));
    }
    let keys = row.keys.into_iter().zip(&shape.keys).map(|(row, shape)| row.planned(*shape)).collect();
    Ok(Unit { keys, steps, bounds: shape.bounds.clone(), proof: shape.proof.clone() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::plan::document::Document;

    #[test]
    fn steps_are_counted_before_they_are_expanded() {
        let step = Step {
            key: 0,
            part: Part::Switch,
            needs: Vec::new(),
            gates: Vec::new(),
            risk: Risk::Safe,
            turn: false,
            estimate: Estimate::default(),
        };
        let unit = Unit { keys: Vec::new(), steps: vec![step; 3], bounds: Vec::new(), proof: None };
        let hour = Hour::default();
        let plan = Plan {
            tool: String::new(),
            made: hour,
            expires: hour,
            settings: Settings::default(),
            policies: Vec::new(),
            decisions: Vec::new(),
            unmanaged: Vec::new(),
            leaks: Vec::new(),
            units: vec![unit; 4],
        };
        let document = Document::of(plan);
        assert_eq!(read(document.bytes(), 2).unwrap_err(), Refused::TooManySteps);
        assert_eq!(
            read(document.bytes(), 11).unwrap_err().to_string(),
            "this plan does not hold together: unit 1: a step is for a key that is not there"
        );
    }
}
