# frozen_string_literal: true

require "json"

module RedisStock
  # Sells a sharded pool: docs/guides/hot-sku.md. The buyer's bucket follows from one attribute; where it is empty while others still have
  # units, a balancer (`stockctl balance`) is asked for them, and the same call is made again.
  #
  #   pool = RedisStock::ShardedPool.new(shop, "sku:618")
  #   answer = pool.reserve("order-1", 1, attributes: { user: 42 }, ex: 900)
  class ShardedPool
    # Seconds until the next look at the own bucket.
    LOOK = 0.004
    private_constant :LOOK

    # The dimension that says the bucket, and the pools.
    attr_reader :by, :buckets

    # `wait`: so many seconds a buyer waits for units of other buckets.
    def initialize(stock, name, wait: 0.2)
      @stock = stock
      @wait = wait
      @left = "{#{name}}left"
      @asks = "{#{name}}asks"
      config = @stock.call("GET", "{#{name}}shards") or raise ArgumentError, "no sharded pool: #{name}"
      @by, @buckets = JSON.parse(config).values_at("by", "buckets")
    end

    # The pool in which the orders of this buyer are: keep it with the order, for payments and returns.
    def key(attributes) = @buckets[bucket(attributes)]

    # What all buckets have together, as a balancer says it; nil where none is at work.
    def left = @stock.call("GET", @left)&.to_i

    # Reserves in the buyer's bucket; options are those of `reserve` of Stock. SOLDOUT is final where `left` says so; without a balancer it is of
    # the bucket alone.
    def reserve(order, quantity, attributes:, **options)
      at = bucket(attributes)
      give_up = now + @wait
      loop do
        answer = @stock.reserve(@buckets[at], order, quantity, attributes: attributes, **options)
        ask = RedisStock.ask_of(answer, order, at, quantity, @by)
        return answer if ask.nil?

        left = self.left
        return answer if left.nil? || left < quantity || now > give_up

        @stock.call("RPUSH", @asks, ask)
        sleep(LOOK)
      end
    end

    private

    def bucket(attributes)
      value = attributes.fetch(@by.to_sym) { attributes.fetch(@by) }
      RedisStock.bucket_of(value, @buckets.size)
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
