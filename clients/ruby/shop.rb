# frozen_string_literal: true

# A small shop: ruby shop.rb 6379 [--cluster]

require "redis_cluster_client"
require_relative "lib/redis_stock"

module Shop
  include RedisStock

  # One hash tag: the pools of a cart share a slot.
  PEN = "{618}pen"
  INK = "{618}ink"
  CAP = "{618}cap"

  module_function

  # What a buyer is told.
  def tell(refusal)
    case refusal
    in Limited[limit:, used:, max:] then "LIMITED #{limit}, #{used} of #{max}"
    in SoldOut[available:] then "SOLDOUT, #{available} left"
    else "#{refusal.word} #{refusal.key}"
    end
  end

  def sell(shop)
    # Before the sale. NX: a second run does not put sold units back.
    shop.pipelined do |pipe|
      pipe.set(PEN, 10, nx: true)
      pipe.set(INK, 5, nx: true)
      pipe.set(CAP, "UNLIMITED", nx: true)
      pipe.limit(PEN, "user", 2, per: "DAY")
      pipe.limit(CAP, "user", 4)
    end
    puts "preloaded"

    # One call per sale: it checks stock and limits, takes the units, and remembers the order.
    taken = shop.reserve(PEN, "order-1", 2, ex: 900, attributes: { user: 42 })
    puts "held: #{taken.quantity}, #{taken.available} left"
    # Where an answer gets lost the call is made again, and `Exists` says where the order stands.
    { "order-lost" => 43, "order-slow" => 44 }.each do |order, user|
      answer = shop.reserve(PEN, order, 1, ex: 900, attributes: { user: user })
      puts "held: #{order}" unless answer.refused?
    end
    puts "refused: #{tell(shop.reserve(PEN, "order-2", 1, attributes: { user: 42 }))}"
    puts "refused: #{tell(shop.reserve(INK, "order-3", 6, attributes: { user: 45 }))}"

    # A cart: all of it, or nothing.
    cart = shop.reserve_cart("order-cart", { PEN => 1, INK => 1, CAP => 2 }, ex: 900, attributes: { user: 45 })
    puts "cart held" unless cart.refused?
    no = shop.reserve_cart("order-cart-2", { INK => 3, CAP => 3 }, attributes: { user: 45 })
    puts "cart refused: #{no.word} #{no.key}"

    # Paid, cancelled, and the page that polls.
    paid = shop.confirm(PEN, "order-1")
    puts "paid: #{paid.quantity} #{paid.sold}"
    puts "cart paid" unless shop.confirm_cart("order-cart", [PEN, INK, CAP]).refused?
    back = shop.release(PEN, "order-lost")
    puts "cancelled: #{back.quantity} #{back.available}"
    order = shop.order(PEN, "order-1")
    puts "poll: #{order.state} #{order.quantity}"

    # The payment comes when the hold is over.
    shop.reserve(INK, "order-late", 1, px: 1, attributes: { user: 46 })
    sleep 0.05
    late = shop.confirm(INK, "order-late")
    if late.refused?
      puts "too late: #{late.word}"
      puts "honoured: OK #{shop.confirm(INK, "order-late", late: true).quantity}"
    end

    # One of the two pens comes back. The token makes the refund repeatable.
    refund = shop.refund(PEN, "order-1", quantity: 1, token: "refund-1")
    puts "refunded: #{refund.quantity} #{refund.available} #{refund.sold}"

    # Errors are bugs of the caller, and not caught by a shop.
    [["order-1", { user: 42 }], ["order-4", nil]].each do |id, attributes|
      shop.reserve(PEN, id, 1, attributes: attributes)
    rescue RedisStock::Bug => bug
      puts "bug: #{bug.code}"
    end
    puts "left: #{shop.available(PEN, INK).join(" ")}"
  end

  def open(port, cluster)
    return RedisClient.cluster(nodes: ["redis://127.0.0.1:#{port}"], timeout: 0.5).new_client if cluster

    RedisClient.new(host: "127.0.0.1", port: port, timeout: 0.5)
  end
end

Shop.sell(RedisStock::Stock.new(Shop.open(ARGV.first, ARGV.include?("--cluster")))) if $PROGRAM_NAME == __FILE__
