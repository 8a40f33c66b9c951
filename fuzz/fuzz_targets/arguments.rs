#![no_main]
#![allow(dead_code)]

mod shared;
use shared::{generate, host, reference, reply, targets};

thread_local! {
    static SHOP: host::Host = targets::shop();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    SHOP.with(|shop| {
        targets::arguments(data, shop);
    });
});
