#![no_main]

use testkit::targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::commands(data);
});
