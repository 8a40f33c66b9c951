# frozen_string_literal: true

require "json"

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

  # What a buyer puts down in `{NAME}asks` after this answer of reserve, so that a balancer brings it from other buckets; nil where no other
  # bucket can help, and the answer is final. `by` is the dimension by which buckets are chosen. The order and the values must be text.
  def self.ask_of(answer, order, bucket, quantity, by)
    wanted = wanted_of(answer, quantity, by) or return
    JSON.generate([text(order), bucket, *wanted])
  end

  # So many units, or so much of a limit.
  def self.wanted_of(answer, quantity, by)
    return [quantity] if answer.is_a?(SoldOut)
    return unless answer.is_a?(Limited)

    # A limit that names the bucket's dimension is whole in the bucket, and so is one on a single order.
    dimensions, window, count = answer.limit.split("/")
    return if dimensions.split("+").include?(by) || window == "order"

    [count == "units" ? quantity : 1, text(answer.limit), answer.value.map { |value| text(value) }]
  end

  def self.text(bytes) = bytes.to_s.dup.force_encoding(Encoding::UTF_8)
  private_class_method :wanted_of, :text
end
