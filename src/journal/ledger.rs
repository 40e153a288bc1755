//! All that the journal says, folded up entry by entry: runs, keys, approvals.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::inventory::key::Past;
use crate::journal::broken::Broken;
use crate::journal::broken::Why;
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::known::Count;
use crate::journal::known::Known;
use crate::journal::known::PRE_IMAGES_DELETED;
use crate::journal::known::PRE_IMAGES_UNDER;
use crate::journal::name::RunId;
use crate::journal::parts::Clock;
use crate::journal::standing::Standing;
use crate::journal::standing::step_of;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Risk;

/// Where everything stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// How many entries were taken in.
    pub count: u64,
    /// The hour of the last. Journal time never goes back: the executor's hour is never before this.
    pub last: Option<Hour>,
    /// Whose hours stand in it.
    pub clock: Option<Clock>,
    /// Every run.
    pub runs: BTreeMap<RunId, Standing>,
    /// Every key.
    pub keys: BTreeMap<KeyName, Known>,
    /// Every approval, by the plan's id, in the order in which they came.
    pub approvals: BTreeMap<Digest, Vec<Approval>>,
}

/// One signature under a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// When it was journaled.
    pub at: Hour,
    /// For steps up to which risk.
    pub stage: Risk,
    /// Who.
    pub principal: String,
    /// The fingerprint of the signing key.
    pub key: String,
    /// The signature, armoured.
    pub signature: String,
}

impl Ledger {
    /// The runs that go on.
    pub fn open(&self) -> impl Iterator<Item = &Standing> {
        self.runs.values().filter(|run| run.is_open())
    }

    /// The run that carries out, or carried out, this plan.
    #[must_use]
    pub fn of_plan(&self, plan: &Digest) -> Option<&Standing> {
        self.runs.values().find(|run| run.plan == *plan)
    }

    /// What is known of every key, for the inventory.
    #[must_use]
    pub fn past(&self) -> BTreeMap<KeyName, Past> {
        self.keys.iter().map(|(name, known)| (name.clone(), known.past())).collect()
    }

    /// Takes in the next entry.
    ///
    /// # Errors
    /// It cannot follow what stands before it; the ledger is then as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Broken> {
        self.check(entry).map_err(|why| Broken::at(entry.n, why))?;
        self.count = entry.n;
        self.last = Some(entry.at);
        match &entry.event {
            Event::Begun { clock, .. } => self.clock = Some(*clock),
            Event::RunOpened { run, keys, .. } => {
                self.runs.extend(Standing::opened(entry).map(|standing| (run.clone(), standing)));
                for (name, base) in keys {
                    self.keys.entry(name.clone()).or_default().opened(run, base);
                }
            }
            Event::RunFinished { run } | Event::RunCancelled { run, .. } => {
                self.follow(run, entry);
                self.keys.values_mut().for_each(|known| known.ended(run, entry.at));
            }
            Event::Approval { plan, stage, principal, key, signature } => {
                self.approvals.entry(*plan).or_default().push(Approval {
                    at: entry.at,
                    stage: *stage,
                    principal: principal.clone(),
                    key: key.clone(),
                    signature: signature.clone(),
                });
            }
            event => {
                if let Some(run) = &entry.run {
                    self.follow(run, entry);
                    self.change(run, entry);
                }
                self.learn(event, entry.at);
            }
        }
        Ok(())
    }

    fn follow(&mut self, run: &RunId, entry: &Entry) {
        if let Some(standing) = self.runs.get_mut(run) {
            standing.apply(entry);
        }
    }

    /// What a step that is done changed.
    fn change(&mut self, run: &RunId, entry: &Entry) {
        let Event::Done { step, change, facts, .. } = &entry.event else { return };
        let of_images = [PRE_IMAGES_UNDER, PRE_IMAGES_DELETED].iter().any(|fact| facts.contains_key(*fact));
        if let Some(name) = step.key().filter(|_| of_images) {
            self.keys.entry(name).or_default().told(run, facts);
        }
        let begun = self.runs.get(run).and_then(|standing| standing.step(step).first_begun).unwrap_or(entry.at);
        for (name, change) in change {
            self.keys.entry(name.clone()).or_default().changed(change, begun, entry.at);
        }
    }

    /// What an event says of one key.
    fn learn(&mut self, event: &Event, at: Hour) {
        match event {
            Event::Observation { key, versions, members } => self.key(key).seen(at, versions, members),
            Event::Census { key, store, under, strange, clean } => {
                let count = Count { at, under: under.clone(), strange: *strange, clean: *clean };
                self.key(key).stores.insert(store.clone(), Some(count));
            }
            Event::Quarantined { key, at, names, .. } => {
                self.key(key).quarantine.insert(at.clone(), names.clone());
            }
            Event::QuarantineSettled { key, at, how, .. } => self.key(key).settled(at, *how),
            Event::Adopted { key, version, fingerprint, current } => {
                self.key(key).adopted(version, fingerprint.as_ref(), *current);
            }
            Event::Compromised { key, version, .. } => self.key(key).compromised(version),
            Event::TakenBack { key } => self.key(key).rolled_back = true,
            _ => {}
        }
    }

    fn key(&mut self, name: &KeyName) -> &mut Known {
        self.keys.entry(name.clone()).or_default()
    }

    fn check(&self, entry: &Entry) -> Result<(), Why> {
        let impossible = |because: String| Err(Why::Impossible { because });
        if entry.n != self.count.saturating_add(1) {
            return Err(Why::Place { found: entry.n });
        }
        if matches!(entry.event, Event::Begun { .. }) != (entry.n == 1) {
            return Err(Why::Beginning);
        }
        match &entry.event {
            Event::RunOpened { run, .. } if self.runs.contains_key(run) => {
                impossible(format!("run `{run}` was opened before"))
            }
            Event::RunFinished { run } | Event::RunCancelled { run, .. } => self.check_open(run),
            event => match (step_of(event), &entry.run) {
                (Some(_), Some(run)) => self.check_open(run),
                (Some(step), None) => impossible(format!("step `{step}` belongs to no run")),
                (None, _) => Ok(()),
            },
        }
    }

    fn check_open(&self, run: &RunId) -> Result<(), Why> {
        match self.runs.get(run) {
            Some(standing) if standing.is_open() => Ok(()),
            Some(_) => Err(Why::Impossible { because: format!("run `{run}` has ended") }),
            None => Err(Why::Impossible { because: format!("run `{run}` was never opened") }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::Ledger;
    use crate::digest;
    use crate::journal;
    use crate::journal::Broken;
    use crate::journal::Clock;
    use crate::journal::Draft;
    use crate::journal::Ended;
    use crate::journal::Event;
    use crate::journal::RunId;
    use crate::journal::Stands;
    use crate::journal::StepName;
    use crate::journal::Tail;
    use crate::journal::Why;
    use crate::journal::known::Known;
    use crate::model::Hour;
    use crate::model::KeyName;
    use crate::model::State;
    use crate::model::VersionId;

    const KEY: &str = "app/kek";

    /// A journal told one line at a time, an hour apart.
    struct Story {
        tail: Tail,
        bytes: Vec<u8>,
        ledger: Ledger,
        hours: u32,
    }

    impl Story {
        fn begin() -> Self {
            let mut story = Self { tail: Tail::NONE, bytes: Vec::new(), ledger: Ledger::default(), hours: 0 };
            story.tell(Event::begun(Clock::Virtual), None).unwrap();
            story
        }

        fn tell(&mut self, event: Event, run: Option<&str>) -> Result<(), Broken> {
            let run = run.map(|run| run.parse::<RunId>().unwrap());
            let drawn = self.tail.draw(vec![Draft { at: hour(self.hours), actor: "kim".into(), run, event }]).unwrap();
            self.ledger.apply(&drawn.entries[0])?;
            (self.tail, self.hours) = (drawn.tail, self.hours + 1);
            self.bytes.extend(drawn.bytes);
            Ok(())
        }

        /// Tells an event of run `r1`, or of none, by its JSON.
        fn say(&mut self, event: &str, mut fields: serde_json::Value) {
            fields["event"] = json!(event);
            let of_run = fields.get("step").is_some();
            self.tell(serde_json::from_value(fields).unwrap(), of_run.then_some("r1")).unwrap();
        }

        fn open(&mut self, run: &str, versions: serde_json::Value) {
            let (plan, intent) = (digest::plain(run.as_bytes()), digest::plain(b"intent"));
            let keys = json!({KEY: {"versions": versions, "stores": ["db", "files"]}});
            let fields = json!({"run": run, "plan": plan, "intent": intent, "keys": keys, "expires": null});
            self.say("run-opened", fields);
        }

        fn done(&mut self, step: &str, change: serde_json::Value) {
            self.say("intent", json!({"step": step, "attempt": 1}));
            self.say("done", json!({"step": step, "attempt": 1, "change": [[KEY, change]]}));
        }

        fn known(&self) -> &Known {
            &self.ledger.keys[&KEY.parse::<KeyName>().unwrap()]
        }
    }

    fn hour(hours: u32) -> Hour {
        "2026-03-01T00:00:00Z".parse::<Hour>().unwrap() + chrono::TimeDelta::hours(i64::from(hours))
    }

    fn v(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    fn rotated() -> Story {
        let mut story = Story::begin();
        story.open("r1", json!([{"id": "v1", "state": "current"}]));
        story.done("app/kek/1-add", json!({"change": "add", "version": "v2", "fingerprint": "ab", "promotes": false}));
        story.done("app/kek/2-switch", json!({"change": "switch", "to": "v2"}));
        story
    }

    #[test]
    fn a_rotation_is_folded_into_the_past_of_its_key() {
        let mut story = rotated();
        story.done("app/kek/5-retire", json!({"change": "retire", "version": "v1"}));
        let past = story.known().past();
        assert_eq!(past.open_run.as_deref(), Some("r1"));
        assert_eq!(past.known, [v("v1"), v("v2")]);
        // Since the intent: from then on somebody may have written.
        assert_eq!(past.current_since, BTreeMap::from([(v("v2"), hour(4))]));
        assert_eq!(past.retired_at, BTreeMap::from([(v("v1"), hour(7))]));
        assert_eq!((past.left_current, past.rolled_back), (Some(v("v2")), false));
        let run = &story.ledger.runs[&"r1".parse::<RunId>().unwrap()];
        assert_eq!(run.made(&KEY.parse().unwrap()), Some(&v("v2")));

        story.say("run-finished", json!({"run": "r1"}));
        assert_eq!(story.known().past().open_run, None);
        assert_eq!(story.ledger.of_plan(&digest::plain(b"r1")).unwrap().ended, Some((Ended::Finished, hour(8))));
        assert_eq!(story.ledger.open().count(), 0);
        let states: Vec<_> = story.known().key.versions.iter().map(|version| version.state).collect();
        assert_eq!(states, [State::Disabled, State::Current]);
        // What was told entry by entry is what a reader finds.
        let journal = journal::read(story.bytes, None).unwrap();
        assert_eq!(journal::ledger(&journal).unwrap(), story.ledger);
        assert_eq!(journal::past(&journal).unwrap(), story.ledger.past());
    }

    #[test]
    fn going_back_and_enabling_are_remembered() {
        let mut story = rotated();
        story.done("app/kek/3-retire", json!({"change": "retire", "version": "v1"}));
        story.done("app/kek/4-enable", json!({"change": "enable", "version": "v1"}));
        assert!(story.known().retired_at.is_empty());
        story.done("app/kek/5-switch", json!({"change": "switch", "to": "v1"}));
        assert!(story.known().rolled_back);
        assert_eq!(story.known().left_current, Some(v("v1")));
        assert_eq!(story.known().current_since[&v("v2")], hour(4), "the first switch stays the first");
        story.say("run-cancelled", json!({"run": "r1", "why": "web-2 is down"}));
        assert!(story.known().rolled_back);
        story.open("r2", json!([{"id": "v1", "state": "current"}, {"id": "v2", "state": "decrypt-only"}]));
        assert!(!story.known().rolled_back, "somebody has planned");
    }

    #[test]
    fn a_pointer_that_says_the_switch_again_does_not_forget_that_it_went_back() {
        let mut story = rotated();
        story.done("app/kek/3-switch", json!({"change": "switch", "to": "v1"}));
        story.done("app/kek/4-point", json!({"change": "switch", "to": "v1"}));
        assert!(story.known().rolled_back);
        story.done("app/kek/5-switch", json!({"change": "switch", "to": "v2"}));
        assert!(!story.known().rolled_back, "the newest version is current");
    }

    #[test]
    fn a_version_is_clean_when_every_store_was_counted_clean() {
        let mut story = rotated();
        let count = |store: &str, v1: u64, strange: u64| {
            let clean = strange == 0;
            json!({"key": KEY, "store": store, "under": {"v1": v1, "v2": 9}, "strange": strange, "clean": clean})
        };
        story.say("census", count("db", 0, 0));
        assert_eq!(story.known().clean_at(&v("v1")), None, "`files` was never counted");
        story.say("census", count("files", 0, 0));
        assert_eq!(story.known().past().clean_at, BTreeMap::from([(v("v1"), hour(6))]));
        story.say("census", count("db", 0, 0));
        assert_eq!(story.known().clean_at(&v("v1")), Some(hour(7)));
        for (v1, strange) in [(1, 0), (0, 1)] {
            story.say("census", count("db", v1, strange));
            assert_eq!(story.known().clean_at(&v("v1")), None);
        }
    }

    #[test]
    fn quarantine_pins_the_version_that_a_value_names_or_all_of_them() {
        let mut story = rotated();
        let at = |row: &str| json!({"store": "db", "table": "data_keys", "column": "sealed", "row": [row]});
        let quarantine =
            |row: &str, names: Option<&str>| json!({"key": KEY, "at": at(row), "names": names, "why": "tag"});
        story.say("quarantined", quarantine("7", Some("v1")));
        story.say("quarantined", quarantine("7", Some("v1")));
        assert_eq!(story.known().quarantined(), BTreeMap::from([(v("v1"), 1)]), "one row counts once");
        story.say("quarantined", quarantine("8", None));
        assert_eq!(story.known().quarantined(), BTreeMap::from([(v("v1"), 2), (v("v2"), 1)]));
        for row in ["7", "8"] {
            story.say("quarantine-settled", json!({"key": KEY, "at": at(row), "how": "accepted", "by": "kim"}));
        }
        assert!(story.known().quarantined().is_empty());
    }

    #[test]
    fn a_sign_of_life_is_one_that_changed_between_two_looks() {
        let mut story = Story::begin();
        let look =
            |sign: &[u8]| json!({"key": KEY, "versions": [], "members": {"web": {"web-1": digest::plain(sign)}}});
        let sign = |story: &Story| {
            let sign = story.known().look.as_ref().unwrap().signs[&"web".parse().unwrap()][&"web-1".parse().unwrap()];
            (sign.since, sign.changed)
        };
        story.say("observation", look(b"a"));
        assert_eq!(sign(&story), (hour(1), false));
        story.say("observation", look(b"a"));
        assert_eq!(sign(&story), (hour(1), false));
        story.say("observation", look(b"b"));
        assert_eq!(sign(&story), (hour(3), true));
        story.say("observation", json!({"key": KEY, "versions": []}));
        assert_eq!(sign(&story), (hour(3), true), "silent is not gone");
    }

    #[test]
    fn what_people_say_is_remembered() {
        let mut story = Story::begin();
        story.say("adopted", json!({"key": KEY, "version": "v7", "fingerprint": null, "current": true}));
        story.say("compromised", json!({"key": KEY, "version": "v7", "why": "in a log"}));
        story.say("compromised", json!({"key": KEY, "version": "v7", "why": "in another"}));
        let past = story.known().past();
        assert_eq!((past.left_current, past.compromised, past.known), (Some(v("v7")), vec![v("v7")], vec![v("v7")]));
        let plan = digest::plain(b"plan");
        let fields = json!({"plan": plan, "stage": "switch", "principal": "kim", "key": "SHA256:x", "signature": "y"});
        story.say("approval", fields);
        assert_eq!(story.ledger.approvals[&plan][0].principal, "kim");
    }

    #[test]
    fn steps_stand_where_the_journal_says() {
        let mut story = Story::begin();
        story.open("r1", json!([]));
        let step: StepName = "app/kek/4-rewrap".parse().unwrap();
        let name = step.as_str();
        let record = |story: &Story| story.ledger.open().next().unwrap().step(&step).clone();
        assert_eq!(record(&story).stands, Stands::Pending);
        story.say("waited", json!({"step": name, "gate": "written", "because": "proof"}));
        story.say("intent", json!({"step": name, "attempt": 1, "mark": {"token": "t1"}}));
        assert_eq!(record(&story).stands, Stands::Begun { attempt: 1, at: hour(3) });
        let fault = json!({"remedy": "retry", "doing": "rewrap", "source": "locked"});
        story.say("failed", json!({"step": name, "attempt": 1, "fault": fault}));
        assert!(matches!(record(&story).stands, Stands::Failed { attempt: 1, .. }));
        story.say("intent", json!({"step": name, "attempt": 2, "mark": {"token": "t2"}}));
        let chunk = |round: u32, up_to: &str| json!({"step": name, "store": "db", "round": round, "moved": 10, "quarantined": 1, "up_to": up_to});
        story.say("chunk", chunk(1, "10"));
        story.say("chunk", chunk(1, "20"));
        let db = |story: &Story| record(story).rewraps[&"db".parse().unwrap()].clone();
        assert_eq!((db(&story).moved, db(&story).quarantined, db(&story).up_to), (20, 2, Some("20".into())));
        let round = |round: u32, found: u64| json!({"step": name, "store": "db", "round": round, "moved": found, "found": found, "quarantined": 2});
        story.say("round", round(1, 20));
        assert_eq!((db(&story).up_to, db(&story).closed), (None, false));
        story.say("round", round(2, 0));
        assert!(db(&story).closed);
        story.say("chunk", chunk(3, "5"));
        assert!(!db(&story).closed, "a new round is open");
        story.say("done", json!({"step": name, "attempt": 2, "facts": {"moved": 30, "clean": true}}));
        let record = record(&story);
        assert_eq!((record.attempts, record.marks.len(), record.first_begun), (2, 2, Some(hour(3))));
        assert_eq!(record.gates["written"].0, hour(2));
        assert_eq!(story.ledger.open().next().unwrap().done_at(&step), Some(hour(11)));
    }

    #[test]
    fn what_cannot_follow_is_refused_and_changes_nothing() {
        let mut story = Story::begin();
        story.open("r1", json!([]));
        story.say("run-finished", json!({"run": "r1"}));
        let before = story.ledger.clone();
        let event = |fields: serde_json::Value| serde_json::from_value::<Event>(fields).unwrap();
        let intent = event(json!({"event": "intent", "step": "a/b/1-add", "attempt": 1}));
        let finished = |run: &str| event(json!({"event": "run-finished", "run": run}));
        for (event, run) in [
            (intent.clone(), None),
            (intent.clone(), Some("r1")),
            (intent, Some("r2")),
            (finished("r1"), None),
            (finished("r2"), None),
        ] {
            let why = story.tell(event, run).unwrap_err();
            assert!(matches!(why, Broken { entry: Some(4), why: Why::Impossible { .. } }), "{why}");
            assert_eq!(story.ledger, before);
        }
        let mut other = Story::begin();
        (other.tail, other.hours) = (story.tail, story.hours);
        let note = event(json!({"event": "note", "text": "x"}));
        assert_eq!(other.tell(note, None).unwrap_err().why, Why::Place { found: 4 });
    }
}
