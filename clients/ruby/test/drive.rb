# frozen_string_literal: true

# What the tests ask of every client library: drive.rb redis-client PORT [--cluster] [--resp3] [--replicas] MODE [ARGS]. See clients/README.md.

require "json"
require_relative "../shop"

$stdout.sync = true
FLAGS, WORDS = ARGV.partition { |word| word.start_with?("--") }
_, PORT, MODE, *REST = WORDS
WITHIN = Float(ENV.fetch("STOCK_PATIENCE_MS", 10_000)) / 1000
REPLICAS = FLAGS.include?("--replicas")

def connect
  options = { timeout: MODE == "collect" ? 5 : 0.5, protocol: FLAGS.include?("--resp3") ? 3 : 2 }
  if FLAGS.include?("--cluster")
    return RedisClient.cluster(nodes: ["redis://127.0.0.1:#{PORT}"], replica: REPLICAS, **options).new_client
  end

  config = RedisClient.config(host: "127.0.0.1", port: PORT, **options)
  MODE == "collect" ? config.new_pool(size: 5) : config.new_client
end

# In the strings of the vectors a character is a byte.
def raw(value)
  case value
  when String then value.encode(Encoding::ISO_8859_1).force_encoding(Encoding::UTF_8)
  when Array then value.map { |one| raw(one) }
  when Hash then value.to_h { |name, one| [raw(name), raw(one)] }
  else value
  end
end

def latin(value)
  case value
  when String then value.dup.force_encoding(Encoding::ISO_8859_1).encode(Encoding::UTF_8)
  when Array then value.map { |one| latin(one) }
  when Hash then value.to_h { |name, one| [latin(name.to_s), latin(one)] }
  when Struct then latin(value.to_h)
  else value
  end
end

# The typed call of a vector.
def typed(to, method, given)
  given = given.transform_keys(&:to_sym)
  key, order, quantity, keys, note = given.values_at(:key, :order, :quantity, :keys, :note)
  lines = given[:lines].to_h
  hold = given.fetch(:hold, {}).transform_keys(&:to_sym)
  # Of LIMIT and UNLIMIT they are values, without names.
  pairs = given[:for].is_a?(Array) && given[:for].all?(Array)
  buyer = pairs ? { attributes: given[:for].to_h } : {}
  some = ->(*names) { given.slice(*names) }
  case method
  when "reserve" then to.reserve(key, order, quantity, **hold, **some.(:partial, :replaces), **buyer)
  when "check" then to.check(key, quantity, **buyer)
  when "confirm" then to.confirm(key, order, **some.(:quantity, :late, :since_ms), **buyer)
  when "release" then to.release(key, order)
  when "amend" then to.amend(key, order, quantity)
  when "extend" then to.extend_hold(key, order, **hold)
  when "return" then to.refund(key, order, **some.(:quantity, :token, :late, :keep_usage, :no_restock), **buyer)
  when "split" then to.split(key, order, given[:part], quantity)
  when "reservebatch"
    dims = given.fetch(:dims, [])
    to.reserve_batch(key, given[:orders].map { |id, units, *values| [id, units, dims.zip(values).to_h] }, **hold)
  when "confirmbatch" then to.confirm_batch(key, given[:orders])
  when "mreserve" then to.reserve_cart(order, lines, **hold, **some.(:replaces), **buyer)
  when "mconfirm" then to.confirm_cart(order, keys || lines, **some.(:late))
  when "msplit" then to.split_cart(order, given[:part], lines)
  when "mrelease" then to.release_cart(order, keys)
  when "mextend" then to.extend_cart(order, keys, **hold)
  when "mreturn" then to.refund_cart(order, keys, **some.(:keep_usage, :no_restock))
  when "set"
    only_if = given.key?(:only_if) ? { given[:only_if].downcase.to_sym => true } : {}
    to.set(key, given[:on_hand], **only_if, note: note, **some.(:policy))
  when "add" then to.add(key, given[:delta], given[:token], note: note)
  when "transfer" then to.transfer(key, given[:to], quantity, given[:token], note: note)
  when "reconcile" then to.reconcile(key, given[:on_hand], after: given[:after]&.values, note: note, **some.(:dry_run))
  when "suspend" then to.suspend(key, note: note)
  when "resume" then to.resume(key, note: note)
  when "schedule" then to.schedule(key, note: note, **some.(:from_ms, :until_ms))
  when "sweep" then to.sweep(key, **some.(:count))
  when "limit"
    to.limit(key, given[:by], given[:max], note: note, override: given[:for], **some.(:per, :rolling, :tz, :count, :missing))
  when "unlimit" then to.unlimit(key, given[:by], note: note, override: given[:for], **some.(:per, :rolling, :count))
  when "setpolicy" then to.set_policy(key, given[:policy], note: note, **some.(:merge))
  when "policy" then to.policy(key)
  when "limits" then to.limits(key)
  when "usage" then to.usage(key, **some.(:top), **buyer)
  when "explain" then to.explain(key, quantity, **buyer)
  when "get" then to.get(key, **some.(:returning))
  when "available" then to.available(*keys)
  when "order" then to.order(key, order)
  when "orders" then to.orders(key, given[:cursor], **some.(:state, :details, :count), **buyer)
  when "verify" then to.verify(key)
  end
end

# An order as the vectors write it.
def order_fields(order)
  fields = latin(order)
  fields.merge("for" => fields.delete("attributes"))
end

NAMES = { "CartHeld" => "cart_held" }.freeze
READS = { "policy" => "policy", "limits" => "limits", "usage" => "usage", "available" => "available", "verify" => "differences" }.freeze

# A result as the vectors write it.
def result(method, answer)
  case answer
  when RedisStock::Error
    { type: "error", class: answer.class.name.split("::").last.downcase, code: answer.code }
  when RedisStock::Refusal then { type: "refused", word: answer.word, **latin(answer) }
  when nil then { type: "nothing" }
  when RedisStock::Done then { type: "done" }
  when Integer then { type: "count", count: answer }
  when RedisStock::Order then { type: "order", **order_fields(answer) }
  when RedisStock::Pool
    fields = latin(answer)
    fields.delete("returning") if answer.returning.nil?
    { type: "pool", **fields, suspended: answer.suspended? ? 1 : 0, unlimited: answer.unlimited? ? 1 : 0 }
  when RedisStock::OrderPage
    pairs = answer.orders.map { |id, state| [latin(id), state.is_a?(String) ? state : order_fields(state)] }
    { type: "orders", cursor: answer.cursor, orders: pairs }
  when RedisStock::Explanation
    fields = answer.exists? ? latin(answer).merge("suspended" => answer.suspended? ? 1 : 0) : {}
    { type: "explained", **fields, exists: answer.exists? ? 1 : 0, answer: result("reserve", answer.answer) }
  when Array, String
    return { type: "batch", answers: answer.map { |one| result("", one) } } if method.end_with?("batch")

    rows = latin(answer)
    rows.each { |row| row.delete("values") if row["values"].nil? } if method == "usage"
    { type: method == "verify" ? "verified" : method, READS.fetch(method) => rows }
  else
    name = answer.class.name.split("::").last
    { type: NAMES.fetch(name, name.downcase), **latin(answer) }
  end
end

# Makes the typed calls that it reads, one a line, and prints their results.
def driver(stock)
  $stdin.each_line do |line|
    given = raw(JSON.parse(line))
    shown = if given.is_a?(Array)
      answers = stock.pipelined { |pipe| given.each { |call| typed(pipe, call["method"], call["args"]) } }
      given.zip(answers).map { |call, answer| result(call["method"], answer) }
    elsif given.key?("ask")
      # Text, unlike the words of the other vectors.
      given = JSON.parse(line)
      refused = given["refused"]
      answer = case refused["word"]
      when "SOLDOUT" then RedisStock::SoldOut.new("k", 0)
      when "LIMITED" then RedisStock::Limited.new("k", refused["limit"], refused["value"], 1, 1, 0)
      else RedisStock::Refused.new("k", refused["word"])
      end
      ask = RedisStock.ask_of(answer, *given["ask"].values_at("order", "bucket", "quantity", "by"))
      ask && JSON.parse(ask)
    elsif given.key?("bucket")
      RedisStock.bucket_of(given["bucket"], given["count"])
    else
      begin
        result(given["method"], typed(stock, given["method"], given["args"]))
      rescue RedisStock::Error => error
        result("", error)
      end
    end
    puts JSON.generate(shown)
  end
end

# Sends what it reads, one JSON list a line: the key, and the words. MARK says that the warm-up is over.
def lines(stock)
  $stdin.each_line do |line|
    if line.strip == "MARK"
      puts "warm"
      $stdin.gets
      next
    end
    _, *words = JSON.parse(line)
    begin
      stock.call(*words, read: REPLICAS)
    rescue RedisStock::Error
      # The arguments are of no interest here.
    end
  end
  puts "done"
end

def carts(stock, tag, count)
  Integer(count).times do |n|
    answer = stock.reserve_cart("order-#{n}", { "{#{tag}}a" => 1, "{#{tag}}b" => 1 })
    puts answer.refused? ? answer.word : (answer.is_a?(RedisStock::Exists) ? "EXISTS" : "OK")
  end
end

# Single calls in turn, and the lower quarter of each, since whatever else runs on the machine only adds.
def bench(stock, client, count)
  client.call("STOCK.SET", "bench", "UNLIMITED")
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  ours, theirs = [], []
  library = ->(n) { stock.reserve("bench", "a#{n}", 1, ex: 900, attributes: { user: n }) }
  bare = ->(n) { client.call("STOCK.RESERVE", "bench", "b#{n}", 1, "EX", 900, "FOR", "user", n) }
  count.times do |n|
    # Which of the two comes first changes.
    both = [[library, ours], [bare, theirs]]
    both.reverse! if n.odd?
    both.each do |call, times|
      start = now.()
      call.(n)
      times << now.() - start
    end
  end
  call, library = [theirs, ours].map { |times| times.sort[count / 4] }
  puts format("redis-client: a bare call takes %.0f us, the library %+.1f %%", call * 1e6, 100 * (library / call - 1))
end

# So many buyers at once, one unit each. The last but one has no dimension that the limit needs; the last one asks for nothing.
def collect(stock, count)
  shop = RedisStock::Collector.new(stock, most: 32)
  # One that goes away does not take its batch with it.
  gone = Thread.new { shop.reserve("k", "gone", 1, ex: 900, attributes: { user: "gone" }) }
  Thread.pass
  gone.kill
  buyers = Array.new(count) do |n|
    Thread.new do
      attributes = n == count - 2 ? nil : { user: n / 2 }
      answer = shop.reserve("k", "o#{n}", n == count - 1 ? 0 : 1, ex: 900, attributes: attributes)
      puts "o#{n} #{answer.refused? ? answer.word : "OK"}\n"
      puts "paid o#{n} #{shop.confirm("k", "o#{n}").refused? ? "NO" : "OK"}\n" if answer.is_a?(RedisStock::Held)
    rescue RedisStock::Error => error
      puts "o#{n} #{error.code}\n"
    end
  end
  buyers.each(&:join)
  shop.close
end

# Buys by a sharded pool: one unit for each user that is named.
def sharded(stock, name, *users)
  pool = RedisStock::ShardedPool.new(stock, name, wait: 10)
  users.each do |user|
    answer = pool.reserve("order-#{user}", 1, attributes: { user: user })
    puts "#{pool.key({ user: user })} #{answer.refused? ? answer.word : "OK"}"
  end
end

# An id that is not one word.
def words(stock)
  shop = RedisStock::Collector.new(stock, senders: 1)
  [
    -> { stock.reserve("k", %w[order 9], 1) },
    -> { stock.reserve("k", { "order" => "9" }, 1) },
    -> { stock.reserve("k", "order", 1, attributes: { user: %w[42 region] }) },
    -> { stock.reserve_batch("k", [[%w[order 9], 1]]) },
    -> { stock.pipelined { |pipe| pipe.reserve("k", %w[order 9], 1) } },
    -> { shop.reserve("k", %w[order 9], 1) }
  ].each do |call|
    call.()
    puts "sent"
  rescue TypeError => error
    puts error.class
  end
  shop.close
end

client = connect
stock = RedisStock::Stock.new(client, within: WITHIN)
case MODE
when "shop" then Shop.sell(stock)
when "driver" then driver(stock)
when "lines" then lines(stock)
when "carts" then carts(stock, *REST)
when "bench" then bench(stock, client, Integer(REST.first || 10_000))
when "collect" then collect(stock, Integer(REST.first))
when "sharded" then sharded(stock, *REST)
when "words" then words(stock)
end
client.close
