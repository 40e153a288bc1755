//! The head: how many entries a journal had and the digest of its last. Kept apart, it sees a cut tail; printed, a pipeline's
//! log is a witness.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::digest::Digest;
use crate::journal::broken::Broken;
use crate::journal::broken::Why;

const FORMAT: &str = "keyrota-head/1";
const WITNESS: &str = "keyrota-journal";

/// Where a journal ended at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// How many entries it had.
    pub count: u64,
    /// The digest of the last of them.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    count: u64,
    digest: Digest,
}

impl Head {
    /// The head of a journal without entries: what the first entry names as its predecessor.
    pub const NONE: Self = Self { count: 0, digest: Digest([0; 32]) };

    /// The bytes that a home keeps: one line of JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{{\"format\":\"{FORMAT}\",\"count\":{},\"digest\":\"{}\"}}\n", self.count, self.digest).into_bytes()
    }

    /// Reads what [`Head::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are no head: never taken for "there is none".
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Broken> {
        let unreadable = |said: String| Broken::of(Why::HeadUnreadable { said });
        let written: Written = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        if written.format != FORMAT {
            return Err(unreadable(format!("its format is `{}`", written.format.escape_default())));
        }
        Ok(Self { count: written.count, digest: written.digest })
    }
}

/// The witness line: `keyrota-journal 1234 <digest>`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WITNESS} {} {}", self.count, self.digest)
    }
}

/// Reads a witness line back.
impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a witness is `{WITNESS} COUNT DIGEST`");
        let mut words = text.trim_ascii().split(' ');
        let (Some(WITNESS), Some(count), Some(digest), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let count = count.parse::<u64>().ok().filter(|number| number.to_string() == count).ok_or_else(wrong)?;
        Ok(Self { count, digest: digest.parse()? })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Head;
    use crate::digest;

    #[test]
    fn both_spellings_read_back_and_no_other() {
        let head = Head { count: 1234, digest: digest::plain(b"abc") };
        assert_eq!(Head::from_bytes(&head.to_bytes()).unwrap(), head);
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        let line = head.to_string();
        for bad in [
            "",
            "keyrota-journal",
            &line.replace("1234", "01234"),
            &line.replace("1234", "+1234"),
            &(line.clone() + " x"),
        ] {
            assert!(bad.parse::<Head>().is_err(), "{bad}");
        }
        let bytes = String::from_utf8(head.to_bytes()).unwrap();
        for bad in ["", "{}", "null", &bytes.replace("head/1", "head/2"), &bytes.replace("count", "counts")] {
            assert!(Head::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
