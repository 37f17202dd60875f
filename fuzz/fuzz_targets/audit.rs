//! The audit log: any bytes are read as a segment and as a checkpoint, and none that nobody signed verify.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use yaoku_audit::Check;
use yaoku_audit::note::{Purpose, SEED_LEN, Signer, Verifier};
use yaoku_crypto::Secret;

fuzz_target!(|bytes: &[u8]| {
    let signer = Signer::new(&Secret::new(vec![0x5a; SEED_LEN])).expect("a seed of that length");
    assert!(signer.verifier().open(Purpose::Checkpoint, bytes).is_err());
    let _ = Verifier::parse(&String::from_utf8_lossy(bytes));
    let dir = std::env::temp_dir().join(format!("yaoku-fuzz-audit-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("00000000000000000000.log"), bytes).expect("a file");
    let check = Check { verifier: signer.verifier(), known: &[], patience: Duration::ZERO };
    assert!(yaoku_audit::verify(&dir, &check, &mut |_| {}).is_err());
});
