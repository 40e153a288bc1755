//! Why a key is (not) rotated and its versions (not) retired or destroyed: every blocker with its count, whose it is,
//! when it clears by itself, and the command that clears it.

use crate::decision::Blocker;
use crate::decision::Breaks;
use crate::decision::Decision;
use crate::decision::Leak;
use crate::decision::Reason;
use crate::decision::Verdict;
use crate::decision::blockers;
use crate::decision::judge;
use crate::decision::judge::Keep;
use crate::decision::leak::breaks;
use crate::decision::reason::Keeps;
use crate::inventory::Disables;
use crate::inventory::KeySeen;
use crate::inventory::Mover;
use crate::model::Hour;
use crate::model::KeyName;
use crate::model::State;
use crate::model::Version;
use crate::model::VersionId;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::key::Retire;
use crate::render::Paper;
use crate::render::outline::Outline;
use crate::render::plan::leak;
use crate::render::status::Run;
use crate::render::status::waits;
use crate::render::terminal::Tone;
use crate::render::words;
use serde::Serialize;

/// One key, as it was looked at.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// Its policy.
    pub policy: &'a Policy,
    /// What the policy says of it.
    pub key: &'a meant::Key,
    /// What was seen, with every value counted.
    pub seen: &'a KeySeen,
    /// What was decided.
    pub decision: &'a Decision,
    /// The open run that works on it.
    pub run: Option<&'a Run>,
    /// The hour.
    pub hour: Hour,
}

/// The answers.
#[derive(Debug, Serialize)]
pub struct Why {
    /// The key.
    pub key: KeyName,
    /// Whom to ask.
    pub owner: String,
    /// What was decided.
    pub verdict: Verdict,
    /// One answer for each question.
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// What was asked: `rotate`, `retire`, `destroy` or `compromised`.
    pub question: &'static str,
    /// The version it is about.
    pub version: Option<VersionId>,
    /// Whether it may happen, or is happening.
    pub yes: bool,
    /// The answer in a line.
    pub line: String,
    /// Everything that stands in the way, or speaks for it.
    pub because: Vec<Ground>,
    /// What to do where nothing stands in the way.
    pub command: Option<String>,
}

/// One reason.
#[derive(Debug, Serialize)]
pub struct Ground {
    /// It.
    pub text: String,
    /// How many values it is about.
    pub count: Option<u64>,
    /// Whose it is: who can do something about it.
    pub owner: Option<String>,
    /// When it clears by itself.
    pub until: Option<Hour>,
    /// The command that clears it, or the way out in words.
    pub clears: Option<String>,
}

impl Ground {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), count: None, owner: None, until: None, clears: None }
    }

    fn clears(self, clears: impl Into<String>) -> Self {
        Self { clears: Some(clears.into()), ..self }
    }

    fn owner(self, owner: impl Into<String>) -> Self {
        Self { owner: Some(owner.into()), ..self }
    }
}

/// Answers everything about a key, or about one of its versions.
#[must_use]
pub fn answer(case: Case<'_>, only: Option<&Version>) -> Why {
    let mut answers = Vec::new();
    if only.is_none_or(|version| version.state == State::Current) {
        answers.push(rotate(case));
    }
    let old = |version: &&Version| matches!(version.state, State::DecryptOnly | State::Disabled);
    let versions: Vec<&Version> = match only {
        Some(version) => vec![version],
        None => case.seen.key.versions.iter().filter(old).collect(),
    };
    // What blocks the whole key is told once.
    let shown = only.is_none();
    for version in versions {
        answers.extend(leaked(case, version));
        match version.state {
            State::DecryptOnly => answers.extend([retire(case, version, shown), destroy(case, version, shown)]),
            State::Disabled => answers.push(destroy(case, version, shown)),
            State::Staged | State::Current | State::Destroyed => answers.push(neither(case, version)),
        }
    }
    let (key, verdict) = (case.decision.key.clone(), case.decision.verdict);
    Why { key, owner: case.policy.owner.clone(), verdict, answers }
}

fn rotate(case: Case<'_>) -> Answer {
    let decision = case.decision;
    let mut because: Vec<Ground> = decision
        .reasons
        .iter()
        .filter(|reason| decision.verdict == Verdict::Behind || !about_old(reason))
        .map(|r| reason(case, r))
        .collect();
    because.extend(case.run.into_iter().flat_map(gates));
    let file = "`keyrota plan -o FILE`, then `keyrota apply FILE`";
    let (yes, line, command) = match decision.verdict {
        Verdict::New => (true, "Rotate? Its first version can be made.".to_owned(), Some(file.to_owned())),
        Verdict::Due | Verdict::Overdue | Verdict::Behind | Verdict::Reopened => {
            (true, format!("Rotate? Yes: it is {}.", decision.verdict.words()), Some(file.to_owned()))
        }
        Verdict::DiscardDue => {
            (false, "Rotate? Not yet. Its pre-images may be deleted.".to_owned(), Some(file.to_owned()))
        }
        Verdict::UnderWay => {
            (true, "Rotate? It is under way.".into(), Some("`keyrota apply` goes on to the next gate".into()))
        }
        Verdict::Blocked | Verdict::RolledBack => {
            (false, format!("Rotate? No: it is {}.", decision.verdict.words()), None)
        }
        Verdict::Back => (true, "Rotate? It goes back.".to_owned(), Some(file.to_owned())),
        Verdict::Waiting => (false, "Rotate? Not yet: it waits for others.".to_owned(), None),
        Verdict::Well | Verdict::DestroyDue => {
            let start = decision.start_by.map(|start| format!(" It is due to begin {}.", words::hour(start)));
            let now = format!("at once: `keyrota plan --key {} -o FILE`", decision.key);
            (false, format!("Rotate? Not yet.{}", start.unwrap_or_default()), Some(now))
        }
    };
    Answer { question: "rotate", version: case.seen.key.current().map(|v| v.id.clone()), yes, line, because, command }
}

/// Reasons that answer another question.
fn about_old(reason: &Reason) -> bool {
    matches!(reason, Reason::Kept { .. } | Reason::MayGo { .. })
}

fn reason(case: Case<'_>, reason: &Reason) -> Ground {
    let (text, hint) = words::reason(&case.decision.key, reason);
    let count = match reason {
        Reason::Values { count, .. }
        | Reason::ValuesUnderRetired { count, .. }
        | Reason::Strange { count, .. }
        | Reason::Quarantined { count, .. } => Some(*count),
        Reason::Uses { uses, .. } => Some(*uses),
        _ => None,
    };
    let owner = match reason {
        Reason::Age { .. } | Reason::Asked | Reason::PreImages { .. } => None,
        Reason::Values { store, .. } | Reason::ValuesUnderRetired { store, .. } | Reason::Strange { store, .. } => {
            Some(whose(case, &format!("store `{store}`")))
        }
        Reason::ComesAfter { key } => Some(format!("`{key}`")),
        _ => Some(case.policy.owner.clone()),
    };
    let clears = match reason {
        Reason::ComesAfter { key } => Some(format!("`keyrota why {key}`")),
        Reason::ValuesUnderRetired { .. } if case.decision.verdict == Verdict::Blocked => Some(
            "that version is destroyed and opens nothing: bring back the rows as they were before they were restored, or \
             take them away"
                .into(),
        ),
        _ => hint,
    };
    Ground { text, count, owner, until: None, clears }
}

fn whose(case: Case<'_>, what: &str) -> String {
    format!("{what}, {}", case.policy.owner)
}

/// What the open run waits for.
fn gates(run: &Run) -> Vec<Ground> {
    let failed = run.failed.iter().map(|(step, why, hint)| {
        let clears = hint.clone().unwrap_or_else(|| "mend it, then `keyrota apply`".into());
        Ground::of(format!("{} failed: {why}", step.step)).clears(clears)
    });
    let next = run
        .next
        .iter()
        .map(|next| Ground { until: next.opens, ..Ground::of(format!("{}: {}", next.step, waits(next))) });
    failed.chain(next).collect()
}

fn retire(case: Case<'_>, version: &Version, shown: bool) -> Answer {
    let (id, name) = (&version.id, &case.decision.key);
    let mut because = Vec::new();
    if case.key.retire == Retire::Never {
        because.push(policy(case, Keeps::Never));
    }
    if case.seen.able.is_some_and(|able| able.disables == Disables::No) {
        because.push(Ground::of("its backend cannot disable a version: it stays as it is until it is destroyed"));
    }
    because.extend(unseen(case));
    let blockers = blockers(case.policy, case.key, case.seen, version, case.hour);
    let pins = blockers.iter().filter(|b| matches!(b.because, Keeps::Values | Keeps::Quarantined));
    because.extend(pins.map(|blocker| keeps(case, version, blocker)));
    because.extend(blocked(case, shown));
    let stands = !because.is_empty() || case.run.is_some_and(|run| !run.failed.is_empty());
    because.extend(case.run.into_iter().flat_map(gates));
    let (yes, line, command) = match (stands, case.run) {
        (false, None) => {
            let command = format!("`keyrota plan --key {name} -o FILE`, then `keyrota apply FILE`");
            (true, format!("Retire `{id}`? Yes: nothing needs it any more."), Some(command))
        }
        (true, Some(run)) => (false, format!("Retire `{id}`? Not yet: {} does, once this is settled.", run.run), None),
        (false, Some(run)) => (true, format!("Retire `{id}`? {} does, when its time comes.", run.run), None),
        (true, None) => (false, format!("Retire `{id}`? No."), None),
    };
    Answer { question: "retire", version: Some(id.clone()), yes, line, because, command }
}

/// Stores whose values nobody sees pin every version.
fn unseen(case: Case<'_>) -> Vec<Ground> {
    let hidden = case.seen.stores.iter().filter(|(_, store)| store.mover == Mover::Nobody);
    let told = hidden.map(|(name, _)| {
        let because = Ground::of(format!("values in `{name}` are neither seen nor moved, and may be under it"));
        because.owner(whose(case, &format!("store `{name}`")))
    });
    told.collect()
}

/// Nothing is planned for a key that is blocked.
fn blocked(case: Case<'_>, shown: bool) -> Option<Ground> {
    let stuck = matches!(case.decision.verdict, Verdict::Blocked | Verdict::RolledBack);
    let word = case.decision.verdict.words();
    stuck.then(|| match shown {
        true => {
            Ground::of(format!("the key is {word}, as told above: nothing is planned for it before that is settled"))
        }
        false => Ground::of(format!("the key is {word}")).clears(format!("`keyrota why {}`", case.decision.key)),
    })
}

fn destroy(case: Case<'_>, version: &Version, shown: bool) -> Answer {
    let (id, name) = (&version.id, &case.decision.key);
    let mut because: Vec<Ground> = unseen(case);
    because.extend(blocked(case, shown));
    let blockers = blockers(case.policy, case.key, case.seen, version, case.hour);
    because.extend(blockers.iter().map(|blocker| keeps(case, version, blocker)));
    if let Some(run) = case.run {
        let text = format!("{} works on this key", run.run);
        because.push(Ground::of(text).clears("`keyrota apply` until it is finished"));
    }
    let yes = because.is_empty();
    let line = format!("Destroy `{id}`? {}", if yes { "Yes: it may go." } else { "No." });
    let command =
        yes.then(|| format!("`keyrota plan --destroy -o FILE`, then `keyrota apply FILE --destroy {name}@{id}`"));
    Answer { question: "destroy", version: Some(id.clone()), yes, line, because, command }
}

fn neither(case: Case<'_>, version: &Version) -> Answer {
    let (id, name) = (&version.id, &case.decision.key);
    let mut because = Vec::new();
    let (question, line) = match version.state {
        State::Current => {
            let counts =
                case.seen.stores.iter().filter_map(|(store, seen)| Some((store, seen.census.as_ref()?.of(id))));
            because.extend(counts.filter(|(_, count)| *count > 0).map(|(store, count)| {
                let text = format!("{} in `{store}` are under it", words::values(count));
                Ground { count: Some(count), ..Ground::of(text) }
            }));
            because.extend(by_trial(case));
            let text = "another version must be current first";
            because.push(Ground::of(text).clears(format!("`keyrota plan --key {name} -o FILE`")));
            ("retire", format!("Retire `{id}`? No: it is the current version."))
        }
        State::Staged => {
            because.extend(case.run.into_iter().flat_map(gates));
            if case.run.is_none() {
                because.push(Ground::of("no open run uses it; the next rotation makes another version"));
            }
            ("destroy", format!("Destroy `{id}`? No: it is staged, and was never written with."))
        }
        _ => {
            let since = version.since.map(|since| format!(" since {}", words::hour(since))).unwrap_or_default();
            ("destroy", format!("Destroy `{id}`? It is destroyed{since}."))
        }
    };
    Answer { question, version: Some(id.clone()), yes: false, line, because, command: None }
}

/// What a version still holds together that others know.
fn leaked(case: Case<'_>, version: &Version) -> Option<Answer> {
    if !version.compromised && !case.seen.past.compromised.contains(&version.id) {
        return None;
    }
    let breaks = breaks(case.policy, case.key, case.seen, &version.id, case.hour);
    let (key, state) = (case.decision.key.clone(), Some(version.state));
    let leak = Leak { key, version: version.id.clone(), state, unseen: None, breaks };
    let ground = |breaks: &Breaks| Ground { count: count(breaks), ..Ground::of(leak::line(breaks)) };
    let because = leak.breaks.iter().map(ground).collect();
    let (line, version) = (leak::title(&leak), Some(version.id.clone()));
    Some(Answer { question: "compromised", version, yes: true, line, because, command: away(case, &leak) })
}

/// What leads away from a version that others know: a plan of its own where one would do anything, and else its destruction.
fn away(case: Case<'_>, leak: &Leak) -> Option<String> {
    let (name, id) = (&leak.key, &leak.version);
    let version = case.seen.key.version(id)?;
    let disables = case.seen.able.is_some_and(|able| able.disables != Disables::No);
    let retires = disables && matches!(case.key.retire, Retire::After { .. });
    let blockers = || blockers(case.policy, case.key, case.seen, version, case.hour);
    let moves = || blockers().iter().any(|blocker| blocker.because == Keeps::Values);
    match version.state {
        State::Current => {}
        State::DecryptOnly if retires || moves() => {}
        State::DecryptOnly => {
            let destroy = format!("`keyrota plan --destroy -o FILE`, then `keyrota apply FILE --destroy {name}@{id}`");
            return match judge::keeps(case.policy, case.key, case.seen, version, case.hour)? {
                Keep::MayGo(_) => Some(destroy),
                Keep::Until(Some(hour), _) => Some(format!("from {} on: {destroy}", words::hour(hour))),
                Keep::Until(None, _) => None,
            };
        }
        State::Staged | State::Disabled | State::Destroyed => return None,
    }
    Some(format!("`keyrota plan --compromised {name}@{id} -o FILE`, then `keyrota apply FILE`"))
}

const fn count(breaks: &Breaks) -> Option<u64> {
    match breaks {
        Breaks::Values { count, .. }
        | Breaks::ByTrial { count, .. }
        | Breaks::Quarantined { count }
        | Breaks::PreImages { count } => Some(*count),
        _ => None,
    }
}

/// Values of which only opening tells the version.
fn by_trial(case: Case<'_>) -> Vec<Ground> {
    let counts = case.seen.stores.iter().filter_map(|(store, seen)| Some((store, seen.census.as_ref()?.by_trial)));
    let told = counts.filter(|(_, count)| *count > 0).map(|(store, count)| {
        let text =
            format!("{} in `{store}` name no version: only opening tells which one sealed them", words::values(count));
        let clears = format!("`keyrota verify --key {}`", case.decision.key);
        Ground { count: Some(count), ..Ground::of(text) }.clears(clears)
    });
    told.collect()
}

fn policy(case: Case<'_>, because: Keeps) -> Ground {
    let place = format!("change the key in `{}`, line {}", case.policy.file, case.key.line.0);
    Ground::of(words::keeps(because)).owner(case.policy.owner.clone()).clears(place)
}

fn keeps(case: Case<'_>, version: &Version, blocker: &Blocker) -> Ground {
    let name = &case.decision.key;
    let store = blocker.store.as_ref();
    let owner = store.map_or_else(|| case.policy.owner.clone(), |store| whose(case, &format!("store `{store}`")));
    let because = match blocker.because {
        Keeps::Never | Keeps::NoDestroyAfter => policy(case, blocker.because),
        Keeps::NotRetired => {
            Ground::of(words::keeps(Keeps::NotRetired)).clears(format!("`keyrota why {name}@{}`", version.id))
        }
        Keeps::CannotDestroy | Keeps::OlderFirst => Ground::of(words::keeps(blocker.because)),
        Keeps::DestroyAfter | Keeps::Restorable => Ground::of(words::keeps(blocker.because)).owner(owner),
        Keeps::PreImages => {
            let ground = Ground::of(words::keeps(Keeps::PreImages)).owner(owner);
            match blocker.until {
                Some(_) => ground,
                None => {
                    ground.clears("their time is over: `keyrota plan -o FILE`, then `keyrota apply FILE`, deletes them")
                }
            }
        }
        Keeps::Values => {
            let store = store.map(|store| format!(" in `{store}`")).unwrap_or_default();
            let text = format!("{}{store} under it", words::values(blocker.count));
            let moved = match case.run {
                Some(_) => "`keyrota apply` moves them".to_owned(),
                None => format!("`keyrota plan --key {name} -o FILE`, then `keyrota apply FILE`, moves them"),
            };
            Ground::of(text).owner(owner).clears(moved)
        }
        Keeps::Quarantined => {
            let text = format!("{} that may need it: they do not open", words::values(blocker.count));
            Ground::of(text).owner(owner).clears(format!("`keyrota quarantine list --key {name}`"))
        }
    };
    let count = (blocker.count > 0).then_some(blocker.count);
    Ground { until: blocker.until, count, ..because }
}

/// The view for a terminal.
#[must_use]
pub fn text(why: &Why, paper: Paper) -> String {
    let mut out = Outline::default();
    out.pair(Tone::Bold, &format!("{}: {}", why.key, why.verdict.words()), &why.owner);
    for answer in &why.answers {
        out.gap();
        out.line(if answer.yes { Tone::Good } else { Tone::Warn }, 0, &answer.line);
        for because in &answer.because {
            // A gate's own words say when it opens.
            let until = because.until.filter(|_| because.owner.is_some());
            let until = until.map(|until| format!("; clears by itself {}", words::second(until)));
            out.line(Tone::Plain, 2, &format!("{}{}", because.text, until.unwrap_or_default()));
            if let Some(owner) = &because.owner {
                out.line(Tone::Dim, 4, &format!("owner: {owner}"));
            }
            if let Some(clears) = &because.clears {
                out.line(Tone::Dim, 4, clears);
            }
        }
        if let Some(command) = &answer.command {
            out.line(Tone::Plain, 2, command);
        }
    }
    out.text(paper)
}
