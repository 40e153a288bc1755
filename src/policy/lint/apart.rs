//! Keys that get into each other's way, fleets that nothing restarts, and adapters that this build lacks.

use std::collections::BTreeMap;

use crate::model::Name;
use crate::policy::cross::asks_for_each;
use crate::policy::lint::One;
use crate::policy::meant::Check;
use crate::policy::meant::check::Ask;
use crate::policy::meant::fleet::Learns;
use crate::policy::meant::fleet::ProofFrom;
use crate::policy::read::Draft;

/// A restart-only fleet with no `restart`.
pub(super) fn restart(one: &One<'_>) {
    for (name, fleet) in one.fleets().filter(|(_, fleet)| fleet.restart.is_none()) {
        let word = if fleet.learns == Learns::Restart {
            "learns"
        } else if fleet.follows == Some(Learns::Restart) {
            "follows"
        } else {
            continue;
        };
        let Some(place) = one.fleet_place(name) else { continue };
        let message = format!("members of `{name}` learn only when they start, and nothing restarts them");
        let hint = "add `restart = { each = [..] }` or `restart = { all = [..] }`";
        one.place.sheet.lint(place.word(word).span(), "K018", message, Some(hint.into()));
    }
}

/// Two keys rotate one store in one window.
pub(super) fn windows(keys: &[One<'_>]) {
    let mut by_store: BTreeMap<(&Name, Option<&Name>), Vec<&One<'_>>> = BTreeMap::new();
    for one in keys {
        for (store, _) in one.stores().filter(|(_, store)| !asks_for_each(store)) {
            by_store.entry((store, one.key.window.as_ref())).or_default().push(one);
        }
    }
    for ((store, window), sharers) in by_store {
        for (at, one) in sharers.iter().enumerate() {
            let others = sharers.iter().take(at);
            let Some(other) = others.into_iter().find(|other| !in_order(one, other)) else { continue };
            let when = window.map_or_else(|| "at any time".to_owned(), |window| format!("in the window `{window}`"));
            let message = format!("`{}` rotates `{store}` too, {when}", other.name);
            let hint = format!("write `after = [\"{}\"]`, or give them different windows", other.name);
            one.lint("seals", "K016", message, &hint);
        }
        for one in sharers.iter().filter(|one| one.key.each.is_some()) {
            let message = format!("every key of this `each` rotates all of `{store}`");
            one.lint("seals", "K016", message, "let `{{ each }}` stand in the store's path or `where`");
        }
    }
}

/// Whether one of them waits for the other.
fn in_order(one: &One<'_>, other: &One<'_>) -> bool {
    let waits = |a: &One<'_>, b: &One<'_>| a.key.after.iter().any(|name| *name == b.draft.policy.key_name(b.name));
    waits(one, other) || waits(other, one)
}

/// The cargo feature that has an adapter.
fn feature(kind: &str) -> &str {
    match kind {
        "openbao-kv" | "openbao-transit" => "openbao",
        "azure-key-vault" => "azure",
        kind => kind,
    }
}

/// The policy names an adapter that this build lacks.
pub(super) fn built(draft: &Draft<'_>) {
    let sheet = draft.reader.sheet;
    let has = |kind: &str| draft.reader.around.built.contains(&kind);
    let lacks = |span, kind: &str, what: &str| {
        let feature = feature(kind);
        let message = format!("{what} needs a build with the cargo feature `{feature}`");
        let hint = format!("`cargo install keyrota --features {feature}`, or `--features full`");
        sheet.lint(span, "K019", message, Some(hint));
    };
    let kinds = draft.policy.backends.iter().map(|(name, backend)| (draft.backends.get(name), backend.reached_as()));
    let stores = draft.policy.stores.iter().map(|(name, store)| (draft.stores.get(name), store.place.kind()));
    for (block, kind) in kinds.chain(stores).filter(|(_, kind)| !has(kind)) {
        if let Some(block) = block {
            let place = block.place(sheet);
            lacks(place.word("type").span(), kind, &format!("`{kind}`"));
        }
    }
    let asks_http = |checks: &[Check]| checks.iter().any(|check| matches!(check.ask, Ask::Http { .. }));
    if has("http") {
        return;
    }
    for (name, fleet) in &draft.policy.fleets {
        let proof = fleet.proof.as_ref().is_some_and(|proof| matches!(proof.from, ProofFrom::Http { .. }));
        if let Some(block) = draft.fleets.get(name).filter(|_| proof || asks_http(&fleet.healthy)) {
            lacks(block.head.span(), "http", "`http`");
        }
    }
    for (name, block) in &draft.keys {
        if draft.policy.keys.get(name).is_some_and(|key| asks_http(&key.checks)) {
            lacks(block.head.span(), "http", "`http`");
        }
    }
}
