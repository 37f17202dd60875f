//! The items of a KMIP message. What is read must be written back byte for byte.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| yaoku_kmip::fuzzing::ttlv(data));
