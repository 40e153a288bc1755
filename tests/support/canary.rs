//! The one search for key material that got out: every test's keys are known, and whatever a run wrote or printed must hold
//! none of them, however spelled.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Secrets, in every spelling in which they may have been written down.
pub(crate) struct Canary {
    spellings: Vec<(&'static str, Vec<u8>)>,
    /// By the first two bytes: which spellings may begin here.
    begins: Vec<Vec<usize>>,
}

impl Canary {
    /// These secrets.
    pub(crate) fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut spellings: Vec<(&'static str, Vec<u8>)> = secrets.into_iter().flat_map(|one| spell(&one)).collect();
        spellings.sort();
        spellings.dedup();
        let mut begins = vec![Vec::new(); 1 << 16];
        for (at, (_, spelling)) in spellings.iter().enumerate() {
            begins[usize::from(u16::from_le_bytes([spelling[0], spelling[1]]))].push(at);
        }
        assert!(!spellings.is_empty(), "a search for nothing finds nothing");
        Self { spellings, begins }
    }

    /// Every key that lies in this folder and below: as its file has it, and the bytes that it stands for.
    pub(crate) fn of_folder(keys: &Path) -> Self {
        let mut secrets = Vec::new();
        for path in files(keys).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "key")) {
            let bytes = fs::read(path).unwrap();
            secrets.extend(hex::decode(bytes.trim_ascii_end()));
            secrets.push(bytes);
        }
        Self::new(secrets)
    }

    /// How a secret is spelled in these bytes, where one is.
    pub(crate) fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut before = 0_usize;
        for (end, byte) in bytes.iter().enumerate() {
            // As `u16::from_le_bytes` of the two: every byte of large databases comes by here, in a build without optimisation.
            before = before >> 8 | usize::from(*byte) << 8;
            let may = &self.begins[before];
            if may.is_empty() || end == 0 {
                continue;
            }
            let mut may = may.iter().map(|spelling| &self.spellings[*spelling]);
            if let Some((how, _)) = may.find(|(_, spelling)| bytes[end - 1..].starts_with(spelling)) {
                return Some(how);
            }
        }
        None
    }

    /// Nothing is in these bytes.
    pub(crate) fn absent(&self, name: &str, bytes: &[u8]) {
        if let Some(how) = self.found(bytes) {
            panic!("`{name}` holds a secret, {how}");
        }
    }

    /// Nothing is in any file of this folder and below, but for those where keys belong. Says how many were searched.
    pub(crate) fn absent_below(&self, folder: &Path, belong: impl Fn(&str) -> bool) -> usize {
        self.look_below(folder, belong).unwrap_or_else(|found| panic!("{found}"))
    }

    /// The same, told.
    pub(crate) fn look_below(&self, folder: &Path, belong: impl Fn(&str) -> bool) -> Result<usize, String> {
        let mut searched = 0;
        for path in files(folder) {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if belong(&name) {
                continue;
            }
            // SQLite's own files come and go.
            let bytes = fs::read(&path).unwrap_or_default();
            if let Some(how) = self.found(&bytes).or_else(|| self.found(name.as_bytes())) {
                return Err(format!("`{name}` holds a secret, {how}"));
            }
            searched += 1;
        }
        Ok(searched)
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    all.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The ways in which bytes may have been written down; base64 at each of the three places in which they may begin.
fn spell(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    assert!(secret.len() >= 12, "too short to be told from chance");
    let numbers = |between: &str| {
        let words: Vec<String> = secret.iter().map(u8::to_string).collect();
        words.join(between).into_bytes()
    };
    let mut all = vec![
        ("raw", secret.to_vec()),
        ("in hex", hex::encode(secret).into_bytes()),
        ("in hex", hex::encode_upper(secret).into_bytes()),
        ("as numbers", numbers(",")),
        ("as numbers", numbers(", ")),
    ];
    for skip in 0..3 {
        let from = &secret[skip..];
        let whole = &from[..from.len() / 3 * 3];
        all.push(("in base64", STANDARD_NO_PAD.encode(whole).into_bytes()));
        all.push(("in base64url", URL_SAFE_NO_PAD.encode(whole).into_bytes()));
    }
    all
}
