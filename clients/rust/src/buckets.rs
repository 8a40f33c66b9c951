//! Sharded pools, docs/guides/hot-sku.md: whose bucket is whose, and what to ask for where it is
//! empty.

use std::fmt::Write;

use crate::answers::{Refused, Why};

/// The bucket, 0 to `count` - 1, in which a value of the sharded pool's dimension buys.
#[must_use]
pub fn bucket_of(value: impl AsRef<[u8]>, count: u32) -> u32 {
    let hashed = |h: u32, byte: &u8| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let mut h = value.as_ref().iter().fold(0x811c_9dc5, hashed);
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^= h >> 16;
    ((u64::from(h) * u64::from(count)) >> 32) as u32
}

/// What a buyer puts down in `{NAME}asks` after this refusal of a reservation, so that a balancer
/// brings it from other buckets. `None`: no other bucket can help, and the refusal is final. `by`
/// is the dimension by which buckets are chosen: a limit that names it is whole in the bucket, and
/// so is one on a single order. What is not UTF-8 cannot be asked for.
#[must_use]
pub fn ask_of(refused: &Refused, order: &str, bucket: u32, quantity: u64, by: &str) -> Option<String> {
    let mut ask = format!("[{},{bucket},", quoted(order));
    match &refused.why {
        Why::SoldOut { .. } => _ = write!(ask, "{quantity}]"),
        Why::Limited(limited) => {
            let limit = std::str::from_utf8(&limited.limit).ok()?;
            let [dims, window, counted] = *limit.split('/').collect::<Vec<_>>() else { return None };
            if dims.split('+').any(|dim| dim == by) || window == "order" {
                return None;
            }
            let values = limited.value.iter().map(|value| std::str::from_utf8(value).ok().map(quoted));
            let values = values.collect::<Option<Vec<String>>>()?.join(",");
            let quantity = if counted == "units" { quantity } else { 1 };
            _ = write!(ask, "{quantity},{},[{values}]]", quoted(limit));
        }
        _ => return None,
    }
    Some(ask)
}

/// A text in JSON.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => _ = write!(json, "\\u{:04x}", u32::from(c)),
            _ => json.push(c),
        }
    }
    json.push('"');
    json
}
