//! The bucket of a value in a sharded pool: docs/guides/hot-sku.md.

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
