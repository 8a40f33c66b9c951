# frozen_string_literal: true

module RedisStock
  # The bucket, 0 to `count` - 1, in which a value of a sharded pool's dimension buys: docs/guides/hot-sku.md.
  def self.bucket_of(value, count)
    hash = 0x811c9dc5
    value.to_s.each_byte { |byte| hash = (hash ^ byte) * 0x01000193 & 0xffffffff }
    hash ^= hash >> 16
    hash = hash * 0x7feb352d & 0xffffffff
    hash ^= hash >> 15
    hash = hash * 0x846ca68b & 0xffffffff
    hash ^= hash >> 16
    hash * count >> 32
  end
end
