//! Short texts, made where the caller stands instead of on the heap.

use std::fmt::{self, Write};

/// Bytes of a text that need no allocation: any ARN of a key or an alias of this service has fewer.
const ROOM: usize = 512;

/// Shows a text that is made for this once.
pub(crate) fn with_text<T>(text: fmt::Arguments<'_>, read: impl FnOnce(&str) -> T) -> T {
    if let Some(constant) = text.as_str() {
        return read(constant);
    }
    let mut short = ShortText { bytes: [0; ROOM], length: 0 };
    match short.write_fmt(text) {
        Ok(()) => read(short.as_str()),
        Err(_) => read(&text.to_string()),
    }
}

/// Room for a short text.
struct ShortText {
    bytes: [u8; ROOM],
    length: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        // Only whole texts are written.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_whole() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 10 * ROOM] {
            let long = "x".repeat(length);
            assert!(with_text(format_args!("{long}"), |text| text == long), "{length}");
        }
    }
}
