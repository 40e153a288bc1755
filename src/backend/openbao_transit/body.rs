//! A request as it is written down, with values that nobody else may see: where it grows, what it leaves behind is wiped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::model::VersionId;
use crate::port::service::Asked;
use crate::secret::Secret;

/// The room that a request begins with.
const FIRST_BYTES: usize = 4096;

/// A request that is being written.
#[derive(Default)]
pub(super) struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// The whole request.
    pub(super) fn done(mut self) -> Secret {
        Secret::from_vec(std::mem::take(&mut *self.0))
    }

    /// Makes room for so many bytes more. A vector that grows by itself leaves its old bytes behind as they were.
    fn make_room(&mut self, more: usize) {
        let wanted = self.0.len().saturating_add(more);
        if wanted > self.0.capacity() {
            let room = wanted.max(self.0.capacity().saturating_mul(2)).max(FIRST_BYTES);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
    }

    /// Bytes as they are.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Bytes as base64.
    pub(super) fn coded(&mut self, bytes: &[u8]) {
        let (at, length) = (self.0.len(), base64::encoded_len(bytes.len(), true).unwrap_or(0));
        self.make_room(length);
        self.0.resize(at.saturating_add(length), 0);
        let written = self.0.get_mut(at..).and_then(|room| STANDARD.encode_slice(bytes, room).ok()).unwrap_or(0);
        self.0.truncate(at.saturating_add(written));
    }

    /// A version's number.
    pub(super) fn number(&mut self, version: &VersionId) {
        for digit in version.as_str().bytes().filter(u8::is_ascii_digit) {
            self.put(&[digit]);
        }
    }

    /// A value as the engine writes it, its object left open. Only what base64 and a number can hold, so nothing needs to be
    /// escaped.
    pub(super) fn ciphertext(&mut self, value: &Asked<'_>) {
        self.put(b"{\"ciphertext\":\"vault:v");
        self.number(value.version);
        self.put(b":");
        self.coded(value.bytes);
        self.put(b"\"");
    }

    /// What a value is bound to, where it is bound to anything.
    pub(super) fn aad(&mut self, aad: &[u8]) {
        if !aad.is_empty() {
            self.put(b",\"associated_data\":\"");
            self.coded(aad);
            self.put(b"\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Body;
    use super::FIRST_BYTES;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_request_moves_only_where_room_is_made_and_is_whole() {
        let mut body = Body::default();
        let mut wanted = Vec::new();
        for length in [0, 1, 2, 3, 100, FIRST_BYTES - 1, FIRST_BYTES, 3 * FIRST_BYTES, 5, 77_777] {
            let value = vec![0xa5; length];
            // With the room that is made, writing moves nothing: so no bytes are left behind that nobody wipes.
            for coded in [false, true] {
                let text = if coded { STANDARD.encode(&value).into_bytes() } else { value.clone() };
                body.make_room(text.len());
                let (place, room) = (body.0.as_ptr(), body.0.capacity());
                if coded {
                    body.coded(&value)
                } else {
                    body.put(&value)
                }
                assert_eq!((place, room), (body.0.as_ptr(), body.0.capacity()), "{length} bytes");
                wanted.extend(text);
            }
        }
        assert!(body.done().lend(|bytes| bytes == wanted));
    }
}
