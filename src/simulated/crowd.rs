//! The fleet: members that look for new keys at their own pace, go on writing and reading rows, and restart when they like.
//! A row that a member cannot open, or that is not what was sealed, is written down: there must be none.

use crate::digest::Digest;
use crate::fault::Fault;
use crate::model::Hour;
use crate::model::Span;
use crate::secret::Secret;
use crate::simulated::app::App;
use crate::simulated::app::Row;
use crate::simulated::dice::Dice;
use crate::simulated::manners::Manners;
use crate::simulated::member::Member;
use std::cmp::Ordering;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::rc::Rc;

/// So many rows are opened at a start that opens them all, or thousands of starts in a large table would take too long.
const OPENED_AT_START_MAX: usize = 30;

/// How members behave. The bounds are what the policy declares.
#[derive(Debug, Clone)]
pub struct Habits {
    /// They look for keys again after this long at the latest.
    pub refreshes: Span,
    /// A row that is sealed lies in the table this much later at the latest.
    pub in_flight: Span,
    /// They write a row after this long at the latest.
    pub writes: Span,
    /// They read rows after this long at the latest.
    pub reads: Span,
    /// How many rows they read at once.
    pub rows: usize,
    /// They restart after this long at the latest.
    pub restarts: Span,
}

/// What members did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often one looked for keys.
    pub refreshed: u64,
    /// How often one restarted.
    pub restarted: u64,
    /// Rows written, by version.
    pub written: BTreeMap<String, u64>,
    /// Rows opened.
    pub opened: u64,
    /// Sealed values opened some time after they were read.
    pub cached: u64,
    /// How often one did not start, because not every value was under the one version that it holds.
    pub down: u64,
    /// What went wrong, in words.
    pub failures: Vec<String>,
}

/// The fleet.
pub struct Crowd {
    /// Where rows lie; each in the one that its number falls on.
    apps: Vec<App>,
    manners: Rc<Manners>,
    keys: PathBuf,
    habits: Habits,
    dice: Dice,
    members: Vec<Member>,
    /// What is sealed in each row.
    sealed: BTreeMap<i64, Digest>,
    /// Rows that nobody reads.
    strange: BTreeSet<i64>,
    tally: Tally,
    due: BinaryHeap<Reverse<Due>>,
    order: u64,
    now: Hour,
}

enum What {
    Refresh,
    Write,
    Land(Row, Digest),
    Read,
    Cached(Row),
    Restart,
}

/// What a member does at an hour.
struct Due {
    hour: Hour,
    order: u64,
    member: usize,
    what: What,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.hour, self.order).cmp(&(other.hour, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl Crowd {
    /// Members with these names on an application whose rows are known, beginning at this hour.
    ///
    /// # Errors
    /// They cannot read the key folder.
    pub fn new(
        app: App,
        (keys, sealed): (PathBuf, BTreeMap<i64, Digest>),
        names: &[&str],
        habits: Habits,
        (seed, hour): (u64, Hour),
    ) -> Result<Self, Fault> {
        Self::with_manners(vec![app], (keys, sealed), names, (habits, Manners::default()), (seed, hour))
    }

    /// The same, of an application with its own manners, whose rows lie in one or more places.
    ///
    /// # Errors
    /// As [`Crowd::new`].
    pub fn with_manners(
        apps: Vec<App>,
        (keys, sealed): (PathBuf, BTreeMap<i64, Digest>),
        names: &[&str],
        (habits, manners): (Habits, Manners),
        (seed, hour): (u64, Hour),
    ) -> Result<Self, Fault> {
        let manners = Rc::new(manners);
        let members: Vec<Member> = names.iter().map(|name| Member::new(name, Rc::clone(&manners))).collect();
        let (due, tally, dice, strange) = (BinaryHeap::new(), Tally::default(), Dice::new(seed), BTreeSet::new());
        let mut crowd =
            Self { apps, manners, keys, habits, dice, members, sealed, strange, tally, due, order: 0, now: hour };
        for member in 0..crowd.members.len() {
            crowd.learn(member, hour)?;
            for what in [What::Refresh, What::Write, What::Read, What::Restart] {
                crowd.again(hour, member, what);
            }
        }
        Ok(crowd)
    }

    /// What they did.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The application's database, or the first of them.
    #[must_use]
    pub fn app(&self) -> Option<&App> {
        self.apps.first()
    }

    /// Hands a member a version, as its key file has it.
    ///
    /// # Errors
    /// There is no such member, or it is no key.
    pub fn hand(&mut self, member: &str, id: &str, written: &Secret) -> Result<(), Fault> {
        self.named(member)?.take(id, written)
    }

    /// Takes a version from a member.
    ///
    /// # Errors
    /// There is no such member.
    pub fn take(&mut self, member: &str, id: &str) -> Result<(), Fault> {
        self.named(member).map(|member| member.give(id))
    }

    /// Moves a member's own pointer.
    ///
    /// # Errors
    /// There is no such member.
    pub fn point(&mut self, member: &str, id: &str) -> Result<(), Fault> {
        self.named(member).map(|member| member.points = Some(id.to_owned()))
    }

    /// What a member's own pointer says.
    #[must_use]
    pub fn pointed(&self, member: &str) -> Option<String> {
        self.members.iter().find(|known| known.name == member)?.points.clone()
    }

    /// Restarts a member.
    ///
    /// # Errors
    /// There is no such member, or it cannot read the key folder.
    pub fn restart(&mut self, member: &str, now: Hour) -> Result<(), Fault> {
        let found = self.members.iter().position(|known| known.name == member);
        let at =
            found.ok_or_else(|| Fault::ask_operator("restart a member", format!("nobody is called `{member}`")))?;
        self.start(at, now)
    }

    /// Whether a member runs.
    #[must_use]
    pub fn is_up(&self, member: &str) -> bool {
        self.members.iter().any(|known| known.name == member && known.up)
    }

    /// A row that no member reads: what is in it never came from them.
    pub fn leave_alone(&mut self, row: i64) {
        self.strange.insert(row);
    }

    fn named(&mut self, name: &str) -> Result<&mut Member, Fault> {
        let found = self.members.iter_mut().find(|member| member.name == name);
        found.ok_or_else(|| Fault::ask_operator("find a member", format!("nobody is called `{name}`")))
    }

    /// Goes on until this hour; says how many things happened.
    pub fn pass(&mut self, until: Hour) -> u64 {
        let mut happened: u64 = 0;
        self.now = self.now.max(until);
        while self.due.peek().is_some_and(|Reverse(due)| due.hour <= until) {
            let Some(Reverse(Due { hour, member, what, .. })) = self.due.pop() else { break };
            happened = happened.saturating_add(1);
            if let Err(why) = self.happen(hour, member, what) {
                let name = self.members.get(member).map_or("", |member| member.name.as_str());
                self.tally.failures.push(format!("{hour}: {name}: {why}"));
            }
        }
        happened
    }

    /// Every member opens every row once, as far as it should be able to.
    pub fn read_all(&mut self) {
        let now = self.now;
        for member in 0..self.members.len() {
            let read = match self.manners.one {
                true => self.start(member, now).map_err(|fault| fault.to_string()),
                false => self.read(now, member, 0, usize::MAX),
            };
            self.tally.failures.extend(read.err());
            if let Some(down) = self.members.get(member).filter(|member| !member.up) {
                self.tally.failures.push(format!("{} does not start", down.name));
            }
        }
        let rows = self.apps.iter().map(|app| app.rows(0, usize::MAX)).collect::<Result<Vec<_>, _>>();
        match rows.map(|rows| rows.into_iter().flatten().filter(|row| !self.strange.contains(&row.id)).count()) {
            Ok(rows) if rows == self.sealed.len() => {}
            Ok(rows) => self.tally.failures.push(format!("{} rows were written, {rows} are there", self.sealed.len())),
            Err(fault) => self.tally.failures.push(fault.to_string()),
        }
    }

    fn happen(&mut self, hour: Hour, member: usize, what: What) -> Result<(), String> {
        match what {
            What::Refresh => {
                self.again(hour, member, What::Refresh);
                if !self.member(member)?.up {
                    // Somebody starts it again and again.
                    return self.start(member, hour).map_err(|fault| fault.to_string());
                }
                if self.manners.at_start {
                    return Ok(());
                }
                self.tally.refreshed = self.tally.refreshed.saturating_add(1);
                self.learn(member, hour).map_err(|fault| fault.to_string())
            }
            What::Restart => {
                self.again(hour, member, What::Restart);
                self.start(member, hour).map_err(|fault| fault.to_string())
            }
            What::Write => {
                self.again(hour, member, What::Write);
                if !self.member(member)?.up {
                    return Ok(());
                }
                // Ids are given out before rows land, as a sequence does; two rows never share one.
                let id = i64::try_from(self.order).unwrap_or(i64::MAX).saturating_add(1_000_000);
                let (row, digest) = self.member(member)?.seal(id, hour)?;
                let after = self.dice.span(self.habits.in_flight);
                self.plan(after.after(hour), member, What::Land(row, digest));
                Ok(())
            }
            What::Land(row, digest) => {
                let (id, version) = (row.id, row.version.clone());
                self.app_of(id)?.insert(&row).map_err(|fault| fault.to_string())?;
                self.sealed.insert(id, digest);
                let written = self.tally.written.entry(version).or_default();
                *written = written.saturating_add(1);
                Ok(())
            }
            What::Read => {
                self.again(hour, member, What::Read);
                let at = self.member(member)?.at;
                self.read(hour, member, at, self.habits.rows)
            }
            What::Cached(row) => {
                self.tally.cached = self.tally.cached.saturating_add(1);
                self.opens(member, &row)
            }
        }
    }

    fn member(&self, member: usize) -> Result<&Member, String> {
        self.members.get(member).ok_or_else(|| "nobody".into())
    }

    fn app_of(&self, row: i64) -> Result<&App, String> {
        let places = i64::try_from(self.apps.len()).unwrap_or(1).max(1);
        let place = usize::try_from(row.rem_euclid(places)).unwrap_or(0);
        self.apps.get(place).ok_or_else(|| "there is no database".into())
    }

    fn learn(&mut self, member: usize, now: Hour) -> Result<(), Fault> {
        let Some(member) = self.members.get_mut(member) else { return Ok(()) };
        member.learn(&self.keys, now)?;
        let Some(app) = self.apps.first().filter(|_| self.manners.says) else { return Ok(()) };
        self.order = self.order.saturating_add(1);
        let known: Vec<String> = member.knows().map(|id| format!("\"{id}\"")).collect();
        app.say(&member.name, &format!("[{}]", known.join(",")), self.order)
    }

    /// Ends a member and starts it: it comes up with what is there, and with nothing that it knew before.
    fn start(&mut self, at: usize, now: Hour) -> Result<(), Fault> {
        self.tally.restarted = self.tally.restarted.saturating_add(1);
        if let Some(member) = self.members.get_mut(at) {
            member.end();
        }
        self.learn(at, now)?;
        let up = !self.manners.one || self.all_under_its_own(at);
        self.tally.down = self.tally.down.saturating_add(u64::from(!up));
        if let Some(member) = self.members.get_mut(at) {
            member.up = up;
        }
        Ok(())
    }

    /// Whether every value is under the one version that a member holds. Some of those that are must open.
    fn all_under_its_own(&mut self, at: usize) -> bool {
        let mut rows: Vec<Row> = self.apps.iter().filter_map(|app| app.rows(0, usize::MAX).ok()).flatten().collect();
        let every = rows.len().div_ceil(OPENED_AT_START_MAX).max(1);
        let known = |row: &Row| self.members.get(at).is_some_and(|member| member.knows().any(|id| id == row.version));
        let all = rows.iter().all(known);
        rows.retain(known);
        for row in rows.into_iter().step_by(every) {
            if let Err(why) = self.opens(at, &row) {
                self.tally.failures.push(why);
                return false;
            }
        }
        all
    }

    fn check(&self, at: usize, row: &Row) -> Result<(), String> {
        if self.strange.contains(&row.id) {
            return Ok(());
        }
        let plain = self.member(at)?.open(row).map_err(|why| format!("row {} under {}: {why}", row.id, row.version))?;
        match self.sealed.get(&row.id) == Some(&plain) {
            true => Ok(()),
            false => Err(format!("row {} is not what was sealed", row.id)),
        }
    }

    fn opens(&mut self, at: usize, row: &Row) -> Result<(), String> {
        self.check(at, row)?;
        self.tally.opened = self.tally.opened.saturating_add(1);
        Ok(())
    }

    /// Opens rows from this id on, and the newest ones. Who opens everything at its start opens nothing now.
    fn read(&mut self, now: Hour, at: usize, from: i64, rows: usize) -> Result<(), String> {
        if self.manners.one || !self.member(at)?.up {
            return Ok(());
        }
        let newest = self.sealed.keys().rev().nth(3).copied().unwrap_or(0);
        let (mut found, mut late) = (Vec::new(), Vec::new());
        for app in &self.apps {
            found.extend(app.rows(from, rows).map_err(|fault| fault.to_string())?);
            late.extend(app.rows(newest, 10).map_err(|fault| fault.to_string())?);
        }
        found.sort_by_key(|row| row.id);
        found.truncate(rows);
        let next = if found.len() < rows { 0 } else { found.last().map_or(0, |row| row.id.saturating_add(1)) };
        for row in found.iter().chain(&late) {
            self.opens(at, row)?;
        }
        if !self.manners.caches.is_zero()
            && let Some(row) = found.pop()
        {
            let after = self.dice.span(self.manners.caches);
            self.plan(after.after(now), at, What::Cached(row));
        }
        if let Some(member) = self.members.get_mut(at) {
            member.at = next;
        }
        Ok(())
    }

    fn again(&mut self, hour: Hour, member: usize, what: What) {
        let span = match what {
            What::Refresh => self.habits.refreshes,
            What::Write | What::Land(..) => self.habits.writes,
            What::Read | What::Cached(_) => self.habits.reads,
            What::Restart => self.habits.restarts,
        };
        let after = self.dice.span(span);
        self.plan(after.after(hour), member, what);
    }

    fn plan(&mut self, hour: Hour, member: usize, what: What) {
        self.order = self.order.saturating_add(1);
        self.due.push(Reverse(Due { hour, order: self.order, member, what }));
    }
}
