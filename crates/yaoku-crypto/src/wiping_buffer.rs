//! A growing byte buffer that leaves nothing behind: strings to sign and replies may hold plaintexts.

use std::{fmt, io};

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are wiped on drop and whenever growth moves them.
#[derive(Default)]
pub struct WipingBuffer {
    bytes: Zeroizing<Vec<u8>>,
}

impl WipingBuffer {
    /// A buffer that takes `capacity` bytes before it has to move.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(capacity)) }
    }

    /// Appends `more`, moving to a larger allocation and wiping the former one where they do not fit.
    #[inline]
    pub fn push(&mut self, more: &[u8]) {
        if more.len() > self.bytes.capacity() - self.bytes.len() {
            self.grow(more.len());
        }
        self.bytes.extend_from_slice(more);
    }

    /// Makes room for `more` bytes. Who knows what will be written chooses a capacity by which this is never needed.
    #[cold]
    fn grow(&mut self, more: usize) {
        let mut larger = Vec::with_capacity((self.bytes.len() + more).max(self.bytes.capacity() * 2));
        larger.extend_from_slice(&self.bytes);
        // The assignment alone would free the former allocation with its content.
        self.bytes.zeroize();
        self.bytes = Zeroizing::new(larger);
    }

    /// The bytes written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes written so far, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The bytes, still wiped on drop; `bytes::Bytes::from_owner` takes them as a body.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }
}

// What writes into it does so in small pieces of known length.
impl io::Write for WipingBuffer {
    #[inline]
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.push(more);
        Ok(more.len())
    }

    #[inline]
    fn write_all(&mut self, more: &[u8]) -> io::Result<()> {
        self.push(more);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for WipingBuffer {
    #[inline]
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.push(more.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_keeps_what_was_written() {
        let mut buffer = WipingBuffer::with_capacity(1);
        let mut expected = Vec::new();
        for i in 0..1000u32 {
            buffer.push(&i.to_le_bytes());
            expected.extend_from_slice(&i.to_le_bytes());
        }
        assert_eq!(buffer.as_slice(), expected);
        assert_eq!(*buffer.into_bytes(), expected);
    }
}
