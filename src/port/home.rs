//! The home of a journal: where its lines, its head and the plans it speaks of are kept, for one executor at a time.
//!
//! Never here: what the lines mean. A home that cannot keep a line says so, and the run stops.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::digest::Digest;
use crate::fault::Fault;
use crate::journal::Broken;
use crate::journal::Checked;
use crate::journal::Draft;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Head;
use crate::journal::Journal;

/// Keeps a journal. In order: [`Home::lock`], [`Home::open`], then entries; reading needs neither.
pub trait Home {
    /// Takes the journal for this executor alone. It is let go when the lease is dropped, and when its process dies.
    ///
    /// # Errors
    /// Somebody else has it: the fault names them.
    fn lock(&mut self, who: &str) -> Result<Lease, Fault>;

    /// Checks the whole journal and makes ready to append. A torn last line is moved aside first.
    ///
    /// # Errors
    /// The journal is broken or lost, or cannot be read; the lease is not, or no longer, this home's.
    fn open(&mut self, lease: &Lease) -> Result<Ready, Trouble>;

    /// Appends entries in one write and one sync: when it returns, they would survive a power cut.
    ///
    /// # Errors
    /// They may or may not be kept, and nothing more is written through this lease: the run stops. So it is when the journal
    /// is not as we left it, because somebody else wrote or put another file in its place.
    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault>;

    /// As [`Home::append`], but a power cut may take these entries, and only the newest: the order holds. For progress that
    /// the world itself shows.
    ///
    /// # Errors
    /// As [`Home::append`].
    fn jot(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Entry>, Fault>;

    /// Keeps the head apart, durably: at open, at gates, at the end and before each switch or irreversible act.
    ///
    /// # Errors
    /// As [`Home::append`].
    fn seal_head(&mut self, lease: &Lease) -> Result<Head, Fault>;

    /// The head as it was last sealed. Nothing where no journal was ever begun.
    ///
    /// # Errors
    /// It cannot be read.
    fn head(&self) -> Result<Option<Head>, Trouble>;

    /// The whole journal, checked against its head.
    ///
    /// # Errors
    /// It is broken or lost, or cannot be read.
    fn read(&self) -> Result<Journal, Trouble>;

    /// Checks the whole journal against its head, and a witness where there is one, holding one line at a time.
    ///
    /// # Errors
    /// As [`Home::read`].
    fn verify(&self, witness: Option<&Head>) -> Result<Checked, Trouble>;

    /// The journal's bytes as they stand, whatever is wrong with them. Nothing where there are none.
    ///
    /// # Errors
    /// They cannot be read.
    fn bytes(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    /// Whether a new journal can begin in place of one that is broken or lost.
    ///
    /// # Errors
    /// It cannot, and why, with the way out.
    fn may_begin_anew(&self) -> Result<(), Fault> {
        let fault = Fault::give_up("begin a new journal", "this kind of home keeps no broken one aside");
        Err(fault.hint("restore the home from a backup"))
    }

    /// Begins a new journal in place of one that is broken or lost. What is left of that one is kept aside, whole and durable,
    /// before anything takes its place; `draw` is told of it and says how the new one begins. It may be repeated.
    ///
    /// # Errors
    /// This home cannot; what is left cannot be kept; or the new one cannot be written. The old one is broken still.
    fn begin_anew(&mut self, _lease: &Lease, _draw: &mut dyn FnMut(&[Aside]) -> Vec<Draft>) -> Result<Head, Trouble> {
        self.may_begin_anew()?;
        Err(Fault::report_bug("begin a new journal", "this home says that it can, and does not").into())
    }

    /// Keeps a plan's bytes under its id, durably. The same again is well. Only once a journal has begun: plans without one are
    /// what is left of a lost home.
    ///
    /// # Errors
    /// They cannot be kept, or other bytes have this id.
    fn save_plan(&mut self, id: &Digest, bytes: &[u8]) -> Result<(), Fault>;

    /// A plan's bytes, if they were kept.
    ///
    /// # Errors
    /// They cannot be read.
    fn plan(&self, id: &Digest) -> Result<Option<Vec<u8>>, Fault>;

    /// The ids of all plans that were kept, in order.
    ///
    /// # Errors
    /// They cannot be listed.
    fn plans(&self) -> Result<Vec<Digest>, Fault>;
}

/// A journal that is checked and ready to be appended to.
#[derive(Debug)]
pub struct Ready {
    /// It.
    pub journal: Journal,
    /// What was torn at its end and is kept aside.
    pub aside: Option<Aside>,
}

/// A torn line that was kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The file's name, beside the journal.
    pub file: String,
    /// How long it is.
    pub bytes: u64,
    /// The plain SHA-256 of its bytes.
    pub digest: Digest,
}

impl Aside {
    /// The event that names it.
    #[must_use]
    pub fn event(&self) -> Event {
        Event::SetAside { file: self.file.clone(), bytes: self.bytes, digest: self.digest }
    }
}

/// The right to append, while it lives. Only homes make one.
pub struct Lease {
    number: u64,
    /// Dropping it lets go.
    kept: Box<dyn Any + Send>,
}

impl Lease {
    /// A lease that holds `kept`, and by dropping it lets go.
    #[must_use]
    pub fn new(kept: impl Any + Send) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), kept: Box::new(kept) }
    }

    /// Its number: no two of a process are the same.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it holds, for the home that made it.
    #[must_use]
    pub fn kept<T: Any>(&self) -> Option<&T> {
        self.kept.downcast_ref()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why a journal cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is not as it was written. Nothing may be done before a person has looked.
    Broken(Broken),
    /// The world failed.
    Fault(Fault),
}

impl Trouble {
    /// The way out, in one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Trouble::Broken(broken) => Some(broken.hint()),
            Trouble::Fault(fault) => fault.hint.as_deref(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Broken(broken) => broken.fmt(f),
            Trouble::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for Trouble {}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
