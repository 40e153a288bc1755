//! What a backend of one kind can never do, whatever it is asked, and keys that are too weak for what they protect.

use crate::envelope::Cipher;
use crate::policy::lint::One;
use crate::policy::meant::Backend;
use crate::policy::meant::Store;
use crate::policy::meant::fleet::Gives;
use crate::policy::meant::key::Algorithm;
use crate::policy::meant::key::Retire;
use crate::policy::meant::store::Place;
use crate::policy::meant::store::VersionAt;
use crate::policy::read::Draft;
use crate::template::Template;

/// What a kind of backend can do at all: `inventory::Able` says what one of them can do here and now.
struct Can {
    exports: bool,
    destroys_one: bool,
    holds_aes: bool,
    holds_rsa: bool,
}

fn can(backend: &Backend) -> Can {
    match backend {
        Backend::File { .. } | Backend::Document { .. } => {
            Can { exports: true, destroys_one: true, holds_aes: true, holds_rsa: true }
        }
        Backend::OpenbaoKv { .. } => Can { exports: true, destroys_one: true, holds_aes: true, holds_rsa: false },
        Backend::OpenbaoTransit { .. } | Backend::Pkcs11 { .. } => {
            Can { exports: false, destroys_one: true, holds_aes: true, holds_rsa: true }
        }
        Backend::AzureKeyVault { .. } => Can { exports: false, destroys_one: false, holds_aes: false, holds_rsa: true },
    }
}

fn is_rsa(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096)
}

/// The backend is asked for what it cannot do.
pub(super) fn backend(one: &One<'_>) {
    let Some(backend) = one.draft.policy.backends.get(&one.key.backend) else { return };
    let (can, kind) = (can(backend), backend.kind());
    if matches!(one.key.retire, Retire::After { destroy_after: Some(_), .. }) && !can.destroys_one {
        let place = one.place.word("retire");
        let message = format!("`{kind}` cannot destroy a single version");
        let hint = "take `destroy_after` away: the version stays disabled";
        one.place.sheet.lint(place.word("destroy_after").span(), "K013", message, Some(hint.into()));
    }
    let held = if is_rsa(one.key.algorithm) { can.holds_rsa } else { can.holds_aes };
    if !held {
        let message = format!("`{kind}` holds no keys of this algorithm");
        let hint = if can.holds_rsa {
            "write `rsa-4096`, or choose another backend"
        } else {
            "write `aes-256`, or choose another backend"
        };
        one.lint("algorithm", "K013", message, hint);
    }
    if !can.exports {
        material(one, kind);
    }
}

/// A census says how many values are under a version. Where nobody can tell, or where what is counted is not values, only a
/// counter knows how many it sealed.
pub(super) fn uses(one: &One<'_>) {
    if one.key.max_uses.is_none() || one.key.counter.is_some() {
        return;
    }
    let blind = |store: &Store| match &store.place {
        Place::Unseen => Some("are neither seen nor counted"),
        Place::Grpc(_) => Some("are counted by rows, by the service that moves them"),
        _ if store.sealed.iter().any(|sealed| sealed.version == VersionAt::ByTrial) => {
            Some("name no version, so no count says which one sealed them")
        }
        _ => None,
    };
    if let Some((name, why)) = one.stores().find_map(|(name, store)| Some((name, blind(store)?))) {
        let message = format!("values in `{name}` {why}: nobody knows when this many are sealed");
        let hint = "name who counts: `max_uses = { at_most = .., counter = [\"site/uses\", \"{{ id }}\"] }`";
        one.lint("max_uses", "K022", message, hint);
    }
}

/// Material is wanted from a backend that hands none out.
fn material(one: &One<'_>, kind: &str) {
    let sheet = one.place.sheet;
    let digest = |template: &Template| template.asks_for("sha256");
    for (name, fleet) in one.fleets() {
        let Some(place) = one.fleet_place(name) else { continue };
        if let Some(deliver) = &fleet.deliver {
            let place = place.word("deliver");
            if deliver.gives != Gives::Nothing {
                let message = format!("`{kind}` hands out no material, so there is none to deliver");
                let hint = "write `gives = \"nothing\"` where the command fetches it itself";
                sheet.lint(place.word("gives").span(), "K013", message, Some(hint.into()));
            }
            if deliver.proves {
                let message = format!("`{kind}` hands out no material, so its digest cannot be compared");
                sheet.lint(place.word("proves").span(), "K013", message, None);
            }
        }
        if fleet.proof.as_ref().is_some_and(|proof| digest(&proof.knows.is)) {
            let place = place.word("proof");
            let message = format!("`{kind}` hands out no material, so its digest cannot be compared");
            let hint = "name versions by `{{ id }}`, and add `canary = true`";
            sheet.lint(place.word("knows").span(), "K013", message, Some(hint.into()));
        }
    }
    for (name, store) in one.stores() {
        let Some(block) = one.draft.stores.get(name) else { continue };
        let place = block.place(sheet);
        let place = place.word("sealed");
        for (at, sealed) in store.sealed.iter().enumerate() {
            if digest(&sealed.is) && sealed.version != VersionAt::ByTrial {
                let message = format!("`{kind}` hands out no material, so values cannot name a version by its digest");
                let place = place.item(at);
                sheet.lint(place.word("version").span(), "K013", message, Some("write `is = \"{{ id }}\"`".into()));
            }
        }
    }
}

/// Bits of strength, as NIST SP 800-57 counts them.
fn strength(algorithm: Algorithm) -> u32 {
    match algorithm {
        Algorithm::Rsa2048 => 112,
        Algorithm::Aes128 | Algorithm::Rsa3072 => 128,
        Algorithm::Rsa4096 => 152,
        Algorithm::Aes256 => 256,
    }
}

/// The key is weaker than what it protects.
pub(super) fn strength_of_wrapping(one: &One<'_>, drafts: &[Draft<'_>]) {
    let own = strength(one.key.algorithm);
    for (at, name) in one.key.wraps.iter().enumerate() {
        let policy = drafts.iter().find(|draft| draft.policy.name == *name.policy());
        let Some(wrapped) = policy.and_then(|draft| draft.policy.keys.get(name.key())) else { continue };
        let theirs = strength(wrapped.algorithm);
        if theirs > own {
            let message = format!("`{name}` has {theirs} bits of strength, and this key that wraps it has {own}");
            let place = one.place.word("wraps");
            let hint = "choose an `algorithm` at least as strong".to_owned();
            one.place.sheet.lint(place.item(at).span(), "K015", message, Some(hint));
        }
    }
    let seals = one.stores().flat_map(|(_, store)| &store.sealed);
    let ciphers: Vec<Cipher> = seals.map(|sealed| sealed.seal.cipher()).collect();
    if one.key.algorithm == Algorithm::Aes128 && ciphers.contains(&Cipher::Aes256Gcm) {
        let message = "values are sealed with `aes-256-gcm`, and this key has 128 bits".to_owned();
        one.lint("algorithm", "K015", message, "write `algorithm = \"aes-256\"`");
    }
}

/// Members prove a number only.
pub(super) fn proof(one: &One<'_>) {
    let id = one.draft.policy.backends.get(&one.key.backend).and_then(id_of);
    for (name, fleet) in one.fleets() {
        let Some(proof) = fleet.proof.as_ref().filter(|proof| !proof.canary) else { continue };
        let is = &proof.knows.is;
        // An id that only counts is a number with another name.
        let counted_id = is.asks_for("id") && id.is_some_and(|id| !id.asks_for("uuid1"));
        if is.asks_for("sha256") || !(is.asks_for("n") || counted_id) {
            continue;
        }
        let Some(place) = one.fleet_place(name) else { continue };
        let place = place.word("proof");
        let message = format!("members of `{name}` prove a number only, and two keys can have the same");
        let hint = "let `knows` be by `{{ sha256[:16] }}`, or add `canary = true`";
        one.place.sheet.lint(place.word("knows").span(), "K017", message, Some(hint.into()));
    }
}

/// How the backend makes ids, where it counts or draws them by a template.
fn id_of(backend: &Backend) -> Option<&Template> {
    match backend {
        Backend::File { id, .. }
        | Backend::Document { id, .. }
        | Backend::OpenbaoKv { id, .. }
        | Backend::Pkcs11 { id, .. } => Some(id),
        Backend::OpenbaoTransit { .. } | Backend::AzureKeyVault { .. } => None,
    }
}
