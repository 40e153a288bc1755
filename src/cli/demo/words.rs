//! The demo's prose.

use crate::simulated::Tally;
use std::path::Path;

pub(super) const OPENING: &str = "\
An encryption key is replaced while two servers use it: from the first plan until the old key is destroyed.

Many applications seal each customer's data key with one master key, and that one has to be replaced every so often.
Done by hand, this is how data gets lost: one server writes with the new key before another one knows it; a script
stops half-way; the old key is deleted while something still needs it.

keyrota draws a plan, proves that none of this can happen, carries it out and keeps the evidence. Watch it do so.
The database, the key files and the tool are real. The servers and the hours are simulated: 42 days take seconds.";

pub(super) const PLAN: &str = "\
No version may be written with for more than 90 days. This one is 85 days old, and the policy wants to be a week
early. `plan` looks, decides what is due, draws the steps and proves them safe. It changes nothing.";

pub(super) const PLAN_END: &str = "\
You review this, or a colleague does on a pull request. The saved file is exactly what `apply` carries out.";

pub(super) const WRONG: &str = "\
The proof is not a formality. Here is the same plan with one rule taken out: that every member can read the
new version before anybody writes under it. The prover tries everything that can happen, and says:";

pub(super) const WRONG_END: &str = "\
Such a plan is never shown, saved or carried out. Back to the right one.";

pub(super) const APPLY: &str = "\
`apply` works up to the next gate, writes down each step in the journal, and exits. A gate is what a step waits for:
here, that both servers have looked for new keys. Run it again when the gate opens, by hand or from cron.";

pub(super) const CUT: &str = "\
The gate is open: the new version becomes current, and every row is sealed anew under it. In the middle of that, the
process is killed.";

pub(super) const GO_ON: &str = "\
Run it again. What is left to do is read from the rows themselves, so it goes on where it stopped. Then it moves what
came in late, lets a day of normal traffic run on v2 alone, and disables v1.";

pub(super) const DESTROY: &str = "\
A disabled key can be enabled again; a destroyed one cannot. So destroying is a plan of its own, and it is drawn
only when nothing needs v1 any more. A backup may come back for 35 days, and the policy asks for 40. 41 days later:";

/// What there is.
pub(super) fn world(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "\
In {folder}:
  app.db               10,000 data keys, one a customer, each sealed under version v1 of the master key
  keys/v1.key          that version
  policies/demo.toml   what is rotated, how often, and what must be true on the way
Two servers, web-1 and web-2, write and read rows all the time. Each looks for new keys when it likes, at least once
an hour, and restarts now and then. Every value that one of them cannot open will be counted."
    )
}

/// What servers did while the executor was dead.
pub(super) fn meanwhile(opened: u64, failures: usize) -> String {
    format!(
        "\
Nobody notices for three hours. Meanwhile web-1 and web-2 opened {opened} values, some under v1 and some under v2;
values that they could not open: {failures}. Both servers know both versions: that is what the gate was for."
    )
}

/// The sum of it all.
pub(super) fn sum(tally: &Tally, hour: String) -> String {
    let written: u64 = tally.written.values().sum();
    format!(
        "\
It is {hour}. v2 is in use, v1 is gone for good. On the way the servers looked for keys {} times, restarted {}
times, wrote {written} rows and opened {} values, each compared with what was sealed.
Values that could not be opened, or were not what was sealed: {}.",
        tally.refreshed,
        tally.restarted,
        tally.opened,
        tally.failures.len()
    )
}

/// What to do next.
pub(super) fn closing(program: &str, folder: &Path) -> String {
    let at = folder.display();
    let with = format!("{program} -C {at}");
    let commands = [
        ("status".to_owned(), "where every key stands"),
        ("why demo/app-kek".to_owned(), "why it is (not) rotated, retired, destroyed"),
        (format!("show {at}/plan.json"), "the plan that was carried out"),
        ("journal show".to_owned(), "everything that happened"),
        ("journal verify".to_owned(), "that nothing of it was changed"),
        ("report".to_owned(), "the whole evidence"),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let commands: String =
        commands.iter().map(|(command, why)| format!("  {with} {command:width$}   {why}\n")).collect();
    format!(
        "
The folder stays. Look around in it:
{commands}\
Its hours are simulated and its journal says so: no real `apply` goes on with it. To try all of this for real, with
waits of seconds: {program} -C FOLDER init --example"
    )
}
