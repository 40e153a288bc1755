//! The demo's prose.

use crate::simulated::Tally;
use std::path::Path;

pub(super) const OPENING: &str = "\
An application seals each customer's data key with one key. That key must be replaced every 90 days.
Done by hand, this is how data gets lost: one server writes with the new key before another has learnt it;
a script stops half-way; the old key is deleted while something still needs it.

keyrota plans the replacement, proves that none of this can happen, carries it out, and keeps the evidence.
Here it does so in a small true world: a SQLite database, key files, and the same planner, prover and executor
as always. Only the hours are simulated, so that six weeks pass in seconds, and the two servers.";

pub(super) const PLAN: &str = "\
The key was made 85 days ago, and the policy wants to be a week early. `plan` looks, decides what is due, draws the steps and proves them safe.
It changes nothing. The saved file is what you review, and exactly what `apply` carries out.";

pub(super) const WRONG: &str = "\
The proof is not a formality. Here is the same plan with one rule taken out: that every member can read the
new version before anybody writes under it. The prover tries everything that can happen, and says:";

pub(super) const WRONG_END: &str = "\
Such a plan is never shown, saved or carried out. Back to the right one.";

pub(super) const APPLY: &str = "\
`apply` works up to the next gate, writes everything into the journal, and exits. Nobody has to wait with it:
run it again when the gate opens, by hand or from cron.";

pub(super) const CUT: &str = "\
The gates are open: the new version becomes current, and all 10,000 rows are sealed anew under it. In the middle
of that, the machine dies.";

pub(super) const GO_ON: &str = "\
Run it again. What is left to do is read from the data itself, so it goes on where it stopped. It then waits until
nobody can write under v1 any more, moves what came in late, lets a day of normal traffic run, and disables v1.";

pub(super) const DESTROY: &str = "\
A disabled key can be enabled again; a destroyed one cannot. So destroying is a plan of its own, and it is drawn
only when nothing needs v1 any more. A backup may come back for 35 days, and the policy asks for 40. 41 days later:";

/// What there is.
pub(super) fn world(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "\
{folder}/app.db               10,000 data keys of customers, each sealed under version v1 of the key
{folder}/keys/v1.key          that version
{folder}/policies/demo.toml   what is rotated, how often, and what must be true on the way
Two servers, web-1 and web-2, look for new keys within an hour, each at its own pace. They read and write rows all
the time, and restart when they like. Each value that one of them cannot open is counted."
    )
}

/// What servers did while the executor was dead.
pub(super) fn meanwhile(opened: u64, failures: usize) -> String {
    format!(
        "\
It was in the middle for three hours. Meanwhile web-1 and web-2 opened {opened} values, some under v1, some
under v2, and could not open: {failures}. They know both versions; that is what the gates before were for."
    )
}

/// The sum of it all.
pub(super) fn sum(tally: &Tally, hour: String) -> String {
    let written: u64 = tally.written.values().sum();
    format!(
        "\
It is {hour}. The servers looked for keys {} times, restarted {} times, wrote {written} rows and opened {}
values, each compared with what was sealed.
Values that could not be opened, or were not what was sealed: {}.",
        tally.refreshed,
        tally.restarted,
        tally.opened,
        tally.failures.len()
    )
}

/// What to do next.
pub(super) fn closing(program: &str, folder: &Path) -> String {
    let with = format!("{program} -C {}", folder.display());
    format!(
        "
The folder stays. Look around in it:
  {with} plan
  {with} show {}/plan.json
  less {}/.keyrota/journal.jsonl
Its journal says that its hours are simulated, so no real `apply` goes on with it.
To try all of this in real time, with waits of seconds: {program} -C FOLDER init --example",
        folder.display(),
        folder.display()
    )
}
