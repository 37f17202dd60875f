//! Records of identities and the content of security tokens: any bytes, as whatever they could be.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| yaoku_iam::fuzzing::read_all(bytes));
