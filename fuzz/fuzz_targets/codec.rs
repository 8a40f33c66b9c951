#![no_main]

use testkit::targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::codec(data);
    let (come, to_come) = data.split_at(data.len() / 2);
    targets::arriving(come, to_come);
    targets::arriving(data, &[]);
});
