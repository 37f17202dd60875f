//! Bodies of transit, and what stands in them; and those that ask for capabilities.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    yaoku_vault::fuzzing::transit_body(bytes);
    yaoku_vault::fuzzing::capabilities_body(bytes);
});
