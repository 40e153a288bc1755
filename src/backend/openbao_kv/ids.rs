//! How versions are called: by a count, or by an id that tells the time at which it was made.

use crate::fault::Fault;
use crate::model::Hour;
use crate::model::VersionId;
use crate::secret;
use crate::template::Template;
use chrono::Utc;
use std::borrow::Cow;
use uuid::Timestamp;
use uuid::Uuid;

/// Makes ids and reads them back.
#[derive(Debug, Clone)]
pub(super) struct Ids(Template);

impl Ids {
    pub(super) fn new(template: Template) -> Result<Self, String> {
        match template.placeholders().collect::<Vec<_>>().as_slice() {
            ["n"] | ["uuid1"] => Ok(Self(template)),
            _ => Err(format!("the id `{}` holds `{{{{ n }}}}` or `{{{{ uuid1 }}}}` once", template.as_str())),
        }
    }

    /// The next id; none that was given before.
    pub(super) fn next<'v>(&self, doing: &str, used: impl Iterator<Item = &'v VersionId>) -> Result<VersionId, Fault> {
        let next = used.filter_map(|id| self.n(id)).max().unwrap_or(0).saturating_add(1);
        let uuid = uuid1()?;
        let text = self.0.fill(|name| match name {
            "n" => Some(Cow::Owned(next.to_string())),
            _ => Some(Cow::Owned(uuid.to_string())),
        });
        let text = text.map_err(|missing| Fault::report_bug(doing, missing))?;
        text.parse().map_err(|bad| Fault::ask_operator(doing, format!("`{}` is no id: {bad}", text.escape_debug())))
    }

    /// Which id this is, where ids count.
    pub(super) fn n(&self, id: &VersionId) -> Option<u64> {
        self.0.matches(id.as_str())?.get("n")?.parse().ok()
    }

    /// When an id was made, where it tells.
    pub(super) fn made(&self, id: &VersionId) -> Option<Hour> {
        let matched = self.0.matches(id.as_str())?;
        let uuid: Uuid = matched.get("uuid1")?.parse().ok()?;
        let (seconds, nanoseconds) = uuid.get_timestamp()?.to_unix();
        // One that was made up has any hour in it.
        Hour::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

/// An id of version 1: its time is now, its node made up, as RFC 9562 has it for whoever does not want to tell the machine's.
fn uuid1() -> Result<Uuid, Fault> {
    let [a, b, mut node @ .., c] = secret::random_array::<9>()?;
    if let Some(first) = node.first_mut() {
        *first |= 1;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the hour inside an id: nothing is judged by it before it is journaled"
    )]
    let now = Utc::now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    let time = Timestamp::from_unix_time(
        seconds,
        now.timestamp_subsec_nanos(),
        u128::from(u16::from_le_bytes([a, b ^ c])),
        14,
    );
    Ok(Uuid::new_v1(time, &node))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Ids;
    use crate::model::VersionId;
    use crate::template::Template;

    fn ids(text: &str) -> Ids {
        Ids::new(Template::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn ids_count_or_tell_their_time() {
        let counted = ids("kv{{ n }}");
        let used: Vec<VersionId> = ["kv2", "kv10", "other"].iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(counted.next("x", used.iter()).unwrap().as_str(), "kv11");
        assert_eq!(used.first().and_then(|id| counted.made(id)), None);
        let timed = ids("{{ uuid1 }}");
        let (one, other) = (timed.next("x", used.iter()).unwrap(), timed.next("x", used.iter()).unwrap());
        assert_ne!(one, other);
        assert_eq!(uuid::Uuid::parse_str(one.as_str()).unwrap().get_version_num(), 1);
        assert!(timed.made(&one).unwrap() <= timed.made(&other).unwrap());
        let seen = timed.made(&"fa85bab2-fccd-11f0-b875-82c3b2df389e".parse().unwrap()).unwrap();
        assert_eq!(seen.format("%Y-%m-%d").to_string(), "2026-01-29");
        assert_eq!(timed.made(&"52466a9c-e4ba-41f1-be23-02fc00000001".parse().unwrap()), None);
        for bad in ["x", "{{ n }}{{ n }}", "{{ n }}-{{ uuid1 }}"] {
            assert!(Ids::new(Template::parse(bad).unwrap()).is_err());
        }
    }
}
