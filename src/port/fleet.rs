//! The processes that hold a key: who they are, how a version reaches them, what they say they know.

use crate::fault::Fault;
use crate::inventory::MemberSeen;
use crate::model::Fingerprint;
use crate::model::Member;
use crate::model::VersionId;
use crate::policy::meant::fleet::Proof;
use crate::port::facts::Facts;
use crate::secret::Secret;
use serde_json::Value;

/// One proof as it was read: a row of a store, or a line that a program printed.
pub type Row = serde_json::Map<String, Value>;

/// A fleet's members and what can be done to them. `version` is always what [`Facts::of`] makes of a version, with `each`
/// where the policy has it. Every act may be repeated: what is done already is done.
pub trait Fleet {
    /// The members, as the policy lists them or as its command prints them. Where the policy asks for a least number, fewer
    /// are a fault. Those that only a proof names come from [`Fleet::proofs`].
    ///
    /// # Errors
    /// They cannot be listed.
    fn members(&self) -> Result<Vec<Member>, Fault>;

    /// Brings a version to a member. `material` is what the backend's `encoded` gave; it is handed over as the policy says,
    /// and not at all where the command fetches it itself.
    ///
    /// # Errors
    /// It did not get there, or the member does not prove that it holds these very bytes.
    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault>;

    /// Takes a version from a member.
    ///
    /// # Errors
    /// The command failed.
    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault>;

    /// Restarts one member, or all of them where the fleet is restarted as one.
    ///
    /// # Errors
    /// The command failed.
    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault>;

    /// Points one member's own pointer at a version.
    ///
    /// # Errors
    /// The file cannot be read, holds no such place, or cannot be written.
    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault>;

    /// What the member's own pointer says; nothing where it has none.
    ///
    /// # Errors
    /// The file cannot be read or holds no such place.
    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault>;

    /// The proofs that the fleet's own command prints. Those in a store are read there.
    ///
    /// # Errors
    /// The command failed, or what it printed is not one JSON object a line.
    fn proofs(&self) -> Result<Vec<Row>, Fault>;

    /// Whether there is positive evidence that a silent member is gone for good.
    ///
    /// # Errors
    /// The question itself failed, which says nothing about the member.
    fn gone(&self, member: &Member) -> Result<bool, Fault>;
}

/// A version that reached a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The fingerprint that the member proved, where the fleet proves deliveries.
    pub proven: Option<Fingerprint>,
}

/// A proof in our words. `versions` are the key's own: what a member says it knows only selects among them.
///
/// # Errors
/// The row names no member, or a field is not what the policy says.
pub fn seen(proof: &Proof, row: &Row, versions: &[(VersionId, Facts)]) -> Result<MemberSeen, String> {
    let name = scalar(row.get(&proof.member)).ok_or_else(|| format!("it has no field `{}`", proof.member))?;
    let name: Member = name.parse().map_err(|bad| format!("`{}` is no member's name: {bad}", name.escape_debug()))?;
    let version = |text: &str, is: &crate::template::Template| {
        versions.iter().find(|(_, facts)| facts.fill(is).is_ok_and(|written| written == text)).map(|(id, _)| id.clone())
    };
    let known = list(row.get(&proof.knows.field))
        .ok_or_else(|| format!("`{name}`: field `{}` is no list of versions", proof.knows.field))?;
    let writes = proof
        .writes
        .as_ref()
        .and_then(|field| scalar(row.get(&field.field)).and_then(|text| version(&text, &field.is)));
    let text = |field: &Option<String>| field.as_ref().and_then(|field| scalar(row.get(field)));
    Ok(MemberSeen {
        knows: Some(known.iter().filter_map(|text| version(text, &proof.knows.is)).collect()),
        writes,
        started_at: text(&proof.started_at).and_then(|text| text.parse().ok()),
        sign: text(&proof.seen_at),
        fresh: false,
        gone: false,
        name,
    })
}

fn scalar(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a member knows: a list, one thing, or a text that holds a JSON list (as a column without a list type does). A field that
/// is not there knows nothing, which opens no gate.
fn list(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| scalar(Some(item))).collect(),
        Some(Value::String(text)) if text.trim_start().starts_with('[') => {
            let items: Vec<Value> = serde_json::from_str(text).ok()?;
            items.iter().map(|item| scalar(Some(item))).collect()
        }
        Some(Value::Object(_)) => None,
        one => scalar(one).map(|text| vec![text]),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::seen;
    use crate::model::VersionId;
    use crate::policy::meant::fleet::Field;
    use crate::policy::meant::fleet::Proof;
    use crate::policy::meant::fleet::ProofFrom;
    use crate::port::facts::Facts;
    use crate::template::Template;

    fn proof(is: &str) -> Proof {
        let is = Template::parse(is).unwrap();
        Proof {
            from: ProofFrom::Command { command: Vec::new() },
            member: "pod".to_owned(),
            knows: Field { field: "knows".to_owned(), is },
            writes: Some(Field { field: "writes".to_owned(), is: Template::parse("{{ n }}").unwrap() }),
            started_at: Some("started".to_owned()),
            seen_at: Some("beat".to_owned()),
            gone: None,
            canary: false,
        }
    }

    fn versions() -> Vec<(VersionId, Facts)> {
        [("v1", "aa"), ("v2", "bb")]
            .map(|(id, print)| {
                let id: VersionId = id.parse().unwrap();
                let print = print.repeat(32).parse().unwrap();
                (id.clone(), Facts::version(&id, Some(&print)))
            })
            .into()
    }

    fn knows(is: &str, row: &str) -> Result<Vec<String>, String> {
        let seen = seen(&proof(is), &serde_json::from_str(row).unwrap(), &versions())?;
        Ok(seen.knows.unwrap().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn members_name_versions_in_their_own_way() {
        assert_eq!(knows("{{ sha256[:4] }}", r#"{"pod":"a","knows":["bbbb","cccc"]}"#).unwrap(), ["v2"]);
        assert_eq!(knows("{{ n }}", r#"{"pod":"a","knows":[1,2]}"#).unwrap(), ["v1", "v2"]);
        assert_eq!(knows("{{ n }}", r#"{"pod":"a","knows":"[2]"}"#).unwrap(), ["v2"]);
        assert_eq!(knows("{{ id }}", r#"{"pod":"a","knows":"v1"}"#).unwrap(), ["v1"]);
        assert_eq!(knows("{{ id }}", r#"{"pod":"a"}"#).unwrap(), [""; 0]);
        assert!(knows("{{ id }}", r#"{"pod":"a","knows":{"v1":true}}"#).is_err());
        assert!(knows("{{ id }}", r#"{"knows":["v1"]}"#).is_err());
        assert!(knows("{{ id }}", r#"{"pod":"a\u001b[2J","knows":["v1"]}"#).is_err());
    }

    #[test]
    fn signs_of_life_stay_texts() {
        let row = r#"{"pod":"a","knows":[],"writes":2,"started":"2026-01-01T00:00:00Z","beat":17}"#;
        let seen = seen(&proof("{{ n }}"), &serde_json::from_str(row).unwrap(), &versions()).unwrap();
        assert_eq!((seen.writes.unwrap().as_str(), seen.sign.unwrap().as_str(), seen.fresh), ("v2", "17", false));
        assert!(seen.started_at.is_some());
    }
}
