//! What one block says of another: the keys that are named exist, no two lie on one place, nothing waits for itself, and
//! what is asked of a version can be kept.

mod cycle;
mod names;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::envelope::Cipher;
use crate::model::KeyName;
use crate::model::Name;
use crate::policy::meant::Backend;
use crate::policy::meant::Key;
use crate::policy::meant::Store;
use crate::policy::meant::backend::DocumentPlace;
use crate::policy::meant::check::Ask;
use crate::policy::meant::fleet::ProofFrom;
use crate::policy::meant::key::Algorithm;
use crate::policy::meant::key::Retire;
use crate::policy::meant::store::Literal;
use crate::policy::meant::store::Place as StorePlace;
use crate::policy::problem::quote;
use crate::policy::read::Draft;

/// Judges all files together, and fills in the keys that keys name.
pub(super) fn judge(drafts: &mut [Draft<'_>]) {
    one_name_each(drafts);
    names::resolve(drafts);
    for draft in drafts.iter() {
        one_place_each(draft);
        seals_something(draft);
        fleets_in_order(draft);
        for (name, key) in one_of_each(draft) {
            keeps_what_is_unseen(draft, name, key);
            is_one_of_many(draft, name, key);
            fits_its_seals(draft, name, key);
        }
    }
    one_place_in_all(drafts);
    keys_in_order(drafts);
}

/// Every declared key once: those made for `each` are alike, so the first stands for all.
pub(super) fn one_of_each<'d>(draft: &'d Draft<'_>) -> impl Iterator<Item = (&'d Name, &'d Key)> {
    draft.keys.keys().filter_map(|name| {
        let own = draft.policy.keys.get(name).filter(|key| key.each.is_none());
        let first = || {
            let alike = draft
                .policy
                .keys
                .range(name.clone()..)
                .take_while(|(made, _)| made.as_str().starts_with(name.as_str()));
            let mut alike =
                alike.filter(|(made, key)| key.each.is_some() && draft.declared_name(made, key) == Some(name));
            alike.next().map(|(_, key)| key)
        };
        own.or_else(first).map(|key| (name, key))
    })
}

impl Draft<'_> {
    /// The name that a key of this name was declared by.
    pub(super) fn declared_name(&self, name: &Name, key: &Key) -> Option<&Name> {
        let declared = match &key.each {
            Some(value) => name.as_str().strip_suffix(value.as_str())?.strip_suffix('/')?,
            None => name.as_str(),
        };
        self.keys.get_key_value(&declared.parse::<Name>().ok()?).map(|(name, _)| name)
    }
}

fn one_name_each(drafts: &[Draft<'_>]) {
    let mut seen: BTreeMap<&Name, &str> = BTreeMap::new();
    for draft in drafts {
        if draft.policy.name.as_str() == "_" {
            continue;
        }
        if let Some(other) = seen.insert(&draft.policy.name, &draft.policy.file)
            && let Some(block) = draft.reader.block("policy")
        {
            let message = format!("{other} is a policy called {} too", quote(draft.policy.name.as_str()));
            block.place(draft.reader.sheet).word("name").complain("K006", message);
        }
    }
}

/// A path as it would be without detours.
fn plain_path(path: &str) -> Cow<'_, str> {
    let detours = path.contains("//") || path.ends_with('/') || path.starts_with("./") || path.contains("/./");
    if !detours {
        return Cow::Borrowed(path);
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Cow::Owned(format!("{root}{}", parts.join("/")))
}

fn one_place_each(draft: &Draft<'_>) {
    let mut seen: HashMap<(&Name, Cow<'_, str>), &Name> = HashMap::with_capacity(draft.policy.keys.len());
    for (name, key) in &draft.policy.keys {
        if let Some(other) = seen.insert((&key.backend, plain_path(&key.at)), name)
            && let Some(block) = draft.declared_name(name, key).and_then(|name| draft.keys.get(name))
        {
            let message =
                format!("{} and {} lie on one place, {}", quote(other.as_str()), quote(name.as_str()), quote(&key.at));
            let hint = "give each key a place of its own";
            block.place(draft.reader.sheet).word("at").complain_with("K006", message, hint);
        }
    }
}

/// Where the places of a backend are places of the same thing in two policies.
fn world(backend: &Backend) -> [&str; 4] {
    match backend {
        Backend::File { .. } => ["file", "", "", ""],
        Backend::Document { place: DocumentPlace::File(file), .. } => ["document", file, "", ""],
        Backend::Document { place: DocumentPlace::Paths(paths), .. } => {
            ["kv", &paths.addr, paths.namespace.as_deref().unwrap_or_default(), &paths.mount]
        }
        Backend::OpenbaoKv { addr, namespace, mount, .. } => {
            ["kv", addr, namespace.as_deref().unwrap_or_default(), mount]
        }
        Backend::OpenbaoTransit { addr, namespace, mount, .. } => {
            ["transit", addr, namespace.as_deref().unwrap_or_default(), mount]
        }
        Backend::AzureKeyVault { addr, .. } => ["vault", addr, "", ""],
        Backend::Pkcs11 { module, token, .. } => ["pkcs11", module, token, ""],
    }
}

fn one_place_in_all(drafts: &[Draft<'_>]) {
    /// A backend's world and a place in it.
    type At<'d> = ([&'d str; 4], Cow<'d, str>);
    if drafts.len() < 2 {
        return;
    }
    let mut seen: HashMap<At<'_>, (usize, &Name)> = HashMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        for (name, key) in &draft.policy.keys {
            let Some(backend) = draft.policy.backends.get(&key.backend) else { continue };
            let first = *seen.entry((world(backend), plain_path(&key.at))).or_insert((number, name));
            let Some(other) = drafts.get(first.0).filter(|_| first.0 != number) else { continue };
            if let Some(block) = draft.declared_name(name, key).and_then(|name| draft.keys.get(name)) {
                let message =
                    format!("`{}/{}` of {} lies on this place too", other.policy.name, first.1, other.policy.file);
                let hint = "keep the key in one policy".to_owned();
                let place = block.place(draft.reader.sheet);
                draft.reader.sheet.lint(place.word("at").span(), "K020", message, Some(hint));
            }
        }
    }
}

fn fleets_in_order(draft: &Draft<'_>) {
    let edges: BTreeMap<&Name, Vec<&Name>> =
        draft.policy.fleets.iter().map(|(name, fleet)| (name, fleet.after.iter().collect())).collect();
    for cycle in cycle::all(&edges) {
        let Some(block) = cycle.first().and_then(|name| draft.fleets.get(*name)) else { continue };
        let told: Vec<String> = cycle.iter().map(|name| name.to_string()).collect();
        block.place(draft.reader.sheet).word("after").complain("K006", waits(&told));
    }
}

fn keys_in_order(drafts: &[Draft<'_>]) {
    type Edges = fn(&Key) -> &Vec<KeyName>;
    let kinds: [(&str, Edges); 2] = [("after", |key| &key.after), ("wraps", |key| &key.wraps)];
    for (word, edges_of) in kinds {
        let mut edges: BTreeMap<KeyName, Vec<KeyName>> = BTreeMap::new();
        for draft in drafts {
            for (name, key) in draft.policy.keys.iter().filter(|(_, key)| !edges_of(key).is_empty()) {
                edges.insert(draft.policy.key_name(name), edges_of(key).clone());
            }
        }
        for cycle in cycle::all(&edges) {
            let first = cycle.first();
            let draft = first.and_then(|first| drafts.iter().find(|draft| draft.policy.name == *first.policy()));
            let (Some(first), Some(draft)) = (first, draft) else { continue };
            let Some(key) = draft.policy.keys.get(first.key()) else { continue };
            let Some(block) = draft.declared_name(first.key(), key).and_then(|name| draft.keys.get(name)) else {
                continue;
            };
            let told: Vec<String> = cycle.iter().map(KeyName::to_string).collect();
            let message =
                if word == "after" { waits(&told) } else { format!("{}: no key can wrap itself", way(&told, "wraps")) };
            block.place(draft.reader.sheet).word(word).complain("K006", message);
        }
    }
}

fn waits(told: &[String]) -> String {
    format!("{}: nothing of this could ever begin", way(told, "waits for"))
}

fn way(told: &[String], verb: &str) -> String {
    match told {
        [one] => format!("`{one}` {verb} itself"),
        [first, .., last] if told.len() > 6 => {
            format!("`{first}` {verb} itself, by way of {} others up to `{last}`", told.len())
        }
        [first, rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|name| format!(" {verb} `{name}`, which")).collect();
            format!("`{first}`{} {verb} `{first}`", rest.concat())
        }
        [] => String::new(),
    }
}

fn keeps_what_is_unseen(draft: &Draft<'_>, name: &Name, key: &Key) {
    let unseen = |store: &&Name| draft.policy.stores.get(*store).is_some_and(|store| store.place == StorePlace::Unseen);
    let Some(store) = key.seals.iter().find(unseen) else { return };
    if key.retire != Retire::Never
        && let Some(block) = draft.keys.get(name)
    {
        let message = format!(
            "values in {} are neither seen nor moved, so no version can ever be retired",
            quote(store.as_str())
        );
        block.place(draft.reader.sheet).word("retire").complain_with("K006", message, "write `retire = \"never\"`");
    }
}

/// A store says what in it is sealed, unless it is only asked for proofs, or by checks.
fn seals_something(draft: &Draft<'_>) {
    let policy = &draft.policy;
    let checks = || {
        let healthy = policy.fleets.values().flat_map(|fleet| &fleet.healthy);
        policy.keys.values().flat_map(|key| &key.checks).chain(healthy)
    };
    for (name, store) in &policy.stores {
        let sees = !matches!(store.place, StorePlace::Unseen | StorePlace::Grpc(_));
        if !sees || !store.sealed.is_empty() {
            continue;
        }
        let sealed = policy.keys.values().any(|key| key.seals.contains(name));
        let proves = policy.fleets.values().filter_map(|fleet| fleet.proof.as_ref());
        let proves =
            proves.into_iter().any(|proof| matches!(&proof.from, ProofFrom::Store { store, .. } if store == name));
        let asked = checks().any(|check| matches!(&check.ask, Ask::Sql { store, .. } if store == name));
        if let Some(block) = draft.stores.get(name).filter(|_| sealed || !proves && !asked) {
            block.place(draft.reader.sheet).missing("sealed");
        }
    }
}

/// A key without `each` has nothing to fill into `{{ each }}` of what it names.
fn is_one_of_many(draft: &Draft<'_>, name: &Name, key: &Key) {
    let Some(block) = draft.keys.get(name).filter(|_| key.each.is_none()) else { return };
    let place = block.place(draft.reader.sheet);
    for (at, store) in key.seals.iter().enumerate() {
        if draft.policy.stores.get(store).is_some_and(asks_for_each) {
            let message = format!("{} asks for `{{{{ each }}}}`, and this key has none", quote(store.as_str()));
            place.word("seals").item(at).complain_with("K006", message, "add `each = [..]` to the key");
        }
    }
}

/// Whether a store is another one, or other rows of it, for each value of `each`.
pub(super) fn asks_for_each(store: &Store) -> bool {
    let path = matches!(&store.place, StorePlace::Sqlite { path } if path.asks_for("each"));
    let row = |literal: &Literal| matches!(literal, Literal::Text(text) if text.asks_for("each"));
    path || store.sealed.iter().any(|sealed| sealed.only.values().any(row))
}

/// A cipher needs its own kind of key.
fn fits_its_seals(draft: &Draft<'_>, name: &Name, key: &Key) {
    let stores = key.seals.iter().filter_map(|store| draft.policy.stores.get(store));
    for sealed in stores.flat_map(|store| &store.sealed) {
        let cipher = sealed.seal.cipher();
        let is_rsa = matches!(key.algorithm, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096);
        let wrong = match cipher {
            Cipher::Backend => false,
            Cipher::RsaOaep256 => !is_rsa,
            Cipher::Aes128Gcm => key.algorithm != Algorithm::Aes128,
            Cipher::Aes256Gcm | Cipher::AesKw => is_rsa,
        };
        if let Some(block) = draft.keys.get(name).filter(|_| wrong) {
            let message =
                format!("{} is sealed with `{cipher}`, and that needs another kind of key", quote(&sealed.table));
            block.place(draft.reader.sheet).word("algorithm").complain("K006", message);
            return;
        }
    }
}
