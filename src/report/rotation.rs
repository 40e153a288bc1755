//! One run on one key: what was planned, what was done, and how each stands beside the other.

use crate::course::forecast::forecast;
use crate::digest::Digest;
use crate::journal::DELIVERED_PROVEN;
use crate::journal::Ended;
use crate::journal::Fact;
use crate::journal::Ledger;
use crate::journal::Opened;
use crate::journal::RunId;
use crate::journal::Standing;
use crate::journal::StepName;
use crate::journal::known::Count;
use crate::model::Change;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::Member;
use crate::model::Name;
use crate::model::Span;
use crate::model::VersionId;
use crate::model::Which;
use crate::plan::Document;
use crate::plan::Kind;
use crate::plan::Part;
use crate::plan::Planned;
use crate::plan::Proof;
use crate::plan::Unit;
use crate::plan::Waiting;
use crate::plan::phrase;
use crate::plan::step::Why;
use crate::policy::meant::key::Accept;
use crate::report::Ask;
use crate::report::Due;
use crate::report::gather::Gathered;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// One run on one key.
#[derive(Debug, Serialize)]
pub struct Rotation {
    /// The key.
    pub key: KeyName,
    /// The run.
    pub run: RunId,
    /// Its plan: the digest of the bytes that were approved.
    pub plan: Digest,
    /// The digest of what the plan means to do.
    pub intent: Digest,
    /// What kind of plan it was.
    pub kind: Kind,
    /// The version that was left behind.
    pub old: Option<VersionId>,
    /// The version that was made or moved to.
    pub new: Option<VersionId>,
    /// When it was opened.
    pub opened_at: Hour,
    /// By whom.
    pub opened_by: String,
    /// Who said yes.
    pub approved: Vec<String>,
    /// When it ended.
    pub ended_at: Option<Hour>,
    /// How: `finished`, `cancelled: why`, or `open`.
    pub ended: String,
    /// When the old version had to be replaced, and when it was.
    pub due: Option<Due>,
    /// How it was seen to that every member could read before anybody wrote.
    pub readable: Vec<Reading>,
    /// Since when nobody writes with the old version, by proof or by the delays that the policy declares.
    pub written_at: Option<Hour>,
    /// Whether every fleet's members proved that.
    pub written_proven: bool,
    /// By store, the count before and the count after.
    pub census: BTreeMap<String, (Counted, Counted)>,
    /// Versions disabled or destroyed.
    pub certificates: Vec<Certificate>,
    /// What was proved of the plan before it was shown.
    pub proof: Option<Proof>,
    /// The hazards that the policy accepted for it: until when, and why.
    pub accepted: Vec<Accept>,
    /// The inequalities that its timing rests on.
    pub bounds: Vec<String>,
    /// The time in which values were under the new version and members held the old one.
    pub mixed: Option<Mixed>,
    /// Every step: forecast beside fact.
    pub steps: Vec<StepTold>,
}

/// The time in which values were under the new version and members held the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mixed {
    /// When the first value was about to be moved.
    pub from: Hour,
    /// When the last member had started with the new version. Nothing while one has not.
    pub to: Option<Hour>,
    /// How long that was.
    pub lasted: Option<Span>,
    /// How long the plan said that it would be at most.
    pub planned: Span,
}

/// How a fleet came to read the new version.
#[derive(Debug, Serialize)]
pub struct Reading {
    /// The fleet.
    pub fleet: Name,
    /// Whether its members proved it. Otherwise it rests on the delay that the policy declares: timed, not proven.
    pub proven: bool,
    /// What was waited for.
    pub gates: Vec<String>,
    /// When it was so.
    pub at: Option<Hour>,
    /// Members that the new version was delivered to, and whether each proved to hold it.
    pub delivered: BTreeMap<String, String>,
}

/// A count of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// When.
    pub at: Hour,
    /// How many under which version.
    pub under: BTreeMap<VersionId, u64>,
    /// How many name no version of the key.
    pub strange: u64,
    /// Whether it was whole and exact and found nothing strange.
    pub clean: bool,
}

impl Counted {
    pub(super) fn of(count: &Count) -> Self {
        Self { at: count.at, under: count.under.clone(), strange: count.strange, clean: count.clean }
    }
}

/// A version that was disabled or destroyed.
#[derive(Debug, Serialize)]
pub struct Certificate {
    /// The version.
    pub version: VersionId,
    /// `disabled` or `destroyed`.
    pub what: &'static str,
    /// When.
    pub at: Hour,
    /// By whom.
    pub actor: String,
    /// When everything was last counted with nothing under it.
    pub clean_at: Option<Hour>,
    /// Members that were given a copy that no act of ours took away, or of which nobody proved that it is gone.
    pub unproven_copies: BTreeSet<String>,
}

/// One step: forecast beside fact.
#[derive(Debug, Serialize)]
pub struct StepTold {
    /// Its name.
    pub step: String,
    /// What it does.
    pub title: String,
    /// When it was expected to be done, counted from the opening.
    pub expected: Option<Hour>,
    /// When it was done.
    pub done_at: Option<Hour>,
    /// By whom.
    pub actor: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
    /// What it was about, in small facts.
    pub facts: BTreeMap<String, Fact>,
}

/// Every run of the journal, one entry a key; and the plans that are missing.
pub(super) fn all(
    ledger: &Ledger,
    plans: &[Document],
    gathered: &Gathered,
    due: &[Due],
    ask: &Ask,
) -> (Vec<Rotation>, Vec<Digest>) {
    let copies = Copies::of(ledger, plans);
    let (mut all, mut lost) = (Vec::new(), Vec::new());
    let mut runs: Vec<&Standing> = ledger.runs.values().filter(|run| concerns(run, ask)).collect();
    runs.sort_by_key(|run| run.opened_at);
    for standing in runs {
        let Some(document) = plans.iter().find(|plan| plan.id() == standing.plan) else {
            lost.push(standing.plan);
            continue;
        };
        for unit in &document.plan().units {
            for (at, planned) in unit.keys.iter().enumerate().filter(|(_, planned)| ask.whose(&planned.name)) {
                let told = Told { ledger, standing, document, unit, at, planned, gathered, copies: &copies };
                all.push(told.rotation(due));
            }
        }
    }
    (all, lost)
}

fn concerns(run: &Standing, ask: &Ask) -> bool {
    let begun = ask.to.is_none_or(|to| run.opened_at <= to);
    let ended = run.ended.is_none_or(|(_, at)| ask.from.is_none_or(|from| at >= from));
    let mine = ask.key.as_ref().is_none_or(|key| run.keys.contains_key(key));
    begun && ended && mine
}

struct Told<'a> {
    ledger: &'a Ledger,
    standing: &'a Standing,
    document: &'a Document,
    unit: &'a Unit,
    at: usize,
    planned: &'a Planned,
    gathered: &'a Gathered,
    copies: &'a Copies,
}

impl Told<'_> {
    fn rotation(&self, due: &[Due]) -> Rotation {
        let (planned, run) = (self.planned, self.standing.run.clone());
        let new = match &planned.new {
            Which::New => self.standing.made(&planned.name).cloned(),
            Which::Id(id) => Some(id.clone()),
            Which::Nothing => None,
        };
        let (ended, ended_at) = match self.standing.ended {
            None => ("open".to_owned(), None),
            Some((Ended::Finished, at)) => ("finished".to_owned(), Some(at)),
            Some((Ended::Cancelled, at)) => {
                let why = self.gathered.cancelled.get(&run).map(String::as_str).unwrap_or_default();
                (format!("cancelled: {why}"), Some(at))
            }
        };
        // Another run may have replaced the version after this one was given up.
        let within = |at: Hour| at >= self.standing.opened_at && ended_at.is_none_or(|end| at <= end);
        let mine = |due: &&Due| {
            let same = due.key == planned.name && planned.old.as_ref() == Some(&due.version);
            same && due.changed_at.is_none_or(within)
        };
        let counts = self.gathered.counts.iter().filter(|((of, key, _), _)| *of == run && *key == planned.name);
        Rotation {
            key: planned.name.clone(),
            plan: self.standing.plan,
            intent: self.standing.intent,
            kind: planned.kind,
            old: planned.old.clone(),
            new,
            opened_at: self.standing.opened_at,
            opened_by: self.standing.opened_by.clone(),
            approved: self.gathered.approved.get(&run).cloned().unwrap_or_default(),
            ended_at,
            ended,
            due: due.iter().filter(|_| planned.kind == Kind::Rotate).find(mine).cloned(),
            readable: self.readable(),
            written_at: self.written().0,
            written_proven: self.written().1,
            census: counts.map(|((_, _, store), counts)| (store.clone(), counts.clone())).collect(),
            certificates: self.certificates(),
            proof: self.unit.proof.clone(),
            accepted: self.accepted(),
            mixed: self.mixed(),
            bounds: self.unit.bounds.iter().map(|bound| format!("{}: {bound}", bound.about)).collect(),
            steps: self.steps(),
            run,
        }
    }

    /// What the policy accepts and the proof made use of.
    fn accepted(&self) -> Vec<Accept> {
        let name = &self.planned.name;
        let policy = self.document.plan().policies.iter().find(|policy| policy.name == *name.policy());
        let accepts = policy.and_then(|policy| policy.keys.get(name.key())).map(|key| key.accepts.as_slice());
        let used =
            |accept: &&Accept| self.unit.proof.as_ref().is_some_and(|proof| proof.accepted.contains(&accept.name()));
        accepts.unwrap_or_default().iter().filter(used).cloned().collect()
    }

    /// The key's own steps with their names.
    fn own(&self) -> impl Iterator<Item = (usize, &Part, StepName)> {
        let names = self.unit.step_names().into_iter();
        let steps = self.unit.steps.iter().enumerate().zip(names);
        let mine = steps.filter(|((_, step), _)| step.key == self.at);
        mine.filter_map(|((index, step), name)| Some((index, &step.part, name.parse().ok()?)))
    }

    fn mixed(&self) -> Option<Mixed> {
        let mixed = crate::course::span::mixed(self.unit, self.at)?;
        let named = |at| self.own().find(|(index, _, _)| *index == at).map(|(_, _, name)| name);
        let from = self.standing.step(&named(mixed.from)?).first_begun?;
        let to = named(mixed.to).and_then(|name| self.standing.done_at(&name));
        let planned = mixed.moves.plus(mixed.restarts);
        Some(Mixed { from, to, lasted: to.map(|to| Span::between(from, to)), planned })
    }

    fn readable(&self) -> Vec<Reading> {
        let mut all = Vec::new();
        for (_, part, name) in self.own() {
            let Part::Wait { until: Waiting::Readable { fleet } } = part else { continue };
            let record = self.standing.step(&name);
            let proven = record.gates.values().any(|(_, because)| *because == Opened::Proof);
            let gates = record
                .gates
                .iter()
                .map(|(gate, (_, because))| format!("{gate} ({})", crate::report::line::opened(*because)));
            all.push(Reading {
                fleet: fleet.clone(),
                proven,
                gates: gates.collect(),
                at: self.standing.done_at(&name),
                delivered: self.delivered(fleet),
            });
        }
        // Whoever learns by a delivery or a restart of ours waits for no gate: what the deliveries proved is the proof.
        for (_, part, name) in self.own() {
            let (Part::Deliver { fleet } | Part::Restart { fleet, why: Why::Learn, .. }) = part else { continue };
            let done = self.standing.done_at(&name);
            if let Some(known) = all.iter_mut().find(|known: &&mut Reading| known.fleet == *fleet) {
                known.at = known.at.zip(done).map(|(before, now)| before.max(now));
                continue;
            }
            let (fleet, delivered) = (fleet.clone(), self.delivered(fleet));
            let proven = !delivered.is_empty() && delivered.values().all(|how| how == DELIVERED_PROVEN);
            all.push(Reading { fleet, proven, gates: Vec::new(), at: done, delivered });
        }
        all
    }

    fn delivered(&self, wanted: &Name) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (_, part, name) in self.own() {
            if matches!(part, Part::Deliver { fleet } if fleet == wanted) {
                let facts = self.standing.step(&name).facts.iter();
                all.extend(facts.map(|(member, fact)| (member.clone(), crate::report::line::fact_told(fact))));
            }
        }
        all
    }

    /// When the last of the fleets was known to write with the new version only, and whether all of them proved it.
    fn written(&self) -> (Option<Hour>, bool) {
        let waits = self.own().filter(|(_, part, _)| matches!(part, Part::Wait { until: Waiting::Written { .. } }));
        let (mut last, mut open, mut proven) = (None, false, true);
        for (_, _, name) in waits {
            let done = self.standing.done_at(&name);
            open |= done.is_none();
            last = last.max(done);
            proven &= self.standing.step(&name).gates.values().any(|(_, because)| *because == Opened::Proof);
        }
        (last.filter(|_| !open), proven && last.is_some())
    }

    fn certificates(&self) -> Vec<Certificate> {
        let mut all = Vec::new();
        for (_, _, name) in self.own() {
            let done = self.gathered.done.get(&(self.standing.run.clone(), name.clone()));
            let Some((at, actor)) = done else { continue };
            for (key, change) in &self.standing.step(&name).change {
                let (version, what) = match change {
                    Change::Retire { version } => (version, "disabled"),
                    Change::Destroy { version } => (version, "destroyed"),
                    _ => continue,
                };
                let known = self.ledger.keys.get(key);
                all.push(Certificate {
                    version: version.clone(),
                    what,
                    at: *at,
                    actor: actor.clone(),
                    clean_at: known.and_then(|known| known.clean_at(version)),
                    unproven_copies: self.copies.left(key, version),
                });
            }
        }
        all
    }

    fn steps(&self) -> Vec<StepTold> {
        let plan = self.document.plan();
        let expected = forecast(self.unit, &plan.policies, &plan.settings.calendar, self.standing.opened_at);
        let told = self.own().map(|(index, part, name)| {
            let record = self.standing.step(&name);
            let done = self.gathered.done.get(&(self.standing.run.clone(), name.clone()));
            StepTold {
                title: phrase::told(Some(self.planned), part),
                expected: expected.get(index).map(|expected| expected.done),
                done_at: done.map(|(at, _)| *at),
                actor: done.map(|(_, actor)| actor.clone()),
                attempts: record.attempts,
                facts: record.facts.clone(),
                step: name.to_string(),
            }
        });
        told.collect()
    }
}

/// Where copies of versions went, over all runs.
#[derive(Debug, Default)]
struct Copies {
    given: BTreeMap<(KeyName, VersionId), BTreeMap<Name, BTreeSet<Member>>>,
    taken: BTreeSet<(KeyName, VersionId, Name)>,
}

impl Copies {
    fn of(ledger: &Ledger, plans: &[Document]) -> Self {
        let mut copies = Self::default();
        for standing in ledger.runs.values() {
            let Some(document) = plans.iter().find(|plan| plan.id() == standing.plan) else { continue };
            for unit in &document.plan().units {
                copies.unit(standing, unit);
            }
        }
        copies
    }

    fn unit(&mut self, standing: &Standing, unit: &Unit) {
        for (step, name) in unit.steps.iter().zip(unit.step_names()) {
            let Some(planned) = unit.keys.get(step.key) else { continue };
            let Some(done) = name.parse::<StepName>().ok().filter(|name| standing.done_at(name).is_some()) else {
                continue;
            };
            match (&step.part, standing.made(&planned.name), &planned.old) {
                (Part::Deliver { fleet }, Some(made), _) => {
                    let members = standing.step(&done).facts.keys().filter_map(|member| member.parse().ok());
                    let given = self.given.entry((planned.name.clone(), made.clone())).or_default();
                    let members: BTreeSet<Member> = members.collect();
                    given.entry(fleet.clone()).or_default().extend(members.iter().cloned());
                    // Who is handed versions was handed the one before too, by us or before our time.
                    if let Some(old) = &planned.old {
                        let given = self.given.entry((planned.name.clone(), old.clone())).or_default();
                        given.entry(fleet.clone()).or_default().extend(members);
                    }
                }
                (Part::Withdraw { fleet }, _, Some(old)) => {
                    self.taken.insert((planned.name.clone(), old.clone(), fleet.clone()));
                }
                _ => {}
            }
        }
    }

    fn left(&self, key: &KeyName, version: &VersionId) -> BTreeSet<String> {
        let given = self.given.get(&(key.clone(), version.clone()));
        let left = given
            .into_iter()
            .flatten()
            .filter(|(fleet, _)| !self.taken.contains(&(key.clone(), version.clone(), (*fleet).clone())));
        left.flat_map(|(fleet, members)| members.iter().map(move |member| format!("{fleet}/{member}"))).collect()
    }
}
