//! Frames of HTTP/2: however bytes are cut, as much counts as unfinished, and never more than has come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_http::frames::Frames;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (cuts, bytes) = input;
    let (mut whole, mut parts) = (Frames::default(), Frames::default());
    whole.follow(bytes);
    assert!(whole.unfinished() <= bytes.len());
    let mut rest = bytes;
    for cut in cuts {
        let (now, later) = rest.split_at(usize::from(cut).min(rest.len()));
        parts.follow(now);
        rest = later;
    }
    parts.follow(rest);
    assert_eq!(whole, parts);
});
