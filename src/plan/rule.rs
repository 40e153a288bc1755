//! The rules that order steps, each a row with its reason. Delete any one of them and the prover refuses
//! some plan: a rule that can go unnoticed is superfluous, or the prover is blind.

use crate::plan::step::Part;
use crate::plan::step::Step;
use crate::plan::step::Waiting;
use crate::plan::step::Why;
use crate::policy::meant::check::When;
use serde::Deserialize;
use serde::Serialize;

/// A rule's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is explained by its row's `because`")]
pub enum Code {
    R01,
    R02,
    R03,
    R04,
    R05,
    R10,
    R11,
    R12,
    R13,
    R14,
    R20,
    R21,
    R22,
    R30,
    R31,
    R32,
    R33,
    R34,
    R35,
    R36,
    R37,
    R38,
    R40,
    R41,
    R42,
    R43,
    R44,
    R50,
    R51,
    R52,
    R53,
    R54,
    R55,
    R60,
    R61,
    R62,
    R63,
    R70,
    R71,
    R72,
    R73,
    R74,
    R80,
}

/// One row: what matches `before` comes before what matches `after`, because.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its code; several rows may share one.
    pub code: Code,
    /// The steps that come first.
    pub before: fn(&Step) -> bool,
    /// The steps that come later.
    pub after: fn(&Step) -> bool,
    /// What two steps must share for the row to hold between them.
    pub tie: Tie,
    /// Why.
    pub because: &'static str,
}

/// What two steps must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// The key.
    Key,
    /// The key, whose turn is an act of its own and not the making of the version.
    TurnApart,
    /// The key, in a plan that moves its values to a version that somebody else made current.
    Following,
    /// The key, whose plan destroys a version.
    Destroying,
    /// The key and the fleet.
    Fleet,
    /// The key, the fleet and the member.
    Member,
    /// The key and the fleet, and the first one's member takes its turn before the second one's.
    MemberBefore,
    /// The key, and the second one's fleet comes after the first one's by the policy.
    FleetAfter,
    /// The key, and only the first one's fleet never writes; unless the policy puts it after one that does.
    ReaderFirst,
    /// The second one's key comes after the first one's.
    KeyAfter,
}

macro_rules! is {
    ($($pattern:pat_param)|+) => { |step: &Step| matches!(step.part, $($pattern)|+) };
}

const fn row(code: Code, before: fn(&Step) -> bool, after: fn(&Step) -> bool, tie: Tie, because: &'static str) -> Rule {
    Rule { code, before, after, tie, because }
}

/// Every rule.
pub const RULES: &[Rule] = &[
    row(
        Code::R01,
        is!(Part::Check { when: When::Before, again: false }),
        changes,
        Tie::Key,
        "nothing changes in a world that is not as it should be",
    ),
    row(
        Code::R02,
        waits_before_turn,
        is!(Part::Check { when: When::Before, again: true }),
        Tie::TurnApart,
        "hours lie between the first check and this one",
    ),
    row(
        Code::R02,
        is!(Part::Recount),
        is!(Part::Check { when: When::Before, again: true }),
        Tie::Destroying,
        "hours lie between the first check and this one",
    ),
    row(
        Code::R03,
        is!(Part::Check { when: When::Before, again: true }),
        commits,
        Tie::Key,
        "the world is looked at again just before there is no easy way back",
    ),
    row(
        Code::R04,
        is!(Part::Open { .. }),
        commits,
        Tie::Key,
        "what the old version sealed must be known to open before anybody writes under another one",
    ),
    row(
        Code::R05,
        is!(Part::Keep),
        is!(Part::Add | Part::Enable | Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close),
        Tie::Key,
        "a pre-image is taken before the first change of the thing",
    ),
    row(Code::R10, is!(Part::Add | Part::Enable), needs_version, Tie::Key, "the version has to be there first"),
    row(
        Code::R11,
        is!(Part::Deliver { .. }),
        is!(Part::Restart { why: Why::Learn, .. }),
        Tie::Fleet,
        "a restart finds only what was delivered before it",
    ),
    row(
        Code::R12,
        is!(Part::Deliver { .. }),
        is!(Part::Deliver { .. }),
        Tie::ReaderFirst,
        "whoever only keeps or reads the key has it before anybody can write with it",
    ),
    row(Code::R13, learns, learns, Tie::FleetAfter, "the policy says that this fleet comes after the other"),
    row(Code::R14, follows, follows, Tie::FleetAfter, "the policy says that this fleet comes after the other"),
    row(
        Code::R20,
        knows,
        turns_after_learning,
        Tie::Key,
        "every member can read the new version before anybody writes under it",
    ),
    row(
        Code::R21,
        is!(Part::Add | Part::Enable | Part::Deliver { .. }),
        is!(Part::Wait { until: Waiting::Grace }),
        Tie::Key,
        "grace counts from the last delivery",
    ),
    row(
        Code::R22,
        is!(Part::Deliver { .. } | Part::Restart { why: Why::Learn, .. }),
        is!(Part::Wait { until: Waiting::Readable { .. } }),
        Tie::Fleet,
        "a member can learn only what reached it",
    ),
    row(Code::R30, is_turn, moves_after_turn, Tie::Key, "values move only after the turn, which carries the gates"),
    row(
        Code::R31,
        is!(Part::Switch | Part::Add),
        is!(Part::Wait { until: Waiting::Written { .. } }),
        Tie::Key,
        "nobody follows a switch that was not made",
    ),
    row(
        Code::R38,
        is!(Part::Rewrap { .. }),
        is!(Part::Wait { until: Waiting::Written { .. } }),
        Tie::Following,
        "hours pass while old writes land, and the world is looked at just before the values move",
    ),
    row(
        Code::R32,
        is!(Part::Switch | Part::Add),
        is!(Part::Restart { why: Why::Follow, member: None, .. }),
        Tie::Key,
        "a member that starts reads the pointer that stands then",
    ),
    row(
        Code::R33,
        points_at_once,
        is!(Part::Restart { why: Why::Follow, member: None, .. }),
        Tie::Fleet,
        "a member that starts reads the pointer that stands then",
    ),
    row(
        Code::R34,
        is!(Part::Restart { why: Why::Learn | Why::Follow, .. }
            | Part::Point { .. }
            | Part::Wait { until: Waiting::Readable { .. } }),
        is!(Part::Wait { until: Waiting::Written { .. } }),
        Tie::Fleet,
        "a member writes under the old version until it follows",
    ),
    row(
        Code::R35,
        is!(Part::Wait { until: Waiting::Written { .. } | Waiting::Landed }),
        is!(Part::Close),
        Tie::Key,
        "the closing round comes after the last write under the old version has landed",
    ),
    row(
        Code::R37,
        is!(Part::Restart { why: Why::Learn | Why::Follow, .. }),
        is!(Part::Rewrap { service: true }),
        Tie::Key,
        "a service moves its values to the version that it knows as current",
    ),
    row(
        Code::R36,
        is!(Part::Rewrap { .. } | Part::Sweep { .. }),
        is!(Part::Wait { until: Waiting::Landed } | Part::Close),
        Tie::Key,
        "the closing round is the last",
    ),
    row(
        Code::R40,
        is!(Part::Close),
        is!(Part::Wait { until: Waiting::Soak }),
        Tie::Key,
        "normal traffic runs under the new version alone for a while",
    ),
    row(
        Code::R41,
        is!(Part::Close | Part::Wait { until: Waiting::Soak }),
        is!(Part::Withdraw { .. } | Part::Retire),
        Tie::Key,
        "nothing is taken away while a value or a cache may need it",
    ),
    row(
        Code::R42,
        is!(Part::Withdraw { .. }),
        is!(Part::Restart { why: Why::Forget, .. } | Part::Wait { until: Waiting::Forgotten { .. } }),
        Tie::Fleet,
        "a member forgets only what it no longer finds when it looks",
    ),
    row(
        Code::R43,
        is!(Part::Withdraw { .. }
            | Part::Restart { why: Why::Forget, .. }
            | Part::Wait { until: Waiting::Forgotten { .. } }),
        is!(Part::Retire),
        Tie::Key,
        "a read after it proves nothing while members hold copies",
    ),
    row(Code::R44, is!(Part::Retire), is!(Part::Recount), Tie::Key, "a retirement that nobody looked at is not one"),
    row(
        Code::R50,
        is!(Part::Add),
        is!(Part::Check { when: When::Added, .. }),
        Tie::Key,
        "the check looks at the version that was made",
    ),
    row(
        Code::R51,
        turned,
        is!(Part::Check { when: When::Switched, .. }),
        Tie::Key,
        "the check looks at the world after the turn",
    ),
    row(
        Code::R52,
        is!(Part::Wait { until: Waiting::Written { .. } }),
        is!(Part::Check { when: When::Written, .. }),
        Tie::Key,
        "the check looks at a fleet that writes under the new version",
    ),
    row(
        Code::R55,
        learns,
        is!(Part::Check { when: When::Readable, .. }),
        Tie::Key,
        "the check looks at a fleet that can read the new version",
    ),
    row(
        Code::R53,
        is!(Part::Check { when: When::Readable | When::Switched | When::Written, .. }),
        is!(Part::Close),
        Tie::Key,
        "a failed check stops before the closing round",
    ),
    row(
        Code::R54,
        is!(Part::Close),
        is!(Part::Check { when: When::Moved, .. }),
        Tie::Key,
        "the check reads what was moved",
    ),
    row(
        Code::R60,
        is!(Part::Rewrap { .. }),
        points_in_turn,
        Tie::Key,
        "a member that holds one version starts only where every value is under that one",
    ),
    row(
        Code::R61,
        points_in_turn,
        is!(Part::Restart { why: Why::Follow, .. }),
        Tie::Member,
        "a member that starts reads the pointer that stands then",
    ),
    row(
        Code::R62,
        is!(Part::Sweep { .. }),
        is!(Part::Restart { why: Why::Follow, .. }),
        Tie::Member,
        "a member that holds one version starts only where every value is under that one",
    ),
    row(
        Code::R63,
        is!(Part::Restart { why: Why::Follow, .. }),
        is!(Part::Point { .. } | Part::Sweep { .. } | Part::Restart { .. }),
        Tie::MemberBefore,
        "one member at a time: the others serve while one is down",
    ),
    row(
        Code::R70,
        is!(Part::Wait { until: Waiting::Watch }),
        is!(Part::Recount),
        Tie::Key,
        "what lingered has landed before it is counted",
    ),
    row(Code::R71, is!(Part::Recount), is!(Part::Destroy), Tie::Key, "nothing is taken away that anything needs"),
    row(
        Code::R74,
        is!(Part::Destroy),
        is!(Part::Withdraw { .. }),
        Tie::Key,
        "a backend that disables nothing still brings the old version to whoever is served from it",
    ),
    row(
        Code::R72,
        is!(Part::Check { when: When::Moved, .. }),
        is!(Part::Withdraw { .. } | Part::Retire),
        Tie::Key,
        "a failed read stops before anything is taken away",
    ),
    row(
        Code::R73,
        is!(Part::Retire),
        is!(Part::Check { when: When::Retired, .. }),
        Tie::Key,
        "the check reads while the old version is disabled",
    ),
    row(Code::R80, any, any, Tie::KeyAfter, "the policy says that this key comes after the other"),
];

const fn any(_: &Step) -> bool {
    true
}

fn is_turn(step: &Step) -> bool {
    step.turn
}

/// What changes the world.
fn changes(step: &Step) -> bool {
    !matches!(step.part, Part::Check { .. } | Part::Wait { .. } | Part::Open { .. } | Part::Recount)
}

/// After these there is no easy way back.
fn commits(step: &Step) -> bool {
    step.turn || step.part == Part::Destroy
}

/// A pointer that is moved while members take turns, after the turn of the key.
fn points_in_turn(step: &Step) -> bool {
    matches!(step.part, Part::Point { .. }) && !step.turn
}

fn points_at_once(step: &Step) -> bool {
    matches!(step.part, Part::Point { .. }) && step.turn
}

fn moves_after_turn(step: &Step) -> bool {
    let later = matches!(step.part, Part::Rewrap { .. } | Part::Sweep { .. } | Part::Close | Part::Switch);
    later && !step.turn
}

fn turned(step: &Step) -> bool {
    step.turn || matches!(step.part, Part::Switch | Part::Point { .. } | Part::Restart { why: Why::Follow, .. })
}

/// What puts values under the new version: the turn, where it is an act of its own after the making of the version,
/// and our own rewrap.
fn turns_after_learning(step: &Step) -> bool {
    step.turn && step.part != Part::Add || matches!(step.part, Part::Rewrap { .. })
}

fn waits_before_turn(step: &Step) -> bool {
    match &step.part {
        Part::Wait { until } => matches!(until, Waiting::Readable { .. } | Waiting::Grace | Waiting::Watch),
        Part::Deliver { .. } | Part::Restart { why: Why::Learn, .. } => true,
        _ => false,
    }
}

fn needs_version(step: &Step) -> bool {
    match &step.part {
        Part::Deliver { .. } | Part::Switch | Part::Rewrap { .. } | Part::Point { .. } => true,
        Part::Restart { why, .. } => *why == Why::Learn,
        Part::Wait { until } => matches!(until, Waiting::Readable { .. }),
        _ => false,
    }
}

fn learns(step: &Step) -> bool {
    matches!(
        step.part,
        Part::Deliver { .. } | Part::Restart { why: Why::Learn, .. } | Part::Wait { until: Waiting::Readable { .. } }
    )
}

fn follows(step: &Step) -> bool {
    matches!(step.part, Part::Point { .. } | Part::Sweep { .. } | Part::Restart { why: Why::Follow, .. })
}

/// By these every member knows the new version, and the policy's own gates before the turn are passed.
fn knows(step: &Step) -> bool {
    learns(step)
        || matches!(
            step.part,
            Part::Wait { until: Waiting::Grace } | Part::Check { when: When::Added | When::Readable, .. }
        )
}
