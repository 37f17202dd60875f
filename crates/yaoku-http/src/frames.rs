//! How much of a request's head has come on an HTTP/2 connection that is not complete yet, by the lengths, types and flags of its
//! frames (RFC 9113, sections 3.4 and 4.1). What the frames hold, and whether they may come, is hyper's business.

/// Bytes that open a connection.
const PREFACE: usize = 24;
/// Bytes before a frame's payload.
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Follows what comes on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes of the preface or of a payload that are still to come.
    rest: usize,
    /// Bytes of the fields of a head that isn't complete.
    fields: Option<usize>,
    /// Whether it is complete when the frame is.
    last: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self { header: [0; HEADER], have: 0, rest: PREFACE, fields: None, last: false }
    }
}

impl Frames {
    /// Takes note of bytes that have come.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        loop {
            if self.rest > 0 {
                let (now, later) = bytes.split_at(self.rest.min(bytes.len()));
                self.rest -= now.len();
                self.fields = self.fields.map(|fields| fields.saturating_add(now.len()));
                bytes = later;
                if self.rest > 0 {
                    return;
                }
                self.frame_ends();
            }
            let Some((byte, later)) = bytes.split_first() else { return };
            self.header[self.have] = *byte;
            self.have += 1;
            bytes = later;
            if self.have == HEADER {
                self.have = 0;
                self.frame_begins();
            }
        }
    }

    /// Bytes of the head that isn't complete; 0 if there is none.
    pub fn unfinished(&self) -> usize {
        self.fields.unwrap_or(0)
    }

    fn frame_begins(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.rest = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.fields = Some(self.fields.unwrap_or(0));
            self.last = flags & END_HEADERS != 0;
        }
        if self.rest == 0 {
            self.frame_ends();
        }
    }

    fn frame_ends(&mut self) {
        if self.last {
            self.fields = None;
            self.last = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], &vec![b'x'; length.into()]].concat()
    }

    #[test]
    fn a_head_is_unfinished_until_its_last_frame_is_whole() {
        let mut frames = Frames::default();
        let mut after = |bytes: &[u8]| {
            frames.follow(bytes);
            frames.unfinished()
        };
        assert_eq!(after(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0);
        assert_eq!(after(&frame(4, 0, 6)), 0, "settings are no head");
        assert_eq!(after(&frame(1, END_HEADERS, 50)), 0, "whole");
        assert_eq!(after(&frame(0, 0, 200)), 0, "data is no head");
        assert_eq!(after(&frame(1, END_HEADERS, 50)[..30]), 21);
        assert_eq!(after(&[b'x'; 29]), 0);
        assert_eq!(after(&frame(1, 0, 100)), 100, "more is to come");
        assert_eq!(after(&frame(9, 0, 100)), 200);
        assert_eq!(after(&frame(9, 0, 0)), 200);
        assert_eq!(after(&frame(9, END_HEADERS, 0)), 0);
        assert_eq!(after(&frame(1, 0, 0)), 0, "nothing has come yet");
        assert_eq!(after(&frame(9, END_HEADERS, 7)[..10]), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn it_does_not_matter_how_bytes_are_cut(
            kinds in prop::collection::vec((prop::sample::select(vec![0_u8, 1, 4, 9]), any::<u8>(), 0_u8..40), 0..8),
            tail in prop::collection::vec(any::<u8>(), 0..40),
            cuts in prop::collection::vec(1_usize..50, 1..20),
        ) {
            let preface = vec![b'p'; PREFACE];
            let all = kinds.into_iter().fold(preface, |all, (kind, flags, length)| [all, frame(kind, flags, length)].concat());
            let all = [all, tail].concat();
            let (mut whole, mut parts) = (Frames::default(), Frames::default());
            whole.follow(&all);
            let (mut rest, mut cuts) = (&all[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                parts.follow(now);
                rest = later;
            }
            prop_assert_eq!(whole, parts);
        }
    }
}
