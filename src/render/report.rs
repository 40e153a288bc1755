//! The evidence for people: for a terminal, and in Markdown for whoever files it.

use crate::journal::Clock;
use crate::model::Hour;
use crate::render::Paper;
use crate::render::outline::Outline;
use crate::render::terminal::Tone;
use crate::render::words;
use crate::report::Counted;
use crate::report::Dated;
use crate::report::Due;
use crate::report::KeyTold;
use crate::report::Report;
use crate::report::Rotation;

/// For a terminal.
#[must_use]
pub fn text(report: &Report, paper: Paper) -> String {
    outline(report).text(paper)
}

/// In Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    outline(report).markdown()
}

fn outline(report: &Report) -> Outline {
    let mut out = Outline::default();
    out.title("Key rotation report");
    scope(&mut out, report);
    due(&mut out, report);
    for rotation in &report.rotations {
        one(&mut out, rotation);
    }
    for key in &report.keys {
        timeline(&mut out, key);
    }
    dated(&mut out, "Failures", "No step failed.", &report.failures);
    dated(&mut out, "Rules gone past", "Nobody went past a rule.", &report.overrides);
    dated(&mut out, "Remarks", "Nothing else was out of the ordinary.", &report.remarks);
    journal(&mut out, report);
    out
}

fn plain(out: &mut Outline, text: &str) {
    out.line(Tone::Plain, 2, text);
}

fn scope(out: &mut Outline, report: &Report) {
    out.head("Scope");
    let from = report.asked.from.map_or_else(|| "the beginning".to_owned(), words::hour);
    let to = report.asked.to.unwrap_or(report.made);
    plain(
        out,
        &format!(
            "from {from} to {}, drawn {} UTC by keyrota {}",
            words::hour(to),
            words::hour(report.made),
            report.tool
        ),
    );
    if let Some(key) = &report.asked.key {
        plain(out, &format!("only `{key}`"));
    }
    if report.clock == Some(Clock::Virtual) {
        out.line(Tone::Warn, 2, "The hours of this journal were made up by a simulation.");
    }
    for policy in &report.policies {
        let about = policy.about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
        let keys = words::count(policy.keys, "key", "keys");
        plain(out, &format!("policy `{}` ({}), {keys}, owner {}{about}", policy.name, policy.file, policy.owner));
        if !policy.controls.is_empty() {
            let controls = policy.controls.join(", ");
            out.line(Tone::Plain, 4, &format!("its owner names it as evidence for: {controls}"));
        }
        out.line(Tone::Dim, 4, &format!("SHA-256 of the file: {}", policy.digest));
    }
    for key in &report.former {
        plain(out, &format!("`{key}` was rotated by keyrota and is in no policy today"));
    }
    match report.unmanaged.as_slice() {
        [] => plain(out, "Nothing that is not managed was seen in the places that the policies name."),
        many => many.iter().for_each(|one| out.line(Tone::Warn, 2, &format!("not managed: {one}"))),
    }
    out.gap();
}

fn due(out: &mut Outline, report: &Report) {
    out.head("Every version that was or is current, and when it had to be replaced");
    let mut rows = vec![
        ["key", "version", "current since", "may be", "due by", "replaced", "early or late"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for due in &report.due {
        let hour = |hour: Option<Hour>| hour.map_or_else(|| "unknown".to_owned(), words::hour);
        rows.push(vec![
            due.key.to_string(),
            due.version.to_string(),
            hour(due.since),
            due.rotate_every.map(|every| every.to_string()).unwrap_or_default(),
            hour(due.due_by),
            due.changed_at.map_or_else(|| "is current".to_owned(), words::hour),
            early_or_late(due),
        ]);
    }
    match report.due.is_empty() {
        true => plain(out, "None: the journal knows of no version that was ever current."),
        false => out.table(rows),
    }
    out.gap();
}

fn early_or_late(due: &Due) -> String {
    match (due.early, due.late, due.changed_at, due.due_by) {
        (_, Some(late), Some(_), _) => format!("{} late", words::about(late)),
        (_, Some(late), None, _) => format!("overdue for {}", words::about(late)),
        (Some(early), ..) => format!("{} early", words::about(early)),
        (.., None) => "cannot be told".into(),
        _ => "in time so far".into(),
    }
}

fn one(out: &mut Outline, rotation: &Rotation) {
    let versions = match (&rotation.old, &rotation.new) {
        (Some(old), _) if rotation.kind == crate::plan::Kind::Destroy => format!(", `{old}`"),
        (Some(old), Some(new)) => format!(", from `{old}` to `{new}`"),
        (Some(old), None) => format!(", `{old}`"),
        (None, Some(new)) => format!(", `{new}`"),
        (None, None) => String::new(),
    };
    let kind = match rotation.kind {
        crate::plan::Kind::First => "First version",
        crate::plan::Kind::Rotate => "Rotation",
        crate::plan::Kind::Follow => "Finishing a rotation",
        crate::plan::Kind::Reopen => "Retired anew",
        crate::plan::Kind::Back => "Change asked for by name",
        crate::plan::Kind::Destroy => "Destruction",
        crate::plan::Kind::Discard => "Deletion of pre-images",
    };
    out.head(&format!("{kind} of {}{versions}", rotation.key));
    let ended = rotation.ended_at.map(|at| format!(" {}", words::hour(at))).unwrap_or_default();
    let opened = format!(
        "{}: opened {} by {}; {}{ended}",
        rotation.run,
        words::hour(rotation.opened_at),
        rotation.opened_by,
        rotation.ended
    );
    plain(out, &opened);
    out.line(Tone::Dim, 4, &format!("plan {}", rotation.plan));
    for approved in &rotation.approved {
        plain(out, &format!("approved: {approved}"));
    }
    if let Some(due) = &rotation.due {
        let text = match due.due_by {
            Some(by) => format!(
                "`{}` had to be replaced by {}: {} (basis: {})",
                due.version,
                words::hour(by),
                early_or_late(due),
                due.basis
            ),
            None => {
                format!("nobody knows since when `{}` was current: whether it was late cannot be told", due.version)
            }
        };
        plain(out, &text);
    }
    readable(out, rotation);
    for (store, (before, after)) in &rotation.census {
        plain(out, &format!("values in `{store}`: before {}; after {}", counted(before), counted(after)));
    }
    if let Some(mixed) = &rotation.mixed {
        let (from, planned) = (words::second(mixed.from), mixed.planned);
        let lasted = match mixed.lasted {
            Some(lasted) => format!("lasted {lasted} from {from}"),
            None => format!("is open since {from}"),
        };
        plain(
            out,
            &format!("the mixed window, values new and members old, {lasted}; planned for at most about {planned}"),
        );
    }
    certificates(out, rotation);
    proof(out, rotation);
    steps(out, rotation);
    out.gap();
}

fn readable(out: &mut Outline, rotation: &Rotation) {
    for reading in &rotation.readable {
        let fleet = &reading.fleet;
        let Some(at) = reading.at else {
            plain(out, &format!("`{fleet}` is not yet known to read the new version"));
            continue;
        };
        let how = if reading.proven {
            "every member proved it"
        } else if reading.gates.is_empty() {
            "not proven: it was brought there, and no member answered for it"
        } else {
            "timed, not proven: by the delay that the policy declares"
        };
        plain(out, &format!("`{fleet}` could read the new version {}: {how}", words::second(at)));
        reading.gates.iter().for_each(|gate| out.line(Tone::Dim, 4, &format!("waited for: {gate}")));
        reading.delivered.iter().for_each(|(member, how)| out.line(Tone::Dim, 4, &format!("{member}: {how}")));
    }
    if let (Some(at), Some(old)) = (rotation.written_at, &rotation.old) {
        let how = if rotation.written_proven { "" } else { "by the delays that the policy declares, " };
        plain(out, &format!("{how}nobody has written with `{old}` since {}", words::second(at)));
    }
}

fn certificates(out: &mut Outline, rotation: &Rotation) {
    for certificate in &rotation.certificates {
        let clean =
            certificate.clean_at.map(|at| format!("; last counted with nothing under it {}", words::second(at)));
        let text = format!(
            "`{}` {} {} by {}",
            certificate.version,
            certificate.what,
            words::second(certificate.at),
            certificate.actor
        );
        out.line(Tone::Good, 2, &format!("{text}{}", clean.unwrap_or_default()));
        if !certificate.unproven_copies.is_empty() {
            let members: Vec<String> = certificate.unproven_copies.iter().cloned().collect();
            let copies = words::count(members.len(), "delivered copy", "delivered copies");
            out.line(
                Tone::Warn,
                4,
                &format!("{copies} of which nobody proved that they are gone: {}", members.join(", ")),
            );
        }
    }
}

fn proof(out: &mut Outline, rotation: &Rotation) {
    let Some(proof) = &rotation.proof else { return out.line(Tone::Warn, 2, "nothing was proved of its plan") };
    let states = words::number(proof.states);
    plain(out, &format!("proved before it was shown: {states} states, {} ({})", proof.bound, proof.shape.short()));
    proof.assumptions.iter().for_each(|text| out.line(Tone::Dim, 4, &format!("assumes: {text}")));
    rotation.bounds.iter().for_each(|text| out.line(Tone::Dim, 4, text));
    for accept in &rotation.accepted {
        out.line(Tone::Warn, 4, &format!("accepted by the policy: {}", words::acceptance(accept)));
    }
}

fn steps(out: &mut Outline, rotation: &Rotation) {
    let mut rows = vec![["step", "expected", "done", "by", "what"].map(str::to_owned).to_vec()];
    let key = format!("{}/", rotation.key);
    for step in &rotation.steps {
        let again = if step.attempts > 1 { format!(" ({} attempts)", step.attempts) } else { String::new() };
        rows.push(vec![
            step.step.strip_prefix(&key).unwrap_or(&step.step).to_owned(),
            step.expected.map(words::hour).unwrap_or_default(),
            step.done_at.map_or_else(|| "-".to_owned(), words::hour),
            step.actor.clone().unwrap_or_default(),
            format!("{}{again}", step.title),
        ]);
    }
    out.table(rows);
}

fn counted(count: &Counted) -> String {
    let mut parts: Vec<String> =
        count.under.iter().map(|(id, n)| format!("{} under `{id}`", words::number(*n))).collect();
    if count.strange > 0 {
        parts.push(format!("{} under no version of it", words::number(count.strange)));
    }
    if parts.is_empty() { "none".into() } else { words::all_of(&parts) }
}

fn timeline(out: &mut Outline, key: &KeyTold) {
    out.head(&format!("Versions of {}", key.key));
    if let Some(every) = key.rotate_every {
        plain(out, &format!("may be current for {every}, by the policy of today"));
    }
    let mut rows = vec![["when", "version", "state", "how", "by", "run", "entry"].map(str::to_owned).to_vec()];
    for turned in &key.timeline {
        rows.push(vec![
            words::hour(turned.at),
            turned.version.to_string(),
            turned.state.map(|state| state.to_string()).unwrap_or_default(),
            turned.how.to_owned(),
            turned.actor.clone(),
            turned.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            turned.entry.to_string(),
        ]);
    }
    match key.timeline.is_empty() {
        true => plain(out, "The journal knows nothing of it yet."),
        false => out.table(rows),
    }
    for (store, count) in &key.counts {
        plain(out, &format!("last counted in `{store}` {}: {}", words::hour(count.at), counted(count)));
    }
    if key.quarantined > 0 || key.accepted > 0 {
        let text =
            format!("{} do not open and wait for a person; {} were accepted as lost", key.quarantined, key.accepted);
        out.line(Tone::Warn, 2, &text);
    }
    out.gap();
}

fn dated(out: &mut Outline, head: &str, none: &str, all: &[Dated]) {
    out.head(head);
    if all.is_empty() {
        plain(out, none);
    }
    for one in all {
        let run = one.run.as_ref().map(|run| format!(", {run}")).unwrap_or_default();
        plain(out, &format!("{} ({}{run}, entry {}): {}", words::second(one.at), one.actor, one.entry, one.text));
    }
    out.gap();
}

fn journal(out: &mut Outline, report: &Report) {
    out.head("Journal");
    for plan in &report.lost_plans {
        out.line(Tone::Bad, 2, &format!("the plan {plan} was not kept: what its run meant to do cannot be told"));
    }
    let entries = words::number(report.head.entries);
    plain(out, &format!("{entries} entries, each bound to the one before it; the last is {}", report.head.digest));
    plain(out, "verify it with:");
    out.verbatim(&report.head.verify);
}
