#![no_main]

use testkit::{host, targets};

thread_local! {
    static SHOP: host::Host = targets::shop();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    SHOP.with(|shop| {
        targets::effect(data, shop);
    });
});
