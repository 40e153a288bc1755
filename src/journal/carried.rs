//! What one journal leaves to the one that takes its place: what people said and no look at the world can tell. Everything else
//! is seen anew.

use crate::journal;
use crate::journal::Broken;
use crate::journal::Event;
use crate::journal::Head;
use crate::journal::Ledger;
use crate::journal::Place;
use crate::journal::Settled;
use crate::model::KeyName;
use crate::model::VersionId;

/// Why it is said again.
const WHY: &str = "the journal before this one said so";

/// The entries before the first one that is not as it was written, folded up, and the last of them.
#[must_use]
pub fn prefix(mut bytes: Vec<u8>) -> (Ledger, Head) {
    let journal = loop {
        match journal::read(bytes.clone(), None) {
            Ok(journal) => break journal,
            Err(Broken { entry, .. }) => {
                let whole = entry.map_or(0, |entry| entry.saturating_sub(1));
                let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(usize::try_from(whole).unwrap_or(0));
                let shorter: Vec<u8> = lines.flatten().copied().collect();
                // A break that cannot be told by its entry leaves nothing to go by.
                bytes = if shorter.len() < bytes.len() { shorter } else { Vec::new() };
            }
        }
    };
    let (mut ledger, mut last) = (Ledger::default(), Head::NONE);
    for entry in journal.entries().map_while(Result::ok) {
        if ledger.apply(&entry).is_err() {
            break;
        }
        last = Head { count: entry.n, digest: entry.own };
    }
    (ledger, last)
}

/// What is said again: versions that others know, values in quarantine and those that somebody accepted as lost, and rotations that
/// were taken back. Said once too often each of them only makes somebody look again.
#[must_use]
pub fn carried(ledger: &Ledger, by: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for (key, known) in &ledger.keys {
        let again =
            |version: &VersionId| Event::Compromised { key: key.clone(), version: version.clone(), why: WHY.into() };
        events.extend(known.compromised.iter().map(again));
        for (at, names) in known.quarantine.iter().chain(&known.accepted) {
            events.push(quarantined(key, at, names.as_ref()));
        }
        let settled = |at: &Place| Event::QuarantineSettled {
            key: key.clone(),
            at: at.clone(),
            how: Settled::Accepted,
            by: by.to_owned(),
        };
        events.extend(known.accepted.keys().map(settled));
        events.extend(known.rolled_back.then(|| Event::TakenBack { key: key.clone() }));
    }
    events
}

fn quarantined(key: &KeyName, at: &Place, names: Option<&VersionId>) -> Event {
    Event::Quarantined { key: key.clone(), at: at.clone(), names: names.cloned(), why: WHY.into() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::carried;
    use crate::journal::Draft;
    use crate::journal::Event;
    use crate::journal::Ledger;
    use crate::journal::Tail;
    use crate::journal::parts::Clock;
    use crate::model::Hour;

    /// A journal of these events, folded up.
    fn ledger(events: Vec<Event>) -> Ledger {
        let all = std::iter::once(Event::begun(Clock::Real)).chain(events);
        let drafts = all.map(|event| Draft::new(Hour::UNIX_EPOCH, "kim", event)).collect();
        let drawn = Tail::NONE.draw(drafts).unwrap();
        crate::journal::ledger(&crate::journal::read(drawn.bytes, None).unwrap()).unwrap()
    }

    #[test]
    fn what_people_said_is_said_again_and_stays_said() {
        let event = |text: &str| serde_json::from_str::<Event>(text).unwrap();
        let place = |row: &str| format!(r#"{{"store":"db","table":"t","row":["{row}"],"column":"c"}}"#);
        let mut said = vec![
            event(r#"{"event":"compromised","key":"a/k","version":"v1","why":"x"}"#),
            event(r#"{"event":"taken-back","key":"b/k"}"#),
        ];
        for row in ["1", "2", "3"] {
            let names = if row == "2" { "null" } else { "\"v1\"" };
            let at = place(row);
            said.push(event(&format!(r#"{{"event":"quarantined","key":"a/k","at":{at},"names":{names},"why":"x"}}"#)));
        }
        let at = place("3");
        said.push(event(&format!(
            r#"{{"event":"quarantine-settled","key":"a/k","at":{at},"how":"accepted","by":"kim"}}"#
        )));
        let first = ledger(said);
        let again = ledger(carried(&first, "kim"));
        let facts = |ledger: &Ledger| {
            let all = ledger.keys.iter().map(|(key, known)| {
                let (compromised, back) = (known.compromised.clone(), known.rolled_back);
                (key.clone(), compromised, known.quarantine.clone(), known.accepted.clone(), back)
            });
            all.collect::<Vec<_>>()
        };
        assert_eq!(facts(&again), facts(&first));
        let (_, compromised, quarantine, accepted, _) = facts(&first).remove(0);
        assert_eq!((compromised.len(), quarantine.len(), accepted.len()), (1, 2, 1));
        assert!(facts(&first).iter().any(|(key, .., back)| key.to_string() == "b/k" && *back));
        assert!(carried(&Ledger::default(), "kim").is_empty());
    }
}
