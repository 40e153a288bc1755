//! Values that we neither see nor move. It knows nothing, says so, and pins every version by that.

use crate::digest;
use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Reader;
use crate::port::store::Record;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Work;
use crate::port::store::Writer;

/// A place that the policy names and that we cannot enter.
#[derive(Debug, Clone)]
pub struct Unseen {
    name: String,
}

impl Unseen {
    /// By its whole name in the policies.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    fn refuse<T>(&self, doing: &str) -> Result<T, Fault> {
        Err(Fault::report_bug(format!("{doing} `{}`", self.name), "its values are neither seen nor moved"))
    }
}

impl Store for Unseen {
    fn world(&self) -> Result<String, Fault> {
        Ok(format!("unseen:{}", digest::of("keyrota/world/unseen", &[self.name.as_bytes()]).short()))
    }

    fn mover(&self) -> Mover {
        Mover::Nobody
    }

    fn fit(&self, _block: &Block) -> Result<(), Fault> {
        self.refuse("rewrap")
    }

    fn estimate(&self, _block: &Block) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    /// Nothing known, and not exactly: nobody may read it as "nothing left".
    fn census(&self, _block: &Block) -> Result<Census, Fault> {
        Ok(Census::default())
    }

    fn reader(&self, _block: &Block, _want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        self.refuse("read")
    }

    fn writer(&self, _block: &Block, _target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        self.refuse("write")
    }

    fn whole(&self, _blocks: &[Block], _target: &VersionId, _work: Work<'_>) -> Result<(), Fault> {
        self.refuse("write")
    }

    fn proofs(&self, _table: &str) -> Result<Vec<Record>, Fault> {
        self.refuse("read proofs in")
    }

    fn ask(&self, _query: &str) -> Result<Option<String>, Fault> {
        self.refuse("ask")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Unseen;
    use crate::inventory::Mover;
    use crate::port::store::Store;

    #[test]
    fn it_knows_nothing_and_is_told_apart() {
        let (one, other) = (Unseen::new("a/secrets"), Unseen::new("b/secrets"));
        assert_ne!(one.world().unwrap(), other.world().unwrap());
        assert_eq!(one.mover(), Mover::Nobody);
        assert!(one.ask("SELECT 1").is_err() && one.proofs("t").is_err());
    }
}
