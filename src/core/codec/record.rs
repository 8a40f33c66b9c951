//! The kinds of records in a chunk, in the order in which a pool is saved.

pub const HEADER: u8 = 1;
pub const EPOCH: u8 = 2;
pub const LIMIT: u8 = 3;
pub const OVERRIDE: u8 = 4;
pub const TOKEN: u8 = 5;
pub const USAGE: u8 = 6;
pub const ORPHANED: u8 = 7;
pub const DETACHED: u8 = 8;
pub const ORDER: u8 = 9;
pub const RETURN: u8 = 10;
pub const END: u8 = 11;
/// The named time zone of the limit before it, and the window in which it counts.
pub const LIMIT_ZONE: u8 = 17;
/// What callers have returned to one usage for forgotten orders.
pub const CREDIT: u8 = 18;
/// The sale window, of a pool that has one.
pub const SALE: u8 = 14;
/// A token of TRANSFER.
pub const TRANSFER_TOKEN: u8 = 15;
/// The dimensions of a policy's `remember`.
pub const REMEMBER: u8 = 20;
/// What has shifted between the pool and a peer.
pub const SHIFTS: u8 = 16;
/// Without content: entries of the event stream are packed.
pub const PACKED_EVENTS: u8 = 22;
/// Attributes that an order keeps, and the order as in [`ORDER`].
pub const REMEMBERING_ORDER: u8 = 21;

/// The kind behind which a record stands: kinds of version 1 stand in the order of their numbers,
/// later ones between them.
pub const fn rank(kind: u8) -> (u8, u8) {
    match kind {
        LIMIT_ZONE => (LIMIT, kind),
        CREDIT => (DETACHED, kind),
        SHIFTS => (TOKEN, kind),
        SALE => (HEADER, kind),
        REMEMBER | PACKED_EVENTS => (EPOCH, kind),
        REMEMBERING_ORDER => (ORDER, 0),
        TRANSFER_TOKEN => (TOKEN, 0),
        _ => (kind, 0),
    }
}
