//! The router of the Vault API: method, path and query, with spaces between.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, ' ');
    let (method, path, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    yaoku_vault::fuzzing::route(method.as_bytes(), path, query);
});
