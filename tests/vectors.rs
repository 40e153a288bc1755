//! Values sealed by other libraries open here; what is sealed here opens there (`tests/vectors/open.py`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and makes its world itself"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyrota::envelope::Cipher;
use keyrota::envelope::Refused;
use keyrota::envelope::Rewrap;
use keyrota::envelope::Seal;
use keyrota::envelope::Sealed;
use keyrota::envelope::SealedOut;
use keyrota::envelope::key::LocalKey;
use keyrota::secret::Secret;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The key that everything is sealed anew under: recognisable wherever it turns up.
const NEW_KEY: [u8; 32] = *b"canary key of the vectors' test!";
const GCM: Cipher = Cipher::Aes256Gcm;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn seal(written: Value) -> Seal {
    Seal::from_written(&written).unwrap()
}

fn key(cipher: Cipher, bytes: Vec<u8>) -> LocalKey {
    LocalKey::new(cipher, &Secret::from_vec(bytes)).unwrap()
}

fn new_key() -> LocalKey {
    key(GCM, NEW_KEY.to_vec())
}

/// One kind of sealed value and the keys it goes between.
struct Way {
    seal: Seal,
    old: LocalKey,
    new: LocalKey,
    version: &'static str,
}

impl Way {
    /// Opens to `plain`, comes back from its parts as it was, and is refused under another key, row or with any byte changed;
    /// then is sealed anew.
    fn text(&self, sealed: &str, aad: &str, plain: &[u8]) -> String {
        let aad = aad.as_bytes();
        let given = Sealed::Text(sealed);
        assert!(self.seal.open(&self.old, given, aad).unwrap().same(&Secret::from_vec(plain.to_vec())));
        let parts = self.seal.take_apart(given).unwrap();
        assert_eq!(self.seal.put_together(&parts, Some(given)).unwrap(), SealedOut::Bytes(sealed.as_bytes().to_vec()));
        assert_eq!(self.seal.put_together(&parts, None).unwrap(), SealedOut::Bytes(sealed.as_bytes().to_vec()));
        assert!(self.seal.open(&self.new, given, aad).is_err());
        assert!(self.seal.open(&self.old, given, b"another row").is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.as_bytes().to_vec();
            // Another letter of every alphabet in use.
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = Sealed::Bytes(&changed);
            // The name of the version is not authenticated: then it must be seen to be another one.
            let renamed = self.seal.take_apart(changed).is_ok_and(|other| other.version != parts.version);
            let opened = self.seal.open(&self.old, changed, aad);
            assert!(opened.is_err() || renamed, "byte {at} of {} changed unseen", sealed.len());
            assert!(self.seal.open(&self.old, Sealed::Text(&sealed[..at]), aad).is_err(), "cut at {at}");
        }
        let mut out = Vec::new();
        let mut rewrap = Rewrap::new(&self.seal, &self.new, Some(self.version));
        rewrap.value(&self.old, given, aad, aad, &mut out).unwrap();
        assert!(self.seal.open(&self.new, Sealed::Bytes(&out), aad).unwrap().same(&Secret::from_vec(plain.to_vec())));
        assert!(self.seal.open(&self.old, Sealed::Bytes(&out), aad).is_err());
        String::from_utf8(out).unwrap()
    }
}

fn uptrakit() -> Value {
    let mut doc = read("uptrakit");
    let hex_gcm = json!({ "cipher": "aes-256-gcm", "as": "hex", "layout": ["nonce", "ciphertext", "tag"] });
    let old = || key(GCM, hex::decode(text(&read("uptrakit")["kek_hex"])).unwrap());
    let way = Way { seal: seal(hex_gcm), old: old(), new: new_key(), version: "v2" };
    for row in doc["rows"].as_array_mut().unwrap() {
        let aad = format!("uptrakit:dek:{}", text(&row["key_id"]));
        let plain = hex::decode(text(&row["dek_hex"])).unwrap();
        row["wrapped_key"] = way.text(text(&row["wrapped_key"]), &aad, &plain).into();
    }
    let token = json!({ "cipher": "aes-256-gcm", "as": ["json", "hex"], "prefix": "ENC:v2:", "layout": ["nonce", "ciphertext", "tag"] });
    let way = Way { seal: seal(token), ..way };
    let written = doc["verification_token"].to_string();
    let new = way.text(&written, "uptrakit:master-key-verification", b"uptrakit-master-key-ok-v1");
    doc["verification_token"] = serde_json::from_str(&new).unwrap();
    doc["kek_hex"] = hex::encode(NEW_KEY).into();
    doc
}

fn nico() -> Value {
    let doc = read("nico");
    let way = Way {
        seal: seal(json!({ "cipher": "aes-256-gcm", "as": ["base64", "json"], "layout": { "scheme_version": 1,
            "key_id": "{{ version }}", "nonce": "{{ nonce | numbers }}", "ciphertext": "{{ ciphertext + tag | numbers }}" } })),
        old: key(GCM, STANDARD.decode(text(&doc["kv1_base64"])).unwrap()),
        new: new_key(),
        version: "kv2",
    };
    let mut rows = doc["rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        let plain = STANDARD.decode(text(&row["plaintext_base64"])).unwrap();
        let sealed = text(&row["sealed"]).to_owned();
        assert_eq!(way.seal.take_apart(Sealed::Text(&sealed)).unwrap().version.as_deref(), Some("kv1"));
        row["sealed"] = way.text(&sealed, "", &plain).into();
    }
    json!({ "kv2_base64": STANDARD.encode(NEW_KEY), "rows": rows })
}

fn certautopilot() -> Value {
    let doc = read("certautopilot");
    let seal =
        seal(json!({ "cipher": "aes-256-gcm", "over": "fields", "layout": { "dek_nonce": "{{ nonce | base64 }}",
        "wrapped_dek": "{{ ciphertext + tag | base64 }}" } }));
    let old = key(GCM, hex::decode(text(&doc["kek_v1_hex"])).unwrap());
    let new = new_key();
    let mut rewrap = Rewrap::new(&seal, &new, Some("2"));
    let mut rows = doc["rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        let dek = Secret::from_vec(hex::decode(text(&row["dek_hex"])).unwrap());
        let record: Map<String, Value> = row["field"].as_object().unwrap().clone();
        assert!(seal.open(&old, Sealed::Fields(&record), b"").unwrap().same(&dek));
        assert_eq!(seal.open(&new, Sealed::Fields(&record), b"").err(), Some(Refused::DoesNotOpen));
        let SealedOut::Fields(fields) = rewrap.any(&old, Sealed::Fields(&record), b"", b"").unwrap() else {
            unreachable!("fields were given");
        };
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["dek_nonce", "wrapped_dek"]);
        for (name, value) in fields {
            row["field"][&name] = value;
        }
        row["field"]["kek_version"] = 2.into();
    }
    json!({ "kek_v2_hex": hex::encode(NEW_KEY), "rows": rows })
}

fn nvcf() -> Value {
    let mut doc = read("nvcf");
    let keys = STANDARD.decode(text(&doc["document"]["keys"])).unwrap();
    let mut keys: Value = serde_json::from_slice(&keys).unwrap();
    let old = URL_SAFE_NO_PAD.decode(text(&keys["keys"][0]["k"])).unwrap();
    let kid = "01234567-e4ba-11f1-be23-02fc00000002";
    let way = Way { seal: seal(json!("jwe")), old: key(GCM, old), new: new_key(), version: kid };
    let plain = hex::decode(text(&doc["nek_hex"])).unwrap();
    for name in ["jwe_dir", "jwe_a256gcmkw"] {
        let sealed = text(&doc[name]).to_owned();
        assert_eq!(way.seal.take_apart(Sealed::Text(&sealed)).unwrap().version.as_deref(), doc["kid"].as_str());
        doc[name] = way.text(&sealed, "", &plain).into();
    }
    keys["keys"][0]["k"] = URL_SAFE_NO_PAD.encode(NEW_KEY).into();
    keys["keys"][0]["kid"] = kid.into();
    doc["document"]["keys"] = STANDARD.encode(keys.to_string()).into();
    doc["kid"] = kid.into();
    doc
}

fn aes_kw() -> Value {
    let mut doc = read("aes-kw");
    let way = Way {
        seal: seal(json!({ "cipher": "aes-kw", "as": "hex" })),
        old: key(Cipher::AesKw, hex::decode(text(&doc["kek_hex"])).unwrap()),
        new: key(Cipher::AesKw, NEW_KEY.to_vec()),
        version: "v2",
    };
    let plain = hex::decode(text(&doc["dek_hex"])).unwrap();
    doc["wrapped_hex"] = way.text(text(&doc["wrapped_hex"]), "", &plain).into();
    doc["kek_hex"] = hex::encode(NEW_KEY).into();
    doc
}

fn notelett() -> Value {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::encoding::Pkcs8V1Der;
    use aws_lc_rs::rsa::KeyPair;
    use aws_lc_rs::rsa::KeySize;

    let mut doc = read("notelett");
    let seal = seal(json!({ "cipher": "rsa-oaep-256", "as": "base64" }));
    let old = key(Cipher::RsaOaep256, text(&doc["private_key_pem"]).as_bytes().to_vec());
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let new = key(Cipher::RsaOaep256, der.as_ref().to_vec());
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
    let public = LocalKey::rsa_public(
        public.modulus().big_endian_without_leading_zero(),
        public.exponent().big_endian_without_leading_zero(),
    )
    .unwrap();
    assert!(new.can_open() && !public.can_open());
    for (i, row) in doc["rows"].as_array_mut().unwrap().iter_mut().enumerate() {
        let dek = Secret::from_vec(hex::decode(text(&row["dek_hex"])).unwrap());
        let sealed = text(&row["wrappedDek"]).to_owned();
        let given = Sealed::Text(&sealed);
        assert!(seal.open(&old, given, b"").unwrap().same(&dek));
        assert_eq!(seal.open(&new, given, b"").err(), Some(Refused::DoesNotOpen));
        assert!(seal.open(&public, given, b"").is_err());
        // Half with the public key alone, as where the private one never leaves its service.
        let out = if i % 2 == 0 {
            Rewrap::new(&seal, &new, None).any(&old, given, b"", b"").unwrap()
        } else {
            assert!(matches!(Rewrap::new(&seal, &public, None).any(&old, given, b"", b""), Err(Refused::WrongKey(_))));
            dek.lend(|dek| seal.seal(&public, dek, b"", None, Some(given))).unwrap()
        };
        let SealedOut::Bytes(out) = out else { unreachable!("text was given") };
        row["wrappedDek"] = String::from_utf8(out).unwrap().into();
    }
    let body = STANDARD.encode(der.as_ref());
    doc["private_key_pem"] = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").into();
    doc
}

/// What another library says to a folder of vectors: whether all opens, and its words.
fn opened_elsewhere(folder: &Path) -> (bool, String) {
    let python = std::env::var("KEYROTA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/open.py");
    let libraries = Command::new(&python).args(["-c", "import cryptography, jwcrypto"]).output();
    assert!(
        libraries.is_ok_and(|output| output.status.success()),
        "this test opens values with the Python libraries `cryptography` and `jwcrypto`, which `{python}` does not have: \
         `python3 -m venv /tmp/venv && /tmp/venv/bin/pip install cryptography jwcrypto`, then set KEYROTA_TEST_PYTHON=/tmp/venv/bin/python"
    );
    let output = Command::new(&python).arg(script).arg(folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_others_sealed_opens_and_what_we_seal_opens_elsewhere() {
    let made = tempfile::tempdir().unwrap();
    let documents = [
        ("uptrakit", uptrakit()),
        ("nico", nico()),
        ("certautopilot", certautopilot()),
        ("nvcf", nvcf()),
        ("aes-kw", aes_kw()),
        ("notelett", notelett()),
    ];
    for (name, document) in &documents {
        let path = made.path().join(format!("{name}.json"));
        fs::write(&path, document.to_string()).unwrap();
        assert_ne!(*document, read(name), "{name} was not sealed anew");
    }
    let (well, words) = opened_elsewhere(made.path());
    assert!(well, "{words}");
    assert_eq!(words.lines().count(), documents.len(), "{words}");
    assert_eq!(documents.len(), fs::read_dir(folder()).unwrap().count());
}

#[test]
fn the_other_library_does_refuse() {
    let (well, words) = opened_elsewhere(&folder());
    assert!(well, "{words}");

    let made = tempfile::tempdir().unwrap();
    let mut document = read("uptrakit");
    document["rows"][0]["key_id"] = "00000000".into();
    fs::write(made.path().join("uptrakit.json"), document.to_string()).unwrap();
    let (well, words) = opened_elsewhere(made.path());
    assert!(!well, "another row's value opened: {words}");
}
