//! Query and form of a request: parsed without panic, and each value found again by its name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_aliyun::wire::Params;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (query, form) = input;
    let Ok(params) = Params::parse(query, form) else { return };
    for param in params.iter() {
        assert_eq!(params.get(param.name()), Some(param.value()));
    }
    let _ = params.list("ResourceId", 50);
    let _ = params.objects("Tag", ["Key", "Value"], 20);
});
