//! Whom a certificate is for: the bytes of its subject's name, read out of it without judging it. TLS has judged it.

/// The subject of a certificate; nothing where there is none, or the bytes are no certificate.
pub(super) fn of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, whole, _) = part(certificate)?;
    let (_, mut rest, _) = part(whole)?;
    // The version may be left out; then number, algorithm, issuer, validity.
    let (tag, _, after) = part(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    for _ in 0..4 {
        rest = part(rest)?.2;
    }
    let (_, subject, _) = part(rest)?;
    (!subject.is_empty()).then(|| subject.to_vec())
}

/// The next part: its tag, what is in it, and what follows it.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((*tag, inside, rest))
}

#[cfg(test)]
mod tests {
    use super::of;

    /// A certificate's frame around a subject.
    fn certificate(version: bool, subject: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, inside: &[u8]| {
            let mut out = vec![tag, 0x82];
            out.extend(u16::try_from(inside.len()).unwrap_or(0).to_be_bytes());
            out.extend(inside);
            out
        };
        let mut body = Vec::new();
        if version {
            body.extend(wrap(0xa0, &[2, 1, 2]));
        }
        for (tag, inside) in [(2, &b"\x07"[..]), (0x30, b"alg"), (0x30, b"issuer"), (0x30, b"when")] {
            body.extend(wrap(tag, inside));
        }
        body.extend(wrap(0x30, subject));
        body.extend(wrap(0x30, b"key"));
        wrap(0x30, &[wrap(0x30, &body), wrap(3, b"signed")].concat())
    }

    #[test]
    fn the_subject_is_found_whatever_the_version() {
        assert_eq!(of(&certificate(true, b"CN=api")).as_deref(), Some(&b"CN=api"[..]));
        assert_eq!(of(&certificate(false, b"CN=api")).as_deref(), Some(&b"CN=api"[..]));
        assert_eq!(of(&certificate(true, b"")), None);
        for end in 0..20 {
            assert_eq!(of(certificate(true, b"CN=api").get(..end).unwrap_or_default()), None);
        }
        assert_eq!(of(b"\x30\x85\xff\xff\xff\xff\xff"), None);
    }
}
