//! Base64 (RFC 4648, section 4) as requests have it: canonical, but for line breaks, which some programs put in.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

/// Why text could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It is more than the limit.
    TooLong,
    /// No bytes have this text as their base64.
    NotCanonical,
}

/// The bytes, at most `limit`, whose base64 is `text` when its carriage returns and line feeds are left out.
///
/// # Errors
/// [`Error`]; what was decoded until then is wiped.
pub fn decode(text: &str, limit: usize) -> Result<Vec<u8>, Error> {
    let mut joined = without_line_breaks(text);
    let decoded = decode_joined(&joined, limit);
    if let Cow::Owned(copy) = &mut joined {
        copy.zeroize();
    }
    decoded
}

fn decode_joined(text: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    if text.len() / 4 * 3 > limit + 3 {
        return Err(Error::TooLong);
    }
    // A decoder that grows its output would leave copies of it behind.
    let mut out = vec![0; text.len() / 4 * 3 + 3];
    let Ok(length) = STANDARD.decode_slice(text, &mut out) else {
        out.zeroize();
        return Err(Error::NotCanonical);
    };
    out.truncate(length);
    Ok(out)
}

fn without_line_breaks(text: &str) -> Cow<'_, [u8]> {
    match memchr::memchr2(b'\r', b'\n', text.as_bytes()) {
        None => Cow::Borrowed(text.as_bytes()),
        Some(_) => {
            // Leaving out only shortens: this allocation never moves.
            let mut joined = Vec::with_capacity(text.len());
            joined.extend(text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
            Cow::Owned(joined)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_one_spelling_of_bytes_is_theirs() {
        assert_eq!(decode("aGVsbG8=", 5), Ok(b"hello".to_vec()));
        assert_eq!(decode("", 5), Ok(Vec::new()));
        for other in ["aGVsbG8", "aGVsbG9=", "aGVsbG8==", "aGVs bG8=", "aGVsbG8=\0", "-_==", "=", "abcdefg"] {
            assert_eq!(decode(other, 64), Err(Error::NotCanonical), "{other}");
        }
        assert_eq!(decode(&"A".repeat(64), 40), Err(Error::TooLong));
    }

    #[test]
    fn line_breaks_are_left_out_wherever_they_stand() {
        for text in ["aGVs\nbG8=\n", "aGVs\r\nbG8=\r\n", "\naGVsbG8\n=", "\r\r\naGVsbG8=", "a\nG\nV\ns\nb\nG\n8\n="] {
            assert_eq!(decode(text, 5), Ok(b"hello".to_vec()), "{text:?}");
        }
        assert_eq!(decode("aGVs\nbG8", 5), Err(Error::NotCanonical));
        let broken = "AAAA\n".repeat(2048);
        assert_eq!(decode(&broken, 6144), Ok(vec![0; 6144]));
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_as_it_came(text in "[A-Da-d0-9+/=\r\n]{0,12}") {
            if let Ok(bytes) = decode(&text, 64) {
                prop_assert_eq!(STANDARD.encode(bytes), text.replace(['\r', '\n'], ""));
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..100), width in 1usize..80) {
            let text = STANDARD.encode(&bytes);
            let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            prop_assert_eq!(decode(&lines.join("\r\n"), 100), Ok(bytes));
        }
    }
}
