//! Where the keys of a call are, for a cluster that asks.
//!
//! Servers route a call by the place of its keys only where the places are fixed. For counted keys they run
//! the command itself in a mode in which it does nothing but name them.

use std::os::raw::c_int;

use redis_module::raw;

use super::api::{self, Ctx};
use super::docs;
use crate::command::spec::{KeyPositions, Spec};

/// Names the keys, where that is all the server wants of this call.
pub fn answered(spec: &Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) -> bool {
    let KeyPositions::Counted(at) = spec.keys else {
        return false;
    };
    // SAFETY: the context is live.
    if unsafe { api!(RedisModule_IsKeysPositionRequest(ctx.raw())) } == 0 {
        return false;
    }
    let at = usize::from(at);
    // SAFETY: the arguments are live until we return.
    let count = argv.get(at).map(|&count| unsafe { api::bytes(count) });
    let flags = docs::key_flags(spec) as c_int;
    for place in places(at, count.unwrap_or_default(), argv.len()) {
        // SAFETY: the context is live and asks for positions.
        unsafe { api!(RedisModule_KeyAtPosWithFlags(ctx.raw(), place as c_int, flags)) };
    }
    true
}

/// The places of so many keys behind their number; none where the number is no number, or there are not so
/// many arguments.
fn places(at: usize, count: &[u8], arguments: usize) -> std::ops::Range<usize> {
    let first = at.saturating_add(1);
    let count: Option<usize> = std::str::from_utf8(count).ok().and_then(|text| text.parse().ok());
    let end = count.and_then(|count| first.checked_add(count)).filter(|&end| end <= arguments);
    first..end.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn counted_keys_are_found() {
        assert_eq!(places(2, b"2", 7), 3..5);
        assert_eq!(places(2, b"4", 7), 3..7);
    }

    #[test]
    fn a_wrong_count_names_no_keys() {
        for count in [b"5".as_slice(), b"", b"-1", b"x", b"18446744073709551615", b"\xff"] {
            assert!(places(2, count, 7).is_empty());
        }
    }
}
