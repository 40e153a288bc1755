//! Compact JWE: `alg` `dir` or `A256GCMKW`, `enc` `A256GCM`.
//!
//! Its content authenticates its header, and the header names the key: another key means another header, so the content is
//! always sealed anew, and where the key only wraps a content key, a fresh content key is drawn. Other header fields are kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Map;
use serde_json::Value;

use crate::envelope::Cipher;
use crate::envelope::Misfit;
use crate::envelope::NONCE_BYTES;
use crate::envelope::Parts;
use crate::envelope::Refused;
use crate::envelope::TAG_BYTES;
use crate::envelope::key::LocalKey;
use crate::envelope::object;
use crate::secret::Secret;

/// No header is longer.
const HEADER_BYTES_MAX: usize = 8 * 1024;
const CONTENT_KEY_BYTES: usize = 32;

/// What only a JWE has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwe {
    /// The protected header as it stands in the value: base64url, and the associated data of the content.
    pub protected: String,
    /// The wrapped content key, where `alg` is `A256GCMKW`.
    pub wrapped: Option<Wrapped>,
}

/// A content key, wrapped by AES-GCM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The nonce, which stands in the header.
    pub nonce: Vec<u8>,
    /// The encrypted key.
    pub key: Vec<u8>,
    /// The tag, which stands in the header.
    pub tag: Vec<u8>,
}

pub(super) fn take_apart(text: &[u8]) -> Result<Parts, Misfit> {
    let shape = || Misfit("it is not a compact JWE".to_owned());
    let text = std::str::from_utf8(text).map_err(|_| shape())?;
    let pieces: Vec<&str> = text.splitn(6, '.').collect();
    let &[protected, key, nonce, ciphertext, tag] = pieces.as_slice() else { return Err(shape()) };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| shape());

    let header = header(protected)?;
    let said = |name: &str| header.get(name).and_then(Value::as_str);
    if said("enc") != Some("A256GCM") {
        return Err(Misfit("its `enc` is not `A256GCM`".to_owned()));
    }
    if header.contains_key("crit") {
        return Err(Misfit("its header has a `crit`, which we do not know".to_owned()));
    }
    let wrapped = match said("alg") {
        Some("dir") if key.is_empty() => None,
        Some("A256GCMKW") => {
            let part = |name: &str| decode(said(name).ok_or_else(shape)?);
            Some(Wrapped { nonce: part("iv")?, key: decode(key)?, tag: part("tag")? })
        }
        _ => return Err(Misfit("its `alg` is neither `dir` nor `A256GCMKW`".to_owned())),
    };
    let parts = Parts {
        nonce: decode(nonce)?,
        ciphertext: decode(ciphertext)?,
        tag: decode(tag)?,
        version: said("kid").map(str::to_owned),
        jwe: Some(Jwe { protected: protected.to_owned(), wrapped }),
    };
    let wrapped = parts.jwe.as_ref().and_then(|jwe| jwe.wrapped.as_ref());
    let fits = |nonce: &[u8], tag: &[u8]| nonce.len() == NONCE_BYTES && tag.len() == TAG_BYTES;
    if fits(&parts.nonce, &parts.tag) && wrapped.is_none_or(|wrapped| fits(&wrapped.nonce, &wrapped.tag)) {
        Ok(parts)
    } else {
        Err(shape())
    }
}

fn header(protected: &str) -> Result<Map<String, Value>, Misfit> {
    if protected.len() > HEADER_BYTES_MAX {
        return Err(Misfit(format!("its header is longer than {HEADER_BYTES_MAX} bytes")));
    }
    let bytes = URL_SAFE_NO_PAD.decode(protected).map_err(|_| Misfit("its header is not base64url".to_owned()))?;
    object::parse(&bytes)
}

pub(super) fn put_together(parts: &Parts) -> Result<Vec<u8>, Misfit> {
    let jwe = parts.jwe.as_ref().ok_or_else(|| Misfit("its header is missing".to_owned()))?;
    let key = jwe.wrapped.as_ref().map_or(String::new(), |wrapped| URL_SAFE_NO_PAD.encode(&wrapped.key));
    let [nonce, ciphertext, tag] =
        [&parts.nonce, &parts.ciphertext, &parts.tag].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    Ok([jwe.protected.as_str(), &key, &nonce, &ciphertext, &tag].join(".").into_bytes())
}

pub(super) fn open(key: &LocalKey, parts: &Parts) -> Result<Secret, Refused> {
    let jwe = parts.jwe.as_ref().ok_or(Refused::DoesNotOpen)?;
    let aad = jwe.protected.as_bytes();
    let Some(wrapped) = &jwe.wrapped else { return key.open(parts, aad) };
    let content_key = key.open(&wrapped.clone().into(), b"")?;
    LocalKey::new(Cipher::Aes256Gcm, &content_key)?.open(parts, aad)
}

/// Seals content under `key`, with the header of `before` but for what must change.
pub(super) fn seal(
    key: &LocalKey,
    plain: &[u8],
    version: Option<&str>,
    before: Option<&Parts>,
) -> Result<Parts, Refused> {
    let mut header = match before.and_then(|before| before.jwe.as_ref()) {
        Some(jwe) => header(&jwe.protected)?,
        None => first_header(version),
    };
    if header.contains_key("kid") {
        let version = version.ok_or_else(|| Misfit("its header names a version, and none is given".to_owned()))?;
        header.insert("kid".to_owned(), version.into());
    }
    if header.get("alg").and_then(Value::as_str) == Some("dir") {
        let protected = written(&header)?;
        let sealed = key.seal(plain, protected.as_bytes())?;
        return Ok(Parts { version: kid(&header), jwe: Some(Jwe { protected, wrapped: None }), ..sealed });
    }
    let content_key = Secret::random(CONTENT_KEY_BYTES)?;
    let wrapped: Wrapped = content_key.lend(|bytes| key.seal(bytes, b""))?.into();
    header.insert("iv".to_owned(), URL_SAFE_NO_PAD.encode(&wrapped.nonce).into());
    header.insert("tag".to_owned(), URL_SAFE_NO_PAD.encode(&wrapped.tag).into());
    let protected = written(&header)?;
    let sealed = LocalKey::new(Cipher::Aes256Gcm, &content_key)?.seal(plain, protected.as_bytes())?;
    Ok(Parts { version: kid(&header), jwe: Some(Jwe { protected, wrapped: Some(wrapped) }), ..sealed })
}

fn first_header(version: Option<&str>) -> Map<String, Value> {
    let fields = [("alg", Some("dir")), ("enc", Some("A256GCM")), ("kid", version)];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

fn kid(header: &Map<String, Value>) -> Option<String> {
    header.get("kid").and_then(Value::as_str).map(str::to_owned)
}

fn written(header: &Map<String, Value>) -> Result<String, Misfit> {
    let bytes = serde_json::to_vec(header).map_err(|error| Misfit(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl From<Wrapped> for Parts {
    fn from(wrapped: Wrapped) -> Self {
        Self { nonce: wrapped.nonce, ciphertext: wrapped.key, tag: wrapped.tag, version: None, jwe: None }
    }
}

impl From<Parts> for Wrapped {
    fn from(parts: Parts) -> Self {
        Self { nonce: parts.nonce, key: parts.ciphertext, tag: parts.tag }
    }
}
