//! Percent-encoding (RFC 3986, section 2.1) as requests use it: lenient in `+`, strict in escapes, canonical on the way out.

use std::borrow::Cow;

use memchr::memchr2;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroize;

use super::wiping_buffer::WipingBuffer;

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why text could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// The decoded bytes are not UTF-8.
    Utf8,
}

/// Decodes a name or value of a query string or form: `%XX` is a byte, `+` a space.
///
/// # Errors
/// An incomplete escape, or bytes that are not UTF-8.
pub fn decode(encoded: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    let Some(first) = memchr2(b'%', b'+', encoded) else {
        return std::str::from_utf8(encoded).map(Cow::Borrowed).map_err(|_| DecodeError::Utf8);
    };
    // Decoding only shortens: this allocation never moves.
    let mut decoded = Vec::with_capacity(encoded.len());
    let (mut rest, mut next) = (encoded, Some(first));
    while let Some(at) = next {
        let (plain, found) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        let (byte, after) = match found {
            [b'+', after @ ..] => (Some(b' '), after),
            [_, high, low, after @ ..] => {
                (hex_digit(*high).zip(hex_digit(*low)).map(|(high, low)| high << 4 | low), after)
            }
            _ => (None, found),
        };
        let Some(byte) = byte else {
            decoded.zeroize();
            return Err(DecodeError::Escape);
        };
        decoded.push(byte);
        rest = after;
        next = memchr2(b'%', b'+', rest);
    }
    decoded.extend_from_slice(rest);
    String::from_utf8(decoded).map(Cow::Owned).map_err(|error| {
        error.into_bytes().zeroize();
        DecodeError::Utf8
    })
}

/// Appends the canonical encoding of `text`: only `A-Z a-z 0-9 - _ . ~` stand for themselves, hexadecimal digits are capitals.
pub fn encode(text: &[u8], out: &mut WipingBuffer) {
    for piece in percent_encode(text, RESERVED) {
        out.push(piece.as_bytes());
    }
}

/// Appends the canonical encoding of the canonical encoding of `text`, as signature 1.0 wants it.
pub fn encode_twice(text: &[u8], out: &mut WipingBuffer) {
    for piece in percent_encode(text, RESERVED) {
        // A piece is one escape or a run of unreserved characters, which has no `%`.
        match piece.strip_prefix('%') {
            Some(digits) => {
                out.push(b"%25");
                out.push(digits.as_bytes());
            }
            None => out.push(piece.as_bytes()),
        }
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &[u8]) -> String {
        let mut out = WipingBuffer::default();
        encode(text, &mut out);
        String::from_utf8(out.into_bytes().to_vec()).unwrap()
    }

    #[test]
    fn encodes_canonically() {
        assert_eq!(encoded("aZ09-_.~".as_bytes()), "aZ09-_.~");
        assert_eq!(encoded(" +*/%值".as_bytes()), "%20%2B%2A%2F%25%E5%80%BC");
    }

    #[test]
    fn borrows_what_is_not_encoded() {
        assert!(matches!(decode(b"alias/abc"), Ok(Cow::Borrowed("alias/abc"))));
        assert_eq!(decode(b"a+b%20c%2B%e5%80%BC").unwrap(), "a b c+值");
    }

    #[test]
    fn refuses_what_is_not_an_escape_or_utf8() {
        for bad in ["%", "%4", "a%", "%4g", "%%41", "%+1", "%-1"] {
            assert_eq!(decode(bad.as_bytes()), Err(DecodeError::Escape), "{bad}");
        }
        for bad in [&b"%ff"[..], b"\xff", b"%E5%80", b"%ED%A0%80"] {
            assert_eq!(decode(bad), Err(DecodeError::Utf8));
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in any::<String>()) {
            let encoded = encoded(text.as_bytes());
            prop_assert_eq!(decode(encoded.as_bytes()).unwrap(), text);
        }

        #[test]
        fn twice_is_once_and_once_more(text in any::<String>()) {
            let mut twice = WipingBuffer::default();
            encode_twice(text.as_bytes(), &mut twice);
            let expected = encoded(encoded(text.as_bytes()).as_bytes());
            prop_assert_eq!(twice.as_slice(), expected.as_bytes());
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(prop_oneof![Just(b'%'), Just(b'+'), any::<u8>()], 0..64)) {
            if let Ok(text) = decode(&bytes) {
                prop_assert!(text.len() <= bytes.len());
            }
        }
    }
}
