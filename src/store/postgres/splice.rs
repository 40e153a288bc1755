//! One value inside a JSON text, replaced where it stands: every other byte survives.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

/// The text with new values at these paths: a string stays a string, and what is no string is written as it is. Nothing where a
/// path is not there.
pub(super) fn splice(text: &str, edits: &[(&[String], &str)]) -> Option<String> {
    let mut placed = Vec::new();
    for (path, new) in edits {
        let place = place(text, path)?;
        let old = text.get(place.clone())?;
        let bare = !(old.starts_with('"') || old == "null");
        placed.push((place, if bare { (*new).to_owned() } else { serde_json::to_string(new).ok()? }));
    }
    placed.sort_by_key(|(place, _)| place.start);
    let mut out = text.to_owned();
    for (place, new) in placed.into_iter().rev() {
        out.replace_range(place, &new);
    }
    Some(out)
}

/// Where the value at a path stands. Of a name that is there twice the last one counts, as for the server.
fn place(text: &str, path: &[String]) -> Option<Range<usize>> {
    let mut here: &RawValue = serde_json::from_str(text).ok()?;
    for step in path {
        here = match here.get().bytes().next()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(here.get()).ok()?.remove(step)?,
            b'[' => {
                let at: usize = step.parse().ok()?;
                serde_json::from_str::<Vec<&RawValue>>(here.get()).ok()?.into_iter().nth(at)?
            }
            _ => return None,
        };
    }
    // It is a slice of the text, so its place is the distance between the two.
    let start = (here.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let place = start..start.checked_add(here.get().len())?;
    (text.get(place.clone()) == Some(here.get())).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::splice;

    fn path(path: &str) -> Vec<String> {
        path.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn only_the_value_changes() {
        let text = " { \"b\" : [1, {\"v\":\"old\", \"v\": \"o\\u006cd\"}],\n\t\"a\":\"old\", \"n\":1e3 , \"z\":null}";
        let (v, n, z) = (path("b.1.v"), path("n"), path("z"));
        let edits = [(n.as_slice(), "2"), (v.as_slice(), "n/\"w"), (z.as_slice(), "7")];
        let expected = " { \"b\" : [1, {\"v\":\"old\", \"v\": \"n/\\\"w\"}],\n\t\"a\":\"old\", \"n\":2 , \"z\":\"7\"}";
        assert_eq!(splice(text, &edits).as_deref(), Some(expected));
        for missing in ["b.2", "b.x", "a.b", "c"] {
            assert_eq!(splice(text, &[(path(missing).as_slice(), "x")]), None, "{missing}");
        }
    }
}
