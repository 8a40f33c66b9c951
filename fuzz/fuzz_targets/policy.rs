#![no_main]
#![allow(dead_code)]

mod shared;
use shared::{generate, host, reference, reply, targets};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::policy(data);
});
