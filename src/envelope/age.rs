//! Bytes sealed for people, in the public format `age` (version 1, X25519): whoever holds an identity opens them with any `age`
//! program. We only seal; there is nothing here that opens.

use crate::fault::Fault;
use crate::secret;
use aws_lc_rs::aead;
use aws_lc_rs::agreement;
use aws_lc_rs::hkdf;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;
use zeroize::Zeroizing;

/// So much is sealed in one piece.
const CHUNK: usize = 64 * 1024;
const INTRO: &str = "age-encryption.org/v1";
const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BASE64: base64::engine::GeneralPurpose = STANDARD_NO_PAD;

/// Somebody's public key: `age1..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Why a text is no recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRecipient(&'static str);

impl fmt::Display for NoRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NoRecipient {}

impl std::str::FromStr for Recipient {
    type Err = NoRecipient;

    fn from_str(text: &str) -> Result<Self, NoRecipient> {
        if text.starts_with("ssh-") {
            return Err(NoRecipient("keys of OpenSSH are not sealed for here: make one with `age-keygen`"));
        }
        let written = text.strip_prefix("age1").ok_or(NoRecipient("a recipient begins with `age1`"))?;
        let symbol = |c: char| ALPHABET.find(c).and_then(|at| u8::try_from(at).ok());
        let symbols: Option<Vec<u8>> = written.chars().map(symbol).collect();
        let symbols = symbols.ok_or(NoRecipient("it holds a character that no recipient has"))?;
        if checksum(&symbols) != 1 {
            return Err(NoRecipient("its checksum is wrong: a character was lost or changed"));
        }
        let data = symbols.get(..symbols.len().saturating_sub(6)).unwrap_or_default();
        bytes(data).map(Self).ok_or(NoRecipient("it is not as long as a recipient is"))
    }
}

/// The checksum of Bech32 (BIP 173), with `age` before the text.
fn checksum(symbols: &[u8]) -> u32 {
    const PATTERN: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let name = b"age";
    let head = name.iter().map(|c| c >> 5).chain([0]).chain(name.iter().map(|c| c & 31));
    head.chain(symbols.iter().copied()).fold(1_u32, |sum, symbol| {
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(symbol);
        PATTERN.iter().enumerate().fold(
            next,
            |next, (bit, pattern)| {
                if (top >> bit) & 1 == 1 { next ^ pattern } else { next }
            },
        )
    })
}

/// Five bits a symbol, as 32 bytes; what is left over must be nothing.
fn bytes(symbols: &[u8]) -> Option<[u8; 32]> {
    let (mut all, mut hold, mut bits) = (Vec::with_capacity(32), 0_u32, 0_u32);
    for symbol in symbols {
        hold = (hold << 5) | u32::from(*symbol);
        bits = bits.saturating_add(5);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            all.push(u8::try_from((hold >> bits) & 0xff).ok()?);
            hold &= (1 << bits) - 1;
        }
    }
    if bits >= 5 || hold != 0 {
        return None;
    }
    all.try_into().ok()
}

/// Seals bytes for these people: each of them can open it, and nobody else.
///
/// # Errors
/// There is nobody to seal for, or the operating system gave no randomness.
pub fn seal(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, Fault> {
    const DOING: &str = "seal pre-images for their recipients";
    if recipients.is_empty() {
        return Err(Fault::ask_operator(DOING, "nobody is named who could open them"));
    }
    let bug = |what: &'static str| Fault::report_bug(DOING, what);
    let file_key = Zeroizing::new(secret::random_array::<16>()?);
    let mut header = format!("{INTRO}\n");
    for recipient in recipients {
        let once = Zeroizing::new(secret::random_array::<32>()?);
        header.push_str(&stanza(recipient, &once, &file_key).ok_or_else(|| bug("a recipient's key is none"))?);
    }
    header.push_str("---");
    let mac_key = derive(&file_key[..], &[], b"header").ok_or_else(|| bug("the header's key"))?;
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key[..]), header.as_bytes());
    header.push_str(&format!(" {}\n", BASE64.encode(mac.as_ref())));
    let nonce = secret::random_array::<16>()?;
    let key = derive(&file_key[..], &nonce, b"payload").ok_or_else(|| bug("the payload's key"))?;
    let mut sealed = header.into_bytes();
    sealed.extend_from_slice(&nonce);
    stream(&key, plain, &mut sealed).ok_or_else(|| bug("the payload"))?;
    Ok(sealed)
}

/// The file's key for one recipient.
fn stanza(recipient: &Recipient, once: &[u8; 32], file_key: &[u8; 16]) -> Option<String> {
    let ours = agreement::PrivateKey::from_private_key(&agreement::X25519, once).ok()?;
    let share = ours.compute_public_key().ok()?;
    let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, recipient.0);
    let wrap = agreement::agree(&ours, theirs, (), |shared| {
        // Some keys would agree on nothing with everybody.
        if shared.iter().all(|byte| *byte == 0) {
            return Err(());
        }
        derive(shared, &[share.as_ref(), &recipient.0].concat(), b"age-encryption.org/v1/X25519").ok_or(())
    });
    let mut body = file_key.to_vec();
    let wrap = wrap.ok()?;
    chunk(&wrap, [0; 12], &mut body)?;
    Some(format!("-> X25519 {}\n{}\n", BASE64.encode(share.as_ref()), BASE64.encode(&body)))
}

fn derive(secret: &[u8], salt: &[u8], about: &'static [u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let fresh = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    fresh.expand(&[about], hkdf::HKDF_SHA256).ok()?.fill(&mut key[..]).ok()?;
    Some(key)
}

/// The payload in pieces: each is numbered, and the last one says that it is.
fn stream(key: &[u8; 32], plain: &[u8], sealed: &mut Vec<u8>) -> Option<()> {
    let mut pieces = plain.chunks(CHUNK).peekable();
    let mut at = 0_u64;
    loop {
        let mut piece = pieces.next().unwrap_or_default().to_vec();
        let last = pieces.peek().is_none();
        let mut nonce = [0; 12];
        nonce.get_mut(3..11)?.copy_from_slice(&at.to_be_bytes());
        *nonce.last_mut()? = u8::from(last);
        chunk(key, nonce, &mut piece)?;
        sealed.extend_from_slice(&piece);
        if last {
            return Some(());
        }
        at = at.checked_add(1)?;
    }
}

fn chunk(key: &[u8; 32], nonce: [u8; 12], bytes: &mut Vec<u8>) -> Option<()> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key).ok()?);
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, aead::Aad::empty(), bytes).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Recipient;
    use super::seal;

    /// The public half of a key made by `age-keygen`, as its documentation shows it.
    const OPS: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn recipients_are_read_whole_or_not_at_all() {
        assert!(OPS.parse::<Recipient>().is_ok());
        for at in 4..OPS.len() {
            let other = if OPS.as_bytes().get(at) == Some(&b'q') { "p" } else { "q" };
            let mut bad = OPS.to_owned();
            bad.replace_range(at..=at, other);
            assert!(bad.parse::<Recipient>().is_err(), "{bad}");
        }
        let ssh = "ssh-ed25519 AAAA".parse::<Recipient>().unwrap_err().to_string();
        assert!(ssh.contains("age-keygen"), "{ssh}");
        for bad in ["", "age1", "AGE1", "age1qqqqqq", "age-plugin-x", "age1b", "age2ql3z7"] {
            assert!(bad.parse::<Recipient>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_is_never_the_same_twice() {
        let to = [OPS.parse().unwrap()];
        for size in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let (one, two) = (seal(&to, &vec![b'c'; size]).unwrap(), seal(&to, &vec![b'c'; size]).unwrap());
            let pieces = size.div_ceil(65_536).max(1);
            assert_eq!(one.len(), 22 + 54 + 44 + 48 + 16 + size + 16 * pieces, "{size}");
            assert!(one.starts_with(b"age-encryption.org/v1\n-> X25519 ") && one != two);
            assert!(size < 8 || !one.windows(8).any(|window| window == [b'c'; 8]));
        }
        assert!(seal(&[], b"x").is_err());
    }
}
