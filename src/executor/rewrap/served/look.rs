//! Looking at values that only a service opens: it is asked to open each of them.

use super::super::judge::Aad;
use super::super::judge::leave;
use super::super::ring::Ring;
use super::super::tell::Why;
use super::super::verify::Verified;
use super::Item;
use super::all;
use super::asked;
use super::names_beside;
use super::take;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::service::Service;
use crate::port::store::Block;
use crate::port::store::Page;

/// Opens the values of these rows, and counts them.
pub(in super::super) fn rows<'a>(
    (block, ring, service): (&'a Block, &Ring, &dyn Service),
    aads: &mut [Aad<'a>],
    page: &Page,
    rows: &[usize],
) -> Result<Verified, Fault> {
    let mut seen = Verified::default();
    let mut values: Vec<(Item<'a>, Option<&'a VersionId>, Option<Why>)> = Vec::new();
    let mut text = String::new();
    for row in rows {
        let beside = names_beside(block, page, *row, &mut text);
        for (at, (column, aad)) in block.columns.iter().zip(aads.iter_mut()).enumerate() {
            if page.value(*row, at).is_null() {
                continue;
            }
            let item = match &beside {
                Err(why) => Err((None, why.clone())),
                Ok(beside) => take(block, (page, *row, at), column, aad, *beside),
            };
            match item {
                Ok(item) => values.push((item, None, Some(Why::NoKey))),
                Err((names, why)) => {
                    seen.count(names);
                    seen.leave(leave(block, page, *row, at, names.cloned(), why));
                }
            }
        }
    }
    for version in block.versions.iter().rev().map(|known| &known.id).filter(|version| ring.opens(version)) {
        let waits = |value: &&mut (Item<'a>, Option<&VersionId>, Option<Why>)| {
            value.1.is_none() && value.0.may_be_under(version)
        };
        let mut mine: Vec<_> = values.iter_mut().filter(waits).collect();
        let mut items: Vec<&mut Item<'a>> = Vec::new();
        let mut ends = Vec::new();
        for (item, opened, why) in mine.drain(..).map(|value| (&mut value.0, &mut value.1, &mut value.2)) {
            items.push(item);
            ends.push((opened, why));
        }
        if items.is_empty() {
            continue;
        }
        let answers = service.open(&asked(&items, version))?;
        for ((opened, why), answer) in all(ends, answers)? {
            match answer {
                Ok(_) => (*opened, *why) = (Some(version), None),
                Err(no) => *why = Some(Why::of(no)),
            }
        }
    }
    for (item, opened, why) in values {
        seen.count(item.names.or(opened));
        match why {
            None => seen.opened = seen.opened.saturating_add(1),
            Some(why) => seen.leave(leave(block, page, item.row, item.at, item.names.cloned(), why)),
        }
    }
    Ok(seen)
}
