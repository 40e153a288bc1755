//! The project file as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::written::backend::Tls;
use crate::policy::written::defaults;
use crate::policy::written::value::Count;
use crate::policy::written::value::Reach;
use crate::policy::written::value::Table;
use crate::policy::written::value::Text;

/// A keyrota project, `keyrota.toml`. It is optional.
#[derive(JsonSchema)]
#[schemars(title = "keyrota project", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used: the blocks are read one by one, so that one does not hide another"
)]
pub(crate) struct ProjectFile {
    /// Where journal, plans and locks live.
    home: Option<Home>,
    /// Who acts, in journal and report.
    #[schemars(extend("x-default" = "the user's name"))]
    actor: Option<Text>,
    /// Who must say yes. Without it, saving a plan and passing it to `apply` is the approval.
    approval: Option<Approval>,
    /// The programs that policies may run.
    commands: Option<Commands>,
    /// When turns may happen.
    calendar: Option<Calendar>,
    /// Rules that every policy must meet.
    guard: Option<Vec<Guard>>,
    /// How long a saved plan may be opened.
    #[schemars(extend("default" = defaults::PLANS_EXPIRE))]
    plans_expire: Option<Text>,
    /// Who can open pre-images that hold key material: `age` recipients by name, for `to = "age:NAME"`.
    recipients: Option<Table<Vec<String>>>,
}

/// Where journal, plans and locks live.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Home {
    /// A folder beside the policies.
    Local(Local),
    /// A PostgreSQL database, for runners on many machines.
    Postgres(Remote),
}

/// A folder beside the policies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Local {
    /// The folder.
    #[schemars(extend("default" = defaults::HOME))]
    pub(crate) path: Option<Text>,
}

/// A PostgreSQL database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remote {
    /// Its address, by reference where it holds a password.
    #[schemars(required)]
    pub(crate) url: Option<Reach>,
    /// How to reach it over TLS.
    pub(crate) tls: Option<Tls>,
    /// The schema that it has for itself: one for each project.
    #[schemars(extend("default" = defaults::SCHEMA))]
    pub(crate) schema: Option<Text>,
}

/// Who must say yes to a plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    /// An OpenSSH `allowed_signers` file.
    #[schemars(required)]
    pub(crate) signers: Option<Text>,
    /// How many distinct voices each class of step needs.
    #[schemars(required)]
    pub(crate) need: Option<Need>,
}

/// How many distinct voices each class of step needs: distinct keys of distinct people.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    /// For a step that nobody notices and that can be taken back.
    #[schemars(extend("default" = 0))]
    pub(crate) safe: Option<u32>,
    /// For the turn: from there on somebody writes under the new version.
    #[schemars(extend("default" = 0))]
    pub(crate) switch: Option<u32>,
    /// For what cannot be taken back.
    #[schemars(extend("default" = 0))]
    pub(crate) irreversible: Option<u32>,
}

/// What policies may run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commands {
    /// The programs, as policies write them.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

/// When turns may happen.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calendar {
    /// The zone that windows are read in: `UTC` or a fixed offset such as `+02:00`.
    #[schemars(extend("default" = defaults::ZONE))]
    pub(crate) zone: Option<Text>,
    /// Windows by name, each a list of weekly openings.
    #[serde(default)]
    pub(crate) windows: Table<Vec<Window>>,
    /// Spans in which nothing begins that changes anything; a turn or a one-version span that has begun is finished.
    #[serde(default)]
    pub(crate) freezes: Vec<Freeze>,
    /// How many keys may be under way at once: the others wait, the most urgent first.
    #[schemars(extend("x-default" = "no limit"))]
    pub(crate) at_once: Option<Count>,
}

/// One weekly opening.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// The days it opens on: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[serde(default)]
    #[schemars(extend("x-default" = "every day"))]
    pub(crate) days: Vec<Day>,
    /// When it opens, as `22:00`.
    #[schemars(required)]
    pub(crate) from: Option<Text>,
    /// How long it stays open.
    #[schemars(required)]
    pub(crate) lasts: Option<Text>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A span in which turns wait.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// Its beginning: a date or an RFC 3339 hour.
    #[schemars(required)]
    pub(crate) from: Option<Text>,
    /// Its end: a date (the freeze ends as that day begins) or an RFC 3339 hour.
    #[schemars(required)]
    pub(crate) to: Option<Text>,
    /// Why.
    #[schemars(required)]
    pub(crate) because: Option<String>,
}

/// A rule that every policy must meet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// The keys it is for: a whole name in which `*` stands for anything.
    #[schemars(extend("default" = "*"))]
    pub(crate) keys: Option<String>,
    /// The longest `rotate_every` allowed.
    pub(crate) rotate_every_at_most: Option<Text>,
    /// The longest a version may be current before `status` and `enforce` call it a violation.
    pub(crate) current_at_most: Option<Text>,
    /// Whether every fleet that writes must have a proof.
    #[serde(default)]
    pub(crate) proof: bool,
}
