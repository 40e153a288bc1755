//! Bytes sealed for people, by the crate `age`: whoever holds an identity opens them with any program of that format. We only
//! seal; there is nothing here that opens.

use crate::fault::Fault;
use std::fmt;

/// Somebody's public key: `age1..`.
#[derive(Debug, Clone)]
pub struct Recipient(
    #[cfg(feature = "age")] age::x25519::Recipient,
    #[cfg(not(feature = "age"))] std::marker::PhantomData<()>,
);

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
        if !text.starts_with("age1") {
            return Err(NoRecipient("a recipient begins with `age1`"));
        }
        read(text)
    }
}

#[cfg(feature = "age")]
fn read(text: &str) -> Result<Recipient, NoRecipient> {
    text.parse().map(Recipient).map_err(|_| NoRecipient("a character of it was lost or changed"))
}

/// A build without the feature reads a policy and cannot judge its recipients; whoever wants to seal is told.
#[cfg(not(feature = "age"))]
fn read(_text: &str) -> Result<Recipient, NoRecipient> {
    Ok(Recipient(std::marker::PhantomData))
}

/// Seals bytes for these people: each of them can open it, and nobody else.
///
/// # Errors
/// There is nobody to seal for, or this build cannot.
pub fn seal(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, Fault> {
    const DOING: &str = "seal pre-images for their recipients";
    if recipients.is_empty() {
        return Err(Fault::ask_operator(DOING, "nobody is named who could open them"));
    }
    sealed(recipients, plain, DOING)
}

#[cfg(feature = "age")]
fn sealed(recipients: &[Recipient], plain: &[u8], doing: &str) -> Result<Vec<u8>, Fault> {
    use std::io::Write;
    let to = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    let seal = age::Encryptor::with_recipients(to).map_err(|error| Fault::report_bug(doing, error))?;
    let written = (|| {
        let mut writer = seal.wrap_output(Vec::new())?;
        writer.write_all(plain)?;
        writer.finish()
    })();
    written.map_err(|error: std::io::Error| Fault::report_bug(doing, error))
}

#[cfg(not(feature = "age"))]
fn sealed(_recipients: &[Recipient], _plain: &[u8], doing: &str) -> Result<Vec<u8>, Fault> {
    Err(Fault::give_up(doing, "this keyrota was built without its feature `age`")
        .hint("build it with `--features age`"))
}

#[cfg(all(test, feature = "age"))]
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
            assert!(one.starts_with(b"age-encryption.org/v1\n-> ") && one != two);
            assert!(size < 8 || !one.windows(8).any(|window| window == [b'c'; 8]));
        }
        assert!(seal(&[], b"x").is_err());
    }
}
