//! How a command ends: the exit codes of the table, and what stopped it.

use crate::approval::Denied;
use crate::fault::Fault;
use crate::journal::Broken;
use crate::policy::Problem;
use crate::port::home::Trouble;
use crate::prove::Violation;
use std::process::ExitCode;

/// An exit code. Where several hold, the one that comes last here wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Done, nothing due, or waiting at a gate.
    Done,
    /// Changes are planned, and the code was asked for.
    Planned,
    /// Waiting at a gate, and the code was asked for.
    AtGate,
    /// Overdue, and the code was asked for.
    Overdue,
    /// An approval is needed.
    Approval,
    /// Refused or blocked.
    Refused,
    /// It failed.
    Failed,
    /// The journal is broken or lost.
    Broken,
    /// A bug of ours.
    Bug,
}

impl Exit {
    /// As the program's end.
    pub(super) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// The number.
    pub(super) const fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Planned => 2,
            Exit::AtGate => 3,
            Exit::Overdue => 4,
            Exit::Refused => 5,
            Exit::Approval => 6,
            Exit::Broken => 7,
            Exit::Bug => 70,
        }
    }
}

/// What stopped a command.
#[derive(Debug)]
pub(super) enum Fail {
    /// The text is wrong.
    Problems(Vec<Problem>),
    /// The world failed.
    Fault(Fault),
    /// We will not.
    Refused {
        /// Why.
        why: String,
        /// The way out.
        hint: String,
    },
    /// A plan is not safe.
    Unsafe(Box<Violation>),
    /// Somebody has to say yes.
    Denied(Denied),
    /// The journal is broken or lost.
    Broken(Broken),
}

impl Fail {
    /// A refusal with the way out.
    pub(super) fn refused(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Fail::Refused { why: why.into(), hint: hint.into() }
    }

    /// The code it ends with.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Fail::Fault(fault) => match fault.remedy {
                crate::fault::Remedy::GiveUp => Exit::Refused,
                crate::fault::Remedy::ReportBug => Exit::Bug,
                crate::fault::Remedy::Retry | crate::fault::Remedy::AskOperator => Exit::Failed,
            },
            Fail::Problems(_) => Exit::Failed,
            Fail::Refused { .. } | Fail::Unsafe(_) => Exit::Refused,
            Fail::Denied(Denied::Voices(..)) => Exit::Approval,
            Fail::Denied(_) => Exit::Refused,
            Fail::Broken(_) => Exit::Broken,
        }
    }
}

impl From<Fault> for Fail {
    fn from(fault: Fault) -> Self {
        Fail::Fault(fault)
    }
}

impl From<Trouble> for Fail {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Broken(broken) => Fail::Broken(broken),
            Trouble::Fault(fault) => Fail::Fault(fault),
        }
    }
}

impl From<Broken> for Fail {
    fn from(broken: Broken) -> Self {
        Fail::Broken(broken)
    }
}

impl From<Denied> for Fail {
    fn from(denied: Denied) -> Self {
        Fail::Denied(denied)
    }
}

impl From<Box<Violation>> for Fail {
    fn from(violation: Box<Violation>) -> Self {
        Fail::Unsafe(violation)
    }
}
