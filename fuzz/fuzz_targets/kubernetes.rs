//! What the Kubernetes plugin reads: messages of the API server, whose content comes from etcd, and answers of the key service.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    yaoku_kubernetes::fuzzing::decrypt_request(data);
    yaoku_kubernetes::fuzzing::answers(data);
    yaoku_client::fuzzing::refusal(400, data);
});
