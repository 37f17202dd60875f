//! Backup files: the header, and what a chunk holds once it is opened. Any bytes are read without panic, and nothing in
//! them is passed over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_seal::backup::{ChunkContent, parse_chunk, parse_header};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = parse_header(bytes) {
        assert!(header.seal.len() + header.portable.len() < bytes.len());
    }
    match parse_chunk(bytes) {
        Ok(ChunkContent::Rows(rows)) => {
            let read: usize = rows.iter().map(|(key, value)| 2 + key.len() + 4 + value.len()).sum();
            assert_eq!(1 + read, bytes.len());
        }
        Ok(ChunkContent::Last(count)) => assert_eq!(bytes[1..], count.to_be_bytes()),
        Err(_) => {}
    }
});
