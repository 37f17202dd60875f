//! Parameters of actions on secrets: any query string is read without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_aliyun::actions::fuzzing::secret_parameters;

fuzz_target!(|query: &[u8]| secret_parameters(query));
