//! Takes text apart at a separator of one byte, which is found many bytes at a time.

use std::ops::Range;

use memchr::memchr_iter;

/// Where the parts of `text` between separators are: one at least, any of them empty. A separator in ASCII cuts no
/// character in two, so that these are the places of the parts of a `str` as well.
pub(super) fn parts(text: &[u8], separator: u8) -> impl Iterator<Item = Range<usize>> {
    let ends = memchr_iter(separator, text).chain(std::iter::once(text.len()));
    ends.scan(0, |start, end| Some(std::mem::replace(start, end + 1)..end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn splits_as_the_standard_library_does(text in "[a,值]{0,80}") {
            let found: Vec<_> = parts(text.as_bytes(), b',').map(|part| &text[part]).collect();
            prop_assert_eq!(found, text.split(',').collect::<Vec<_>>());
        }
    }
}
