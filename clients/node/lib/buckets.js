// The bucket of a value in a sharded pool: docs/guides/hot-sku.md.

/** The bucket, 0 to `count` - 1, in which a value (a string, a number or a Buffer) of the sharded pool's dimension buys. */
export function bucketOf(value, count) {
  let h = 0x811c9dc5;
  for (const byte of Buffer.isBuffer(value) ? value : Buffer.from(String(value))) {
    h = Math.imul(h ^ byte, 0x01000193);
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  h ^= h >>> 16;
  // Below 2^53 for every count that a sharded pool can have.
  return Math.floor(((h >>> 0) * count) / 2 ** 32);
}
