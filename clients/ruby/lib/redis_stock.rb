# frozen_string_literal: true

# Selling limited stock with redis-stock, through redis-client or redis-cluster-client:
#
#   redis = RedisClient.config(host: "127.0.0.1", timeout: 0.5).new_pool(size: 5)
#   shop = RedisStock::Stock.new(redis)
#   answer = shop.reserve("sku:618", "order-6", 2, ex: 900, attributes: { user: 43 })
module RedisStock
end

require "redis_client"
require_relative "redis_stock/answers"
require_relative "redis_stock/buckets"
require_relative "redis_stock/errors"
require_relative "redis_stock/replies"
require_relative "redis_stock/commands"
require_relative "redis_stock/stock"
require_relative "redis_stock/collector"
require_relative "redis_stock/sharded_pool"
