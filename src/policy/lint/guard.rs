//! The project's own rules for keys.

use crate::policy::lint::One;
use crate::policy::meant::fleet::Writes;
use crate::policy::meant::project::Guard;
use crate::policy::meant::project::Settings;

/// Judges a key by every guard that is for it.
pub(super) fn judge(one: &One<'_>, settings: &Settings) {
    let whole = one.draft.policy.key_name(one.name).to_string();
    for guard in settings.guard.iter().filter(|guard| is_for(&guard.keys, &whole)) {
        meets(one, guard);
    }
}

fn meets(one: &One<'_>, guard: &Guard) {
    let spans = [("rotate_every_at_most", guard.rotate_every_at_most), ("current_at_most", guard.current_at_most)];
    for (word, most) in spans.into_iter().filter_map(|(word, span)| Some((word, span?))) {
        if one.key.rotate_every > most {
            let message = format!(
                "`rotate_every` is {}, and the guard for `{}` sets `{word} = \"{most}\"`",
                one.key.rotate_every, guard.keys
            );
            one.place.word("rotate_every").complain_with("K021", message, format!("write `{most}` or less"));
        }
    }
    for (name, _) in
        one.fleets().filter(|(_, fleet)| guard.proof && fleet.proof.is_none() && fleet.writes != Writes::Never)
    {
        let message = format!(
            "members of `{name}` write and prove nothing, and the guard for `{}` sets `proof = true`",
            guard.keys
        );
        one.place.word("used_by").complain_with("K021", message, format!("add `[fleet.{name}.proof]`"));
    }
}

/// Whether a pattern is for a name: `*` stands for anything.
#[must_use]
pub fn is_for(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::is_for;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in
            [("*", "a/b"), ("a/*", "a/b/c"), ("*/kek", "app/kek"), ("a*c*e", "abcde"), ("a/b", "a/b"), ("", "")]
        {
            assert!(is_for(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "a/b"), ("b*", "a/b"), ("*x", "a/b"), ("a*c*c", "abc"), ("", "a")] {
            assert!(!is_for(pattern, name), "{pattern} {name}");
        }
    }
}
