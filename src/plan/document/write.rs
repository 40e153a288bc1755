//! Writing a document: one thing a line, so that two plans can be compared line by line.

use crate::digest;
use crate::model::Name;
use crate::plan::Plan;
use crate::plan::Unit;
use crate::plan::document::FORMAT;
use crate::plan::document::ascii::append;
use crate::plan::document::line::Row;
use crate::plan::document::line::ShapeKey;
use crate::plan::document::line::StepLine;
use crate::plan::document::shapes;
use crate::policy::Policy;
use serde::Serialize;
use std::collections::BTreeMap;

/// The bytes of a plan.
pub(super) fn write(plan: &Plan) -> Vec<u8> {
    // Every field by name: a new one does not compile before it is written here.
    let Plan { tool, made, expires, settings, policies, decisions, unmanaged, leaks, units } = plan;
    let mut out = Vec::with_capacity(4096 + 1024 * units.len() + 512 * decisions.len());
    out.extend_from_slice(b"{");
    field(&mut out, "format", FORMAT);
    out.extend_from_slice(b",\n");
    field(&mut out, "tool", tool);
    out.extend_from_slice(b",\n");
    field(&mut out, "made", made);
    out.extend_from_slice(b",\n");
    field(&mut out, "expires", expires);
    out.extend_from_slice(b",\n");
    field(&mut out, "settings", settings);
    list(&mut out, ",\n", "policies", policies, policy);
    list(&mut out, ",\n", "decisions", decisions, append);
    if !unmanaged.is_empty() {
        list(&mut out, ",\n", "unmanaged", unmanaged, append);
    }
    if !leaks.is_empty() {
        list(&mut out, ",\n", "leaks", leaks, append);
    }
    let shapes = shapes(units);
    let firsts: Vec<&Unit> = shapes.first.iter().filter_map(|first| units.get(*first)).collect();
    list(&mut out, ",\n", "shapes", &firsts, |out, unit| shape(out, unit));
    let rows: Vec<(&usize, &Unit)> = shapes.of.iter().zip(units).collect();
    list(&mut out, ",\n", "units", &rows, |out, (shape, unit)| append(out, &Row::of(**shape, unit)));
    out.extend_from_slice(b",\n");
    // Of all bytes before it. Against damage, not against malice: whoever edits a plan on purpose makes another plan.
    let sha256 = digest::plain(&out);
    field(&mut out, "sha256", &sha256);
    out.extend_from_slice(b"}\n");
    out
}

fn policy(out: &mut Vec<u8>, policy: &Policy) {
    let Policy { name, file, digest, owner, about, controls, backends, stores, fleets, recipients, keys } = policy;
    out.extend_from_slice(b"{");
    field(out, "name", name);
    out.extend_from_slice(b",");
    field(out, "file", file);
    out.extend_from_slice(b",");
    field(out, "digest", digest);
    out.extend_from_slice(b",");
    field(out, "owner", owner);
    out.extend_from_slice(b",");
    field(out, "about", about);
    out.extend_from_slice(b",");
    field(out, "controls", controls);
    map(out, "backends", backends);
    map(out, "stores", stores);
    map(out, "fleets", fleets);
    map(out, "recipients", recipients);
    map(out, "keys", keys);
    out.extend_from_slice(b"}");
}

fn shape(out: &mut Vec<u8>, unit: &Unit) {
    let keys: Vec<ShapeKey> = unit.keys.iter().map(|key| ShapeKey { kind: key.kind, able: key.base.able }).collect();
    let mut counts = vec![0_usize; unit.keys.len()];
    let mut lines = Vec::with_capacity(unit.steps.len());
    for step in &unit.steps {
        let number = counts.get_mut(step.key).map_or(0, |count| {
            *count += 1;
            *count
        });
        lines.push(StepLine::of(format!("{number}-{}", step.part.act()), step));
    }
    list(out, "{", "keys", &keys, append);
    list(out, ",\n", "steps", &lines, append);
    list(out, ",\n", "bounds", &unit.bounds, append);
    out.extend_from_slice(b",\n");
    field(out, "proof", &unit.proof);
    out.extend_from_slice(b"}");
}

fn field<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    append(out, name);
    out.extend_from_slice(b":");
    append(out, value);
}

/// A list with each of its parts on a line.
fn list<T>(out: &mut Vec<u8>, before: &str, name: &str, parts: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.extend_from_slice(before.as_bytes());
    append(out, name);
    out.extend_from_slice(b":[");
    for (at, part) in parts.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\n" } else { b"\n" });
        write(out, part);
    }
    out.extend_from_slice(b"]");
}

/// A table with each of its entries on a line.
fn map<V: Serialize>(out: &mut Vec<u8>, name: &str, entries: &BTreeMap<Name, V>) {
    out.extend_from_slice(b",\n");
    append(out, name);
    out.extend_from_slice(b":{");
    for (at, (key, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\n" } else { b"\n" });
        append(out, key.as_str());
        out.extend_from_slice(b":");
        append(out, value);
    }
    out.extend_from_slice(b"}");
}
