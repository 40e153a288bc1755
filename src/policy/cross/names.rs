//! The keys that keys name: found in their own policy, else as `policy/key`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashSet;

use crate::model::KeyName;
use crate::model::Name;
use crate::policy::problem::quote;
use crate::policy::read::Draft;
use crate::policy::shape::nearest;

/// What is known of all keys of all policies.
struct Known {
    keys: HashSet<KeyName>,
    /// Declared with `each`, or declared and not readable: whole names.
    families: HashSet<KeyName>,
    broken: HashSet<KeyName>,
}

pub(super) fn resolve(drafts: &mut [Draft<'_>]) {
    if drafts.iter().all(|draft| draft.named.is_empty()) {
        return;
    }
    let known = known(drafts);
    for draft in drafts.iter_mut() {
        let named = std::mem::take(&mut draft.named);
        let mut found: BTreeMap<(Name, &'static str), Vec<KeyName>> = BTreeMap::new();
        for one in &named {
            let makers: Vec<(Name, Option<String>)> = made_from(draft, &one.by);
            for (maker, each) in makers {
                let text = one.template.fill(|_| each.as_deref().map(Cow::Borrowed));
                match text.map_err(|_| None).and_then(|text| find(&known, &draft.policy.name, &text).map_err(Some)) {
                    Ok(Some(key)) => found.entry((maker, one.word)).or_default().push(key),
                    Ok(None) => {}
                    Err(wrong) => {
                        if let Some(block) = draft.keys.get(&one.by) {
                            let place = block.place(draft.reader.sheet);
                            let place = place.word(one.word);
                            let place = place.item(one.at);
                            match wrong {
                                Some((message, hint)) => place.complain_with("K005", message, hint),
                                None => place.complain("K006", "`{{ each }}` is nothing here: the key has none"),
                            }
                        }
                        break;
                    }
                }
            }
        }
        for ((maker, word), names) in found {
            if let Some(key) = draft.policy.keys.get_mut(&maker) {
                let list = if word == "after" { &mut key.after } else { &mut key.wraps };
                *list = names;
            }
        }
    }
}

fn known(drafts: &[Draft<'_>]) -> Known {
    let mut known = Known { keys: HashSet::new(), families: HashSet::new(), broken: HashSet::new() };
    for draft in drafts {
        for (name, key) in &draft.policy.keys {
            known.keys.insert(draft.policy.key_name(name));
            if key.each.is_some()
                && let Some(declared) = draft.declared_name(name, key)
            {
                known.families.insert(draft.policy.key_name(declared));
            }
        }
        let unread = draft.keys.keys().map(|name| draft.policy.key_name(name));
        known.broken.extend(unread.filter(|name| !known.keys.contains(name) && !known.families.contains(name)));
    }
    known
}

/// The keys made from a declared one, with their values of `each`.
fn made_from(draft: &Draft<'_>, by: &Name) -> Vec<(Name, Option<String>)> {
    if let Some(key) = draft.policy.keys.get(by).filter(|key| key.each.is_none()) {
        return vec![(by.clone(), key.each.clone())];
    }
    let alike = draft.policy.keys.range(by.clone()..).take_while(|(made, _)| made.as_str().starts_with(by.as_str()));
    let alike = alike.filter(|(made, key)| key.each.is_some() && draft.declared_name(made, key) == Some(by));
    alike.map(|(name, key)| (name.clone(), key.each.clone())).collect()
}

/// The key of this name; none where it is declared but could not be read.
fn find(known: &Known, policy: &Name, text: &str) -> Result<Option<KeyName>, (String, String)> {
    let own = text.parse::<Name>().ok().map(|name| KeyName::new(policy.clone(), name));
    let whole = text.parse::<KeyName>().ok();
    let mut several = [own, whole].into_iter().flatten();
    let mut family = false;
    for name in several.by_ref() {
        if known.keys.contains(&name) {
            return Ok(Some(name));
        }
        if known.broken.contains(&name) {
            return Ok(None);
        }
        family |= known.families.contains(&name);
    }
    let message = format!("there is no key {}", quote(text));
    if family {
        return Err((message, format!("it is many keys: name one of them, or `{text}/{{{{ each }}}}`")));
    }
    let own: Vec<&KeyName> = known.keys.iter().take(1000).collect();
    let mut words: Vec<String> = own.iter().map(|name| name.to_string()).collect();
    words.extend(own.iter().filter(|name| name.policy() == policy).map(|name| name.key().to_string()));
    words.sort();
    let near = nearest(text, words.iter().map(String::as_str));
    Err((
        message,
        near.map_or_else(
            || "write `policy/key`, or `key` of this policy".into(),
            |near| format!("did you mean `{near}`?"),
        ),
    ))
}
