//! A store whose service moves its rows itself: it is asked, and its rows are neither read nor written by us.

use crate::fault::Fault;
use crate::inventory::Census;
use crate::inventory::Mover;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::port::store::Reader;
use crate::port::store::Record;
use crate::port::store::Service;
use crate::port::store::Store;
use crate::port::store::Want;
use crate::port::store::Work;
use crate::port::store::Writer;

/// The rows behind a service.
pub struct Served<S>(pub S);

fn refuse<T>(doing: &str) -> Result<T, Fault> {
    Err(Fault::report_bug(format!("{doing} rows"), "they are a service's own: it has to be asked"))
}

impl<S: Service> Store for Served<S> {
    fn world(&self) -> Result<String, Fault> {
        self.0.world()
    }

    fn mover(&self) -> Mover {
        Mover::Itself
    }

    fn service(&self) -> Option<&dyn Service> {
        Some(&self.0)
    }

    fn fit(&self, _block: &Block) -> Result<(), Fault> {
        self.0.shapes().map(|_| ())
    }

    fn estimate(&self, _block: &Block) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    fn census(&self, _block: &Block) -> Result<Census, Fault> {
        refuse("count")
    }

    fn reader(&self, _block: &Block, _want: Want<'_>) -> Result<Box<dyn Reader>, Fault> {
        refuse("read")
    }

    fn writer(&self, _block: &Block, _target: &VersionId) -> Result<Box<dyn Writer>, Fault> {
        refuse("write")
    }

    fn whole(&self, _blocks: &[Block], _target: &VersionId, _work: Work<'_>) -> Result<(), Fault> {
        refuse("write")
    }

    fn proofs(&self, _table: &str) -> Result<Vec<Record>, Fault> {
        let why = "it is a service, and has no tables to read";
        Err(Fault::ask_operator("read proofs", why).hint("let the proof come from a store with tables"))
    }

    fn ask(&self, _query: &str) -> Result<Option<String>, Fault> {
        Err(Fault::ask_operator("ask a store by SQL", "it is a service, and takes no SQL"))
    }
}
