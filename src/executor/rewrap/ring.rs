//! The keys that open and seal, by version.

use std::collections::BTreeMap;

use crate::envelope::Cipher;
use crate::envelope::Seal;
use crate::envelope::key::LocalKey;
use crate::fault::Fault;
use crate::model::VersionId;
use crate::port::store::Block;
use crate::secret::Secret;

/// The versions of one key that we hold ourselves, ready for every cipher that its values need.
#[derive(Default)]
pub struct Ring {
    keys: BTreeMap<VersionId, Vec<(Cipher, LocalKey)>>,
}

impl Ring {
    /// No version yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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
