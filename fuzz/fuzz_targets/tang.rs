//! What a Tang client sends: the point to multiply, and method and path with a space between.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    yaoku_tang::fuzzing::point(data);
    if let Some((method, path)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once(' ')) {
        yaoku_tang::fuzzing::route(method, path);
    }
});
