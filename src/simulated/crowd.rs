//! The fleet: members that look for new keys at their own pace, go on writing and reading rows, and restart when they like.
//! A row that a member cannot open, or that is not what was sealed, is written down: there must be none.

use crate::digest::Digest;
use crate::fault::Fault;
use crate::model::Hour;
use crate::model::Span;
use crate::simulated::app::App;
use crate::simulated::app::Row;
use crate::simulated::dice::Dice;
use crate::simulated::member::Member;
use std::cmp::Ordering;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::path::PathBuf;

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
    /// What went wrong, in words.
    pub failures: Vec<String>,
}

/// The fleet.
pub struct Crowd {
    app: App,
    keys: PathBuf,
    habits: Habits,
    dice: Dice,
    members: Vec<Member>,
    /// What is sealed in each row.
    sealed: BTreeMap<i64, Digest>,
    tally: Tally,
    due: BinaryHeap<Reverse<Due>>,
    order: u64,
}

enum What {
    Refresh,
    Write,
    Land(Row, Digest),
    Read,
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
        let members: Vec<Member> = names.iter().map(|name| Member::new(name)).collect();
        let (due, tally, dice) = (BinaryHeap::new(), Tally::default(), Dice::new(seed));
        let mut crowd = Self { app, keys, habits, dice, members, sealed, tally, due, order: 0 };
        for member in 0..crowd.members.len() {
            crowd.learn(member)?;
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

    /// The application's database.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Goes on until this hour; says how many things happened.
    pub fn pass(&mut self, until: Hour) -> u64 {
        let mut happened: u64 = 0;
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
        for member in 0..self.members.len() {
            if let Err(why) = self.read(member, 0, usize::MAX) {
                self.tally.failures.push(why);
            }
        }
        match self.app.rows(0, usize::MAX) {
            Ok(rows) if rows.len() == self.sealed.len() => {}
            Ok(rows) => {
                self.tally.failures.push(format!("{} rows were written, {} are there", self.sealed.len(), rows.len()));
            }
            Err(fault) => self.tally.failures.push(fault.to_string()),
        }
    }

    fn happen(&mut self, hour: Hour, member: usize, what: What) -> Result<(), String> {
        match what {
            What::Refresh => {
                self.again(hour, member, What::Refresh);
                self.tally.refreshed = self.tally.refreshed.saturating_add(1);
                self.learn(member).map_err(|fault| fault.to_string())
            }
            What::Restart => {
                self.again(hour, member, What::Restart);
                self.tally.restarted = self.tally.restarted.saturating_add(1);
                // It comes up with what the folder says, and with nothing that it knew before.
                if let Some(member) = self.members.get_mut(member) {
                    *member = Member::new(&member.name);
                }
                self.learn(member).map_err(|fault| fault.to_string())
            }
            What::Write => {
                self.again(hour, member, What::Write);
                // Ids are given out before rows land, as a sequence does; two rows never share one.
                let id = i64::try_from(self.order).unwrap_or(i64::MAX).saturating_add(1_000_000);
                let (row, digest) = self.member(member)?.seal(id)?;
                let after = self.dice.span(self.habits.in_flight);
                self.plan(after.after(hour), member, What::Land(row, digest));
                Ok(())
            }
            What::Land(row, digest) => {
                let (id, version) = (row.id, row.version.clone());
                self.app.insert(&row).map_err(|fault| fault.to_string())?;
                self.sealed.insert(id, digest);
                let written = self.tally.written.entry(version).or_default();
                *written = written.saturating_add(1);
                Ok(())
            }
            What::Read => {
                self.again(hour, member, What::Read);
                let at = self.member(member)?.at;
                self.read(member, at, self.habits.rows)
            }
        }
    }

    fn member(&self, member: usize) -> Result<&Member, String> {
        self.members.get(member).ok_or_else(|| "nobody".into())
    }

    fn learn(&mut self, member: usize) -> Result<(), Fault> {
        match self.members.get_mut(member) {
            Some(member) => member.learn(&self.keys),
            None => Ok(()),
        }
    }

    /// Opens rows from this id on, and the newest ones.
    fn read(&mut self, at: usize, from: i64, rows: usize) -> Result<(), String> {
        let found = self.app.rows(from, rows).map_err(|fault| fault.to_string())?;
        let newest = self.sealed.keys().rev().nth(3).copied().unwrap_or(0);
        let newest = self.app.rows(newest, 10).map_err(|fault| fault.to_string())?;
        let next = if found.len() < rows { 0 } else { found.last().map_or(0, |row| row.id.saturating_add(1)) };
        for row in found.iter().chain(&newest) {
            let plain =
                self.member(at)?.open(row).map_err(|why| format!("row {} under {}: {why}", row.id, row.version))?;
            if self.sealed.get(&row.id) != Some(&plain) {
                return Err(format!("row {} is not what was sealed", row.id));
            }
            self.tally.opened = self.tally.opened.saturating_add(1);
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
            What::Read => self.habits.reads,
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
