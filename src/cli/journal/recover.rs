//! `keyrota journal recover`: a journal that is broken or lost is kept aside whole, and a new one begins that says so. What was
//! provable by the old one is told; what the world shows decides from here on.

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::exit::Fail;
use crate::cli::project;
use crate::cli::validate::count;
use crate::cli::wire;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal;
use crate::journal::Clock as JournalClock;
use crate::journal::Draft;
use crate::journal::Event;
use crate::journal::Head;
use crate::model::KeyName;
use crate::policy::visible;
use crate::port::home::Aside;
use crate::port::home::Home;
use crate::port::home::Trouble;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The word that a person types.
const WORD: &str = "recover";

/// What can still be proved, and what stands in the world's own word from here on.
#[derive(Debug, Serialize)]
struct Provable {
    /// What is wrong with it.
    wrong: String,
    /// How many entries are whole, each where it was written.
    entries: u64,
    /// The head that was kept apart, where it can be read.
    head: Option<Head>,
    /// The last of the whole entries.
    last: Option<Head>,
    /// Lines behind the first broken one: what they say is not taken up.
    behind: u64,
    /// The plans that were kept.
    plans: usize,
    /// Runs that were open when the whole entries end.
    open: Vec<String>,
    /// The keys that the whole entries speak of.
    keys: Vec<KeyName>,
    /// What people said and no look can tell: versions known to others, values in quarantine, rotations taken back.
    remarks: Vec<String>,
    /// The same, as the new journal says it again.
    #[serde(skip)]
    carried: Vec<Event>,
}

impl Provable {
    /// By what it is known again.
    fn told(&self) -> (&str, u64, Option<Head>, u64) {
        (&self.wrong, self.entries, self.last, self.behind)
    }
}

pub(super) fn run(folder: &Path, because: &str, yes: bool, console: &mut Console) -> Result<Exit, Fail> {
    let settings = project::settings(folder)?;
    let mut home = wire::home(folder, &settings)?;
    let found = provable(home.as_ref())?;
    let Some(found) = found else {
        let hint = "where a key bears the mark of a run that this journal does not know, `keyrota adopt KEY@VERSION` takes it over";
        return Err(Fail::refused("the journal is whole: there is nothing to recover from", hint));
    };
    if !console.json {
        tell(&found, console);
    }
    if !yes && !confirmed(console)? {
        return Err(Fail::refused(
            "nobody said yes: nothing was changed",
            "say it with `--yes`, or type the word on a terminal",
        ));
    }
    let actor = wire::actor(&settings);
    let stop = Arc::new(AtomicBool::new(false));
    let now = wire::clock(&stop).now();
    let lease = home.lock(&actor)?;
    // Somebody else may have recovered it, or put a copy back, while the question stood.
    if provable(home.as_ref())?.is_none_or(|again| again.told() != found.told()) {
        let hint = "run `keyrota journal recover` again: it tells what it finds now";
        return Err(Fail::refused("the journal is not the one that was looked at any more: nothing was changed", hint));
    }
    let mut kept: Vec<Aside> = Vec::new();
    let head = home.begin_anew(&lease, &mut |asides: &[Aside]| {
        kept = asides.to_vec();
        let mut events = vec![Event::begun(JournalClock::Real)];
        events.extend(asides.iter().map(Aside::event));
        events.push(Event::Recovered {
            wrong: found.wrong.clone(),
            entries: found.entries,
            head: found.head,
            plans: found.plans as u64,
            open: found.open.clone(),
            why: because.to_owned(),
        });
        events.extend(found.carried.iter().cloned());
        let draft = |event| Draft { at: now, actor: actor.clone(), run: None, event };
        events.into_iter().map(draft).collect()
    })?;
    match console.json {
        true => {
            let files: Vec<(&str, Digest)> = kept.iter().map(|aside| (aside.file.as_str(), aside.digest)).collect();
            console.out_json(&serde_json::json!({ "found": found, "kept": files, "head": head }));
        }
        false => {
            kept.iter().for_each(|aside| {
                console.out(&format!("kept aside: {} ({} bytes, {})", aside.file, aside.bytes, aside.digest))
            });
            console.out("A new journal has begun. What the world shows decides from here on:");
            console.out("  `keyrota status` names the keys that bear marks of runs that it does not know,");
            console.out("  and `keyrota adopt KEY@VERSION` takes each over as it stands; then `keyrota plan` finds what is left to do.");
        }
    }
    console.say(&head.to_string());
    Ok(Exit::Done)
}

/// What is still provable; nothing where the journal is whole.
fn provable(home: &dyn Home) -> Result<Option<Provable>, Fail> {
    let broken = match home.read().and_then(|journal| journal::ledger(&journal).map_err(Trouble::Broken)) {
        Ok(_) => return Ok(None),
        Err(Trouble::Broken(broken)) => broken,
        Err(Trouble::Fault(fault)) => return Err(fault.into()),
    };
    if matches!(broken.why, journal::Why::Newer { .. } | journal::Why::Unreadable { .. }) {
        return Err(Fail::Broken(broken));
    }
    // Where no new one can take its place, whoever asks is told so, and not what would become of it.
    home.may_begin_anew()?;
    let bytes = home.bytes()?;
    let bytes = bytes.unwrap_or_default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
    let (ledger, last) = journal::prefix(bytes);
    let mut remarks: Vec<String> = Vec::new();
    for (key, known) in &ledger.keys {
        let counted = [(known.quarantine.len(), "in quarantine"), (known.accepted.len(), "accepted as lost")];
        let counted = counted.into_iter().filter(|(values, _)| *values > 0);
        remarks.extend(counted.map(|(values, how)| format!("`{key}`: {} {how}", count(values, "value", "values"))));
        remarks.extend(known.compromised.iter().map(|version| format!("`{key}@{version}` is known to others")));
        remarks.extend(known.rolled_back.then(|| format!("`{key}` was taken back, and waits for a person to plan it")));
    }
    Ok(Some(Provable {
        wrong: broken.to_string(),
        entries: ledger.count,
        head: home.head().ok().flatten(),
        last: (last != Head::NONE).then_some(last),
        behind: lines.saturating_sub(ledger.count.saturating_add(1)),
        plans: home.plans()?.len(),
        open: ledger.open().map(|run| run.run.to_string()).collect(),
        keys: ledger.keys.keys().cloned().collect(),
        remarks,
        carried: journal::carried(&ledger, "the journal before this one"),
    }))
}

fn tell(found: &Provable, console: &mut Console) {
    console.out(&format!("What is wrong: {}.", visible(&found.wrong)));
    console.out(&format!(
        "Still provable: {}, each where it was written{}; {} kept.",
        count(usize::try_from(found.entries).unwrap_or(usize::MAX), "entry", "entries"),
        found.last.map(|last| format!(", the last is {}", last.digest)).unwrap_or_default(),
        count(found.plans, "plan is", "plans are")
    ));
    if found.behind > 0 {
        console.out(&format!(
            "{} behind the broken one: what they say is not taken up. Look through them for `compromised`, `quarantined` and `taken-back`.",
            count(usize::try_from(found.behind).unwrap_or(usize::MAX), "line stands", "lines stand")
        ));
    }
    match &found.head {
        Some(head) => console.out(&format!("The head that was kept apart: {head}")),
        None => console.out("The head that was kept apart is lost, or cannot be read."),
    }
    let open =
        found.open.iter().map(|run| format!("It was open as far as that can be told: {run}. It is not gone on with."));
    let keys = found.keys.iter().map(|key| format!("It spoke of `{key}`."));
    let remarks = found.remarks.iter().map(|remark| format!("It said, and the new one says it again: {remark}."));
    open.chain(keys).chain(remarks).for_each(|line| console.out(&visible(&line)));
}

/// Asks on a terminal; elsewhere nobody is there to answer.
fn confirmed(console: &mut Console) -> Result<bool, Fail> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    console.say(&format!("A new journal begins, and this one is kept aside. Type `{WORD}` to go on:"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Fault::io("read the answer", &error))?;
    Ok(line.trim() == WORD)
}
