//! A KMIP request: header, batch items, attributes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| yaoku_kmip::fuzzing::request(data));
