//! Backwards: from a text to what filled the places.

use std::collections::BTreeMap;

use crate::template::Piece;
use crate::template::Template;

/// No id, path or name that is read back is longer.
const MATCHED_BYTES_MAX: usize = 1024;
/// A text that fits in no plain way is not one of ours: give up before it costs time.
const READINGS_MAX: u32 = 50_000;

impl Template {
    /// What each place must have held for the template to become this `text`: `v{{ n }}` and `v12` give `n = 12`. Each place
    /// holds at least one character, and the same one twice holds the same; `n` is a number written in the one usual way, so
    /// that `v012` is not `v12`. Where several readings fit, places are as short as can be, the first before the next. A place
    /// with a slice or a filter is found under its written form (`sha256[:16]`).
    #[must_use]
    pub fn matches(&self, text: &str) -> Option<BTreeMap<String, String>> {
        if text.len() > MATCHED_BYTES_MAX {
            return None;
        }
        let mut walk = Walk { found: BTreeMap::new(), left: READINGS_MAX };
        walk.from(&self.pieces, text).then_some(walk.found)
    }
}

struct Walk {
    found: BTreeMap<String, String>,
    /// How many readings may still be tried.
    left: u32,
}

impl Walk {
    fn from(&mut self, pieces: &[Piece], text: &str) -> bool {
        let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
        let place = match piece {
            Piece::Text(literal) => {
                return text.strip_prefix(literal.as_str()).is_some_and(|after| self.from(rest, after));
            }
            Piece::Place(place) => place.to_string(),
        };
        if let Some(held) = self.found.get(&place).cloned() {
            return text.strip_prefix(held.as_str()).is_some_and(|after| self.from(rest, after));
        }
        for (at, c) in text.char_indices() {
            let (value, after) = text.split_at(at.saturating_add(c.len_utf8()));
            if self.left == 0 || (place == "n" && !is_number(value)) {
                break;
            }
            self.left = self.left.saturating_sub(1);
            self.found.insert(place.clone(), value.to_owned());
            if self.from(rest, after) {
                return true;
            }
            self.found.remove(&place);
        }
        false
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) && text.len() <= 19
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use proptest::prop_assert_eq;
    use proptest::proptest;

    use crate::template::Template;

    fn read(template: &str, text: &str) -> Option<Vec<(String, String)>> {
        Template::parse(template).unwrap().matches(text).map(|found| found.into_iter().collect())
    }

    fn one(name: &str, value: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn ids_and_paths_are_read_back() {
        assert_eq!(read("v{{ n }}", "v12"), one("n", "12"));
        for other in ["v012", "v", "v1x", "w1", "v-1", "v+1", "v99999999999999999999"] {
            assert_eq!(read("v{{ n }}", other), None, "{other}");
        }
        assert_eq!(read("{{ n }}", "0"), one("n", "0"));
        assert_eq!(read("/etc/x/{{ id }}.key", "/etc/x/v2.key"), one("id", "v2"));
        assert_eq!(read("/etc/x/{{ id }}.key", "/etc/x/.key"), None);
        assert_eq!(read("{{ sha256[:4] }}", "abcd"), one("sha256[:4]", "abcd"));
        assert_eq!(read("same", "same"), Some(Vec::new()));
        assert_eq!(read("{{ a }}-{{ a }}", "xy-xy"), one("a", "xy"));
        assert_eq!(read("{{ a }}-{{ a }}", "xy-xz"), None);
        assert_eq!(read("{{ a }}-{{ a }}", "x-y-x-y"), one("a", "x-y"));
        assert_eq!(
            read("k{{ n }}-{{ id }}", "k1-2-3"),
            Some(vec![("id".into(), "2-3".into()), ("n".into(), "1".into())])
        );
    }

    #[test]
    fn a_hostile_text_costs_little() {
        let template = "{{ a }}x{{ b }}x{{ c }}x{{ d }}x{{ e }}x{{ f }}y";
        assert_eq!(read(template, &"x".repeat(1024)), None);
        let twice = "{{ a }}x{{ b }}x{{ a }}x{{ b }}y";
        assert_eq!(read(twice, &"x".repeat(1024)), None);
        assert_eq!(read("{{ a }}", &"x".repeat(1025)), None);
    }

    proptest! {
        #[test]
        fn what_was_filled_is_found(n in 0u64..u64::MAX / 2, id in "[a-z][a-z0-9]{0,8}") {
            let template = Template::parse("kv{{ n }}/{{ id }}.key").unwrap();
            let know = BTreeMap::from([("n".to_owned(), n.to_string()), ("id".to_owned(), id)]);
            let text = template.fill(|name| know.get(name).map(|value| Cow::Borrowed(value.as_str()))).unwrap();
            prop_assert_eq!(template.matches(&text), Some(know));
        }
    }
}
