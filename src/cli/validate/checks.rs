//! Checks that only read are asked: pages and queries. A program may do anything, and is only looked at.

use crate::cli::wire::Wired;
use crate::fault::Fault;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Member;
use crate::policy::meant;
use crate::policy::meant::Check;
use crate::policy::meant::check::Ask;
use crate::policy::meant::check::When;
use crate::port::facts::Facts;
use crate::port::world::World;
use crate::template::Template;

/// What a check can only be asked with while a rotation runs.
const ONLY_THEN: [&str; 4] = ["new.id", "new.n", "old.id", "old.n"];

/// Asks one check as of now. Its answer must be the expected one where that is asked before anything changes, or of a member that
/// is up; later ones may well answer otherwise today.
///
/// # Errors
/// There is no answer, or not the expected one.
pub(super) fn ask(
    wired: &Wired,
    (name, key): (&KeyName, &meant::Key),
    seen: &Key,
    check: &Check,
    member: Option<&Member>,
) -> Result<String, Fault> {
    if let Some(word) = ONLY_THEN.into_iter().find(|word| asks_for(check, word)) {
        return Ok(format!(
            "it asks for `{{{{ {word} }}}}`, which is only there while a rotation runs; it is not asked now"
        ));
    }
    let facts = facts(wired, (name, key), seen, member);
    let answer = wired.probe(name)?.ask(check, &facts)?;
    // Of the time since a restart a member that had none has nothing to say.
    let since = asks_for(check, "since");
    let now = !since && member.is_some() || check.when.is_empty() || check.when.contains(&When::Before);
    match (answer.passed, now) {
        (true, _) => Ok(format!("it answers as expected: {}", answer.saw)),
        (false, false) => Ok(format!("it answers: {}; what is expected, is expected later", answer.saw)),
        (false, true) => {
            let doing = format!("pass check `{}`", check.name);
            Err(Fault::ask_operator(doing, answer.saw).hint("as it stands, a rotation would stop there"))
        }
    }
}

fn asks_for(check: &Check, word: &str) -> bool {
    let texts = check.expect.json.values().filter_map(|value| value.as_str()?.parse::<Template>().ok());
    templates(check).any(|text| text.asks_for(word)) || texts.into_iter().any(|text| text.asks_for(word))
}

fn templates(check: &Check) -> impl Iterator<Item = &Template> {
    let url = match &check.ask {
        Ask::Http { url, .. } => Some(url),
        Ask::Command { .. } | Ask::Sql { .. } => None,
    };
    url.into_iter().chain(&check.expect.contains).chain(&check.expect.absent)
}

/// What is true before a rotation: the current version, and now.
pub(super) fn facts(wired: &Wired, (name, key): (&KeyName, &meant::Key), seen: &Key, member: Option<&Member>) -> Facts {
    let current = seen.current();
    let facts = current.map_or_else(Facts::none, Facts::of).with_since(wired.clock().now());
    let facts = current
        .iter()
        .fold(facts, |facts, current| facts.with_version("current", &current.id, current.fingerprint.as_ref()));
    let facts = facts.with("key", name.to_string());
    let facts = key.each.iter().fold(facts, |facts, each| facts.with("each", each.clone()));
    member.iter().fold(facts, |facts, member| facts.with_member(member))
}
