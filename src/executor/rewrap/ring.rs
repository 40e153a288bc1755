//! The keys that open and seal, by version: those that we hold ourselves, or the service that holds them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::envelope::Cipher;
use crate::envelope::Seal;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::service::Asked;
use crate::port::service::Plain;
use crate::port::service::Service;
use crate::port::store::Block;
use crate::secret::Secret;

/// The bytes that a service seals and opens to show that it can.
const PROBE_BYTES: usize = 32;

/// The versions of one key, ready for every cipher that its values need.
#[derive(Default)]
pub struct Ring {
    keys: BTreeMap<VersionId, Vec<(Cipher, LocalKey)>>,
    service: Option<Arc<dyn Service>>,
    /// The versions that the service opens.
    opens: BTreeSet<VersionId>,
}

impl Ring {
    /// No version yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of keys that never leave their service, which opens what these versions sealed.
    #[must_use]
    pub fn served(service: Arc<dyn Service>, opens: impl IntoIterator<Item = VersionId>) -> Self {
        Self { keys: BTreeMap::new(), service: Some(service), opens: opens.into_iter().collect() }
    }

    /// The service, where it is the one that opens these values.
    ///
    /// # Errors
    /// Some of them are sealed in a way that needs the key itself.
    pub(super) fn serves(&self, block: &Block) -> Result<Option<&dyn Service>, Fault> {
        let Some(service) = &self.service else { return Ok(None) };
        match block.columns.iter().find(|column| column.seal.cipher() != Cipher::Backend) {
            None => Ok(Some(service.as_ref())),
            Some(column) => {
                let cipher = column.seal.cipher();
                let why = format!("`{}` is sealed with `{cipher}`, and the key never leaves its service", column.name);
                Err(Fault::ask_operator(format!("open {}", block.name()), why)
                    .hint("where the service seals in its own form, write `cipher = \"backend\"`"))
            }
        }
    }

    /// Whether only a service opens these keys' values.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.service.is_some()
    }

    pub(super) fn opens(&self, version: &VersionId) -> bool {
        self.opens.contains(version)
    }

    /// Whether the service seals under a version what it opens again to the same.
    pub(super) fn probe(&self, version: &VersionId) -> Result<(), Fault> {
        let Some(service) = &self.service else { return Ok(()) };
        let doing = || format!("seal and open a probe under `{version}`");
        let refused = |why: &dyn std::fmt::Display| {
            Fault::ask_operator(doing(), why).hint("nothing was written; look at the key in its service")
        };
        let probe = Secret::random(PROBE_BYTES)?;
        let sealed = service.seal(&[Plain { bytes: &probe, aad: b"" }], version)?.pop();
        let sealed = sealed.ok_or_else(|| Fault::report_bug(doing(), "no answer"))?.map_err(|no| refused(&no))?;
        let opened = service.open(&[Asked { version, bytes: &sealed, aad: b"" }])?.pop();
        let opened = opened.ok_or_else(|| Fault::report_bug(doing(), "no answer"))?.map_err(|no| refused(&no))?;
        if opened.same(&probe) { Ok(()) } else { Err(refused(&"it opens to other bytes")) }
    }

    /// Takes a version in, for every cipher of these blocks.
    ///
    /// # Errors
    /// The material is no key for one of them.
    pub fn add(&mut self, version: &VersionId, material: &Secret, blocks: &[Block]) -> Result<(), Fault> {
        for column in blocks.iter().flat_map(|block| &block.columns) {
            let cipher = column.seal.cipher();
            if self.get(version, cipher).is_none() {
                let key = LocalKey::new(cipher, material).map_err(|refused| {
                    Fault::ask_operator(format!("use version `{version}` for `{}`", column.name), refused)
                        .hint("the key's `algorithm` and the seal's `cipher` must fit")
                })?;
                self.put(version, cipher, key);
            }
        }
        Ok(())
    }

    /// Takes in a key made elsewhere.
    pub fn put(&mut self, version: &VersionId, cipher: Cipher, key: LocalKey) {
        self.keys.entry(version.clone()).or_default().push((cipher, key));
    }

    pub(super) fn get(&self, version: &VersionId, cipher: Cipher) -> Option<&LocalKey> {
        self.keys.get(version)?.iter().find(|(other, _)| *other == cipher).map(|(_, key)| key)
    }

    pub(super) fn need(&self, version: &VersionId, seal: &Seal, place: &str) -> Result<&LocalKey, Fault> {
        self.get(version, seal.cipher()).ok_or_else(|| {
            let doing = format!("seal {place} under `{version}`");
            Fault::report_bug(doing, format!("nobody handed over its key for `{}`", seal.cipher()))
        })
    }
}
