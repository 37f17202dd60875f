//! Encryption contexts and the small parameters: any text is read without panic, and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_aliyun::actions::fuzzing::{encryption_context, rotation_interval};

fuzz_target!(|text: &str| {
    assert_eq!(encryption_context(text), encryption_context(text));
    let _ = rotation_interval(text);
});
