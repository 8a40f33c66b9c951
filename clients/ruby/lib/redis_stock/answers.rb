# frozen_string_literal: true

# What the server answers, as frozen values that `case ... in` takes apart.
module RedisStock
  # The answer of a command that decides something.
  module Answer
    def refused? = false
  end

  # The pool said no, and nothing has changed: something to tell the buyer, not a fault. `key` is the pool that refused, `word` why.
  module Refusal
    include Answer

    def refused? = true
  end

  # RESERVE: `quantity` units are held until `deadline_ms`. CHECK: they would be.
  Held = Struct.new(:quantity, :available, :deadline_ms) { include Answer }
  # CONFIRM: `quantity` units are sold; `sold` in all.
  Confirmed = Struct.new(:quantity, :sold) { include Answer }
  # RELEASE: `quantity` units came back.
  Released = Struct.new(:quantity, :available) { include Answer }
  # AMEND: the hold's new total.
  Amended = Struct.new(:quantity, :available) { include Answer }
  # SPLIT: `quantity` units went over, `left` stay with the order; both until `deadline_ms`.
  Split = Struct.new(:quantity, :left, :deadline_ms) { include Answer }
  # EXTEND: the deadline, never an earlier one.
  Extended = Struct.new(:deadline_ms) { include Answer }
  # RETURN: `quantity` units came back; `sold` are sold in all.
  Returned = Struct.new(:quantity, :available, :sold) { include Answer }
  # MRESERVE: everything is held until `deadline_ms`.
  CartHeld = Struct.new(:deadline_ms) { include Answer }
  # ADD: what is on hand now.
  Added = Struct.new(:on_hand, :available) { include Answer }
  # TRANSFER: what is in the pool that the units came from, and in the one that they went to.
  Transferred = Struct.new(:on_hand, :available, :to_on_hand, :to_available) { include Answer }
  # RECONCILE: the shelf was wrong by `drift`.
  Reconciled = Struct.new(:drift, :on_hand, :available) { include Answer }
  # This call was made before, and nothing was done twice. `state` says where the order stands: `reserved`, `confirmed`, `returned`,
  # `released`, `expired`; after ADD it is `added`, and `quantity` the delta; after TRANSFER `transferred`.
  Exists = Struct.new(:key, :state, :quantity, :returned, :deadline_ms) { include Answer }

  # Done, and nothing more to say: carts, SET, LIMIT and their like.
  class Done
    include Answer

    def ==(other) = other.is_a?(Done)
  end

  # Not enough units; a quantity of `available` may fit.
  SoldOut = Struct.new(:key, :available) do
    include Refusal
    def word = "SOLDOUT"
  end
  # A purchase limit is reached: `used` of `max` by `value`, until `resets_ms` (0: never).
  Limited = Struct.new(:key, :limit, :value, :used, :max, :resets_ms) do
    include Refusal
    def word = "LIMITED"
  end
  # The order is over: `released`, `expired` or `returned`. Buy again under a new order id.
  Closed = Struct.new(:key, :state) do
    include Refusal
    def word = "CLOSED"
  end
  # The sale has not begun: it does at `from_ms`.
  Early = Struct.new(:key, :from_ms) do
    include Refusal
    def word = "EARLY"
  end
  # The sale is over, since `until_ms`.
  Ended = Struct.new(:key, :until_ms) do
    include Refusal
    def word = "ENDED"
  end
  # EXPIRED, CONFIRMED, RESERVED, SUSPENDED, NOORDER, NOPOOL, UNKNOWN, or a word of a newer server.
  Refused = Struct.new(:key, :word) { include Refusal }

  # GET: everything about a pool. `on_hand` is nil where it is unlimited; `orders` counts them by state; `returning`, if asked for,
  # says when held units come back.
  Pool = Struct.new(
    :on_hand, :reserved, :safety, :available, :shortfall, :sold, :out, :suspended, :unlimited, :next_deadline_ms, :seq, :limits, :alert,
    :from_ms, :until_ms, :hold_seconds, :retain_seconds, :retain_paid_seconds, :epoch, :events, :orders, :returning
  ) do
    alias_method :suspended?, :suspended
    alias_method :unlimited?, :unlimited
  end
  # ORDER: where an order stands. `attributes` are those that limits counted, and those that the policy's `remember` names.
  Order = Struct.new(:state, :quantity, :returned, :deadline_ms, :attributes)
  # ORDERS: `cursor` is "0" at the end; `orders` are pairs of order and state, with details of order and `Order`.
  OrderPage = Struct.new(:cursor, :orders)
  # LIMITS: `max` -1 is unlimited; `overrides` are pairs of values and max.
  Limit = Struct.new(:limit, :max, :tz, :missing, :overrides)
  # USAGE: what is used of a limit. `values`, with `top`: by whom.
  Usage = Struct.new(:limit, :values, :used, :max, :remaining, :resets_ms)
  # EXPLAIN: the steps of a decision. `answer` is what `reserve` would answer, or its error. Of a key that is not there all but `exists` and
  # `answer` is nil.
  Explanation = Struct.new(:exists, :suspended, :from_ms, :until_ms, :orders, :max_orders, :missing, :stock, :limits, :answer, :returning) do
    alias_method :exists?, :exists
    alias_method :suspended?, :suspended
  end
  # EXPLAIN: what is on hand, held, kept back and to be had.
  ExplainedStock = Struct.new(:on_hand, :held, :safety, :available)
  # EXPLAIN: one limit. `verdict` is `allows`, `refuses`, `nodim` or `skipped`; of the last two `missing` has the dimensions that were not given.
  ExplainedLimit = Struct.new(:limit, :verdict, :missing, :values, :used, :max, :remaining, :resets_ms)
end
