//! Tells a cluster where the keys of a call are, when it asks.
//!
//! Servers route a call by its key specs only where the positions of the keys are fixed. For
//! counted keys (`numkeys key [key …]`) they call the command in a mode in which it does nothing
//! but report the positions.

use std::os::raw::c_int;

use redis_module::raw;

use super::api::{self, Ctx};
use super::docs;
use crate::command::spec::{KeyPositions, Spec};

/// Reports the positions of the keys, if the server asks for them; false for a call to be run.
pub fn reply(spec: &Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) -> bool {
    let KeyPositions::Counted(numkeys_at) = spec.keys else {
        return false;
    };
    // SAFETY: the context is live.
    if unsafe { api!(RedisModule_IsKeysPositionRequest(ctx.raw())) } == 0 {
        return false;
    }
    let numkeys_at = usize::from(numkeys_at);
    // SAFETY: the arguments are live until we return.
    let count = argv.get(numkeys_at).map(|&count| unsafe { api::bytes(count) });
    let flags = docs::key_flags(spec) as c_int;
    for position in positions(numkeys_at, count.unwrap_or_default(), argv.len()) {
        // SAFETY: the context is live and asks for positions.
        unsafe { api!(RedisModule_KeyAtPosWithFlags(ctx.raw(), position as c_int, flags)) };
    }
    true
}

/// The positions of `count` keys behind their number. None if it is not a number, or if there are
/// fewer arguments.
fn positions(numkeys_at: usize, count: &[u8], arguments: usize) -> std::ops::Range<usize> {
    let first = numkeys_at.saturating_add(1);
    let count: Option<usize> = std::str::from_utf8(count).ok().and_then(|text| text.parse().ok());
    let end = count.and_then(|count| first.checked_add(count)).filter(|&end| end <= arguments);
    first..end.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::positions;

    #[test]
    fn counted_keys_are_found() {
        assert_eq!(positions(2, b"2", 7), 3..5);
        assert_eq!(positions(2, b"4", 7), 3..7);
    }

    #[test]
    fn a_wrong_count_names_no_keys() {
        for count in [b"5".as_slice(), b"", b"-1", b"x", b"18446744073709551615", b"\xff"] {
            assert!(positions(2, count, 7).is_empty());
        }
    }
}
