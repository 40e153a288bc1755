//! What an executor tells while it works, and how it ends.

use crate::fault::Fault;
use crate::journal::Facts;
use crate::model::Hour;
use crate::plan::Part;

/// Who is told: a terminal, a pipeline's log, a test.
pub trait Screen {
    /// Something happened.
    fn tell(&mut self, told: &Told<'_>);
}

/// One thing that happened.
#[derive(Debug)]
pub enum Told<'a> {
    /// A step begins.
    Begins {
        /// Its name.
        step: &'a str,
        /// What it does.
        part: &'a Part,
        /// The same in words.
        title: &'a str,
    },
    /// A part of a rewrap is durable.
    Moved {
        /// The step's name.
        step: &'a str,
        /// The store.
        store: &'a str,
        /// The round, from 1.
        round: u32,
        /// Rows moved in this round.
        moved: u64,
        /// About how many rows there are, where that is known.
        about: Option<u64>,
        /// Rows a second.
        rate: u64,
    },
    /// A step is done.
    Done {
        /// Its name.
        step: &'a str,
        /// What it did.
        part: &'a Part,
        /// The same in words.
        title: &'a str,
        /// What came of it.
        facts: &'a Facts,
    },
    /// A step failed.
    Failed {
        /// Its name.
        step: &'a str,
        /// Why.
        fault: &'a Fault,
    },
    /// It waits at gates.
    Waiting {
        /// The steps behind them.
        held: &'a [Held],
    },
}

/// A step that a gate holds back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// Its name.
    pub step: String,
    /// What it does.
    pub title: String,
    /// When the gate opens, where the hour alone decides.
    pub opens: Option<Hour>,
    /// By when it must have opened.
    pub by: Option<Hour>,
    /// What else it waits for.
    pub waits_for: Vec<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every step is done.
    Finished,
    /// Gates hold back what is left.
    AtGate {
        /// The steps behind them.
        held: Vec<Held>,
    },
    /// A gate was missed: a person must look.
    Late {
        /// The steps behind missed gates.
        late: Vec<Held>,
        /// The others that wait.
        held: Vec<Held>,
    },
    /// Steps failed; what does not depend on them went on.
    Failed {
        /// Which, and why.
        failed: Vec<(String, Fault)>,
        /// What waits beside them.
        held: Vec<Held>,
    },
    /// Somebody asked us to stop; what was in hand is finished and written down.
    Stopped {
        /// What waits.
        held: Vec<Held>,
    },
}
