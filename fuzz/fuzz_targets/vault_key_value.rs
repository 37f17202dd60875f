//! Bodies of the key-value engine, and values that are shown by it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    yaoku_vault::fuzzing::key_value_body(bytes);
});
