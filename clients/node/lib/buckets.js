// Sharded pools, docs/guides/hot-sku.md: whose bucket is whose, and what to ask for where it is empty.

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

/**
 * What a buyer puts down in `{NAME}asks` after this answer of reserve, so that a balancer brings it from other buckets; null:
 * no other bucket can help, and the answer is final. `by` is the dimension by which buckets are chosen: a limit that names it
 * is whole in the bucket, and so is one on a single order.
 */
export function askOf(answer, { order, bucket, quantity, by }) {
  if (answer.word === "SOLDOUT") return JSON.stringify([order, bucket, quantity]);
  if (answer.word !== "LIMITED") return null;
  const [dims, window, counted] = answer.limit.split("/");
  if (dims.split("+").includes(by) || window === "order") return null;
  return JSON.stringify([order, bucket, counted === "units" ? quantity : 1, answer.limit, answer.value.map(String)]);
}
