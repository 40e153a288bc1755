//! The document: a plan as bytes. The bytes are the plan: its id is their digest, approvals name it, and
//! `apply` acts on nothing but what it reads from them.
//! Never here: files (`disk` and the homes keep them) and secrets, which no type in a plan can hold.

mod ascii;
mod intent;
mod line;
mod refused;
mod shape;
mod write;

pub use ascii::json;
pub use refused::Refused;
pub use shape::Shapes;
pub use shape::shapes;

use crate::digest;
use crate::digest::Digest;
use crate::plan::Plan;

/// The format that this keyrota writes, and the only one that it reads.
pub const FORMAT: &str = "keyrota-plan/1";

/// No document is longer.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;

/// No document has more steps once its shapes are expanded, so that a small file cannot fill the memory.
pub const STEPS_MAX: usize = 1_000_000;

/// How every document begins, up to the format's name. This stays so for all formats to come.
const OPENING: &[u8] = b"{\"format\":\"";

/// A plan and the bytes that it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    bytes: Vec<u8>,
    plan: Plan,
    id: Digest,
}

impl Document {
    /// The document of a plan. The same plan gives the same bytes on every machine.
    #[must_use]
    pub fn of(plan: Plan) -> Self {
        let bytes = write::write(&plan);
        let id = digest::plain(&bytes);
        Self { bytes, plan, id }
    }

    /// Reads a document. It must be byte for byte what keyrota writes for the plan in it: nobody can hide a
    /// second meaning in repeated, unknown or oddly spelt fields.
    ///
    /// # Errors
    /// Says why the bytes are not taken for a plan.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Refused> {
        if bytes.len() > BYTES_MAX {
            return Err(Refused::TooLarge { bytes: bytes.len() });
        }
        // The name of the format comes before anything that a later format may have changed.
        match format(&bytes) {
            Some(FORMAT) => {}
            Some(other) => return Err(Refused::OtherFormat { format: other.to_owned() }),
            None => return Err(Refused::NotAPlan),
        }
        let plan = line::read(&bytes, STEPS_MAX)?;
        let written = write::write(&plan);
        if written != bytes {
            let same = written.iter().zip(&bytes).take_while(|(ours, theirs)| ours == theirs).count();
            let line = bytes.iter().take(same).filter(|byte| **byte == b'\n').count() + 1;
            return Err(Refused::NotAsWritten { line });
        }
        let id = digest::plain(&bytes);
        Ok(Self { bytes, plan, id })
    }

    /// The bytes, as they are to be kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The plan in them.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan's id: plain SHA-256 of the bytes, as `sha256sum` prints it.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The digest of what the plan would do, with hours, estimates, counts, the figures of the proof and
    /// the tool's version left out: two plans of one intent differ in dates only.
    #[must_use]
    pub fn intent(&self) -> Digest {
        intent::intent(&self.plan)
    }
}

/// The name of the format, where the bytes begin as a document does.
fn format(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(OPENING)?;
    let name = rest.get(..rest.iter().take(64).position(|byte| *byte == b'"')?)?;
    let name = std::str::from_utf8(name).ok()?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '/' | '.');
    (name.starts_with("keyrota-plan/") && name.chars().all(fits)).then_some(name)
}
