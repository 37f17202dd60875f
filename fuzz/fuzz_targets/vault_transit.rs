//! Bodies of transit, and what stands in them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    yaoku_vault::fuzzing::transit_body(bytes);
});
