# frozen_string_literal: true

module RedisStock
  # A method for each command. What is asked of them is in docs/reference/commands.md.
  #
  # Every call carries an order id or a token, so the same call again changes nothing. A time to hold is one of `ex` (seconds), `px`
  # (milliseconds) and `pxat` (Unix time in milliseconds); `attributes` are what limits count by: `{ user: 42 }`. `note` says who and why: it is
  # published with the change, in the pool's event stream, and kept nowhere else. Reads of a pool, or order, that is not there give nil.
  module Commands
    # `replaces`: an order whose hold is given up in the same step; it is kept where this one is refused.
    def reserve(key, order, quantity, ex: nil, px: nil, pxat: nil, partial: false, replaces: nil, attributes: nil)
      words = ["STOCK.RESERVE", key, order, quantity]
      hold(words, ex, px, pxat)
      words << "PARTIAL" if partial
      words << "REPLACES" << replaces if replaces
      count_by(words, attributes) if attributes
      decide(words, Held)
    end

    # What `reserve` of a new order would answer.
    def check(key, quantity, attributes: nil)
      words = ["STOCK.CHECK", key, quantity]
      count_by(words, attributes) if attributes
      decide(words, Held, read: true)
    end

    # Turns a hold into a sale. `late`: also one that has expired, if stock and limits still allow it.
    def confirm(key, order, quantity: nil, late: false, since_ms: nil, attributes: nil)
      words = ["STOCK.CONFIRM", key, order]
      words << "QTY" << quantity if quantity
      words << "LATE" if late
      words << "SINCE" << since_ms if since_ms
      count_by(words, attributes) if attributes
      decide(words, Confirmed)
    end

    # Up to 128 orders, `[order, quantity, attributes]` each, all with the same dimensions. Each is judged as by a `reserve` of its own: a
    # list of their answers, with a Bug in the place of an error reply.
    def reserve_batch(key, orders, ex: nil, px: nil, pxat: nil)
      dims = (orders.first&.at(2) || {}).keys
      words = ["STOCK.RESERVEBATCH", key]
      hold(words, ex, px, pxat)
      words.push("DIMS", dims.size, *dims) unless dims.empty?
      words << "ORDERS" << orders.size
      orders.each do |order, quantity, attributes|
        attributes ||= {}
        unless attributes.size == dims.size && dims.all? { |dim| attributes.key?(dim) }
          raise ArgumentError, "the orders of a batch have the same dimensions"
        end

        words.push(order, quantity, *attributes.values_at(*dims))
      end
      perform(words) { |replies| replies.map { |reply| Replies.of_batch(reply, Held) } }
    end

    # Up to 128 orders, each judged as by a `confirm` of its own.
    def confirm_batch(key, orders)
      words = ["STOCK.CONFIRMBATCH", key, "ORDERS", orders.size, *orders]
      perform(words) { |replies| replies.map { |reply| Replies.of_batch(reply, Confirmed) } }
    end

    # Gives up a hold. NOORDER is remembered: a `reserve` that arrives later takes nothing.
    def release(key, order) = decide(["STOCK.RELEASE", key, order], Released)

    # The hold's new total.
    def amend(key, order, quantity) = decide(["STOCK.AMEND", key, order, quantity], Amended)

    # Some units of a hold become an order of their own, with the same deadline.
    def split(key, order, part, quantity) = decide(["STOCK.SPLIT", key, order, part, quantity], Split)

    # Moves the deadline of a hold, never to an earlier time.
    def extend_hold(key, order, ex: nil, px: nil, pxat: nil)
      decide(hold(["STOCK.EXTEND", key, order], ex, px, pxat), Extended)
    end

    # RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. `late`: also of an order that is
    # forgotten; with `attributes` its buyer's limits get the units back, too.
    def refund(key, order, quantity: nil, token: nil, late: false, keep_usage: false, no_restock: false, attributes: nil)
      words = ["STOCK.RETURN", key, order]
      words << "QTY" << quantity if quantity
      words << "TOKEN" << token if token
      words << "LATE" if late
      words << "KEEPUSAGE" if keep_usage
      words << "NORESTOCK" if no_restock
      count_by(words, attributes) if attributes
      decide(words, Returned)
    end

    # MRESERVE: `lines` are `{ pool => quantity }`. All of it, or nothing. In a cluster the pools share a hash tag. `replaces`: a cart whose holds in
    # these pools are given up in the same step; a pool in which only that one has units has quantity 0.
    def reserve_cart(order, lines, ex: nil, px: nil, pxat: nil, replaces: nil, attributes: nil)
      words = hold(cart("STOCK.MRESERVE", lines, order), ex, px, pxat)
      words << "REPLACES" << replaces if replaces
      count_by(words, attributes) if attributes
      decide(words, CartHeld)
    end

    # MCONFIRM: the pools, or `{ pool => quantity }` to sell less than is held and release the rest.
    def confirm_cart(order, keys, late: false)
      words = cart("STOCK.MCONFIRM", keys, order)
      words << "LATE" if late
      decide(words, Done)
    end

    # MSPLIT: `lines`, `{ pool => quantity }`, go over to `part`. In all pools or in none.
    def split_cart(order, part, lines) = decide(cart("STOCK.MSPLIT", lines, order, part), Done)

    # MRELEASE.
    def release_cart(order, keys) = decide(cart("STOCK.MRELEASE", keys, order), Done)

    # MEXTEND.
    def extend_cart(order, keys, ex: nil, px: nil, pxat: nil)
      decide(hold(cart("STOCK.MEXTEND", keys, order), ex, px, pxat), Done)
    end

    # MRETURN: all that is left, in all pools or in none.
    def refund_cart(order, keys, keep_usage: false, no_restock: false)
      words = cart("STOCK.MRETURN", keys, order)
      words << "KEEPUSAGE" if keep_usage
      words << "NORESTOCK" if no_restock
      decide(words, Done)
    end

    # Creates the pool, or corrects what is on hand ("UNLIMITED", too). nil where `nx` or `xx` forbade it; after a lost answer NX may have
    # been the call's own doing. With `nx`, `policy` (JSON) is the pool's from its first moment on.
    def set(key, on_hand, nx: false, xx: false, policy: nil, note: nil)
      words = ["STOCK.SET", key, on_hand]
      words << "NX" if nx
      words << "XX" if xx
      words << "POLICY" << policy if policy
      change(words, note)
    end

    # A restock, or a write-off (negative). The token, the delivery's number say, makes it repeatable.
    def add(key, delta, token, note: nil)
      words = ["STOCK.ADD", key, delta, "TOKEN", token]
      words << "NOTE" << note if note
      decide(words, Added)
    end

    # Moves free units to another pool of the same slot. The token makes it repeatable.
    def transfer(from, to, quantity, token, note: nil)
      words = ["STOCK.TRANSFER", from, to, quantity, "TOKEN", token]
      words << "NOTE" << note if note
      decide(words, Transferred)
    end

    # Corrects what is on hand. `after` is epoch, seq and out of the last event that the database has followed.
    def reconcile(key, on_hand, after: nil, dry_run: false, note: nil)
      words = ["STOCK.RECONCILE", key, on_hand]
      words.push("AFTER", *after) if after
      words << "DRYRUN" if dry_run
      words << "NOTE" << note if note
      decide(words, Reconciled)
    end

    def suspend(key, note: nil) = change(["STOCK.SUSPEND", key], note)

    def resume(key, note: nil) = change(["STOCK.RESUME", key], note)

    # Replaces the whole policy; with `merge` (a JSON merge patch) only what it names.
    def set_policy(key, json, merge: false, note: nil)
      words = ["STOCK.SETPOLICY", key, json]
      words << "MERGE" if merge
      change(words, note)
    end

    # From when and until when the pool sells, in Unix ms; "NONE" removes a bound, nil leaves it.
    def schedule(key, from_ms: nil, until_ms: nil, note: nil)
      words = ["STOCK.SCHEDULE", key]
      words << "FROM" << from_ms if from_ms
      words << "UNTIL" << until_ms if until_ms
      change(words, note)
    end

    # Sets a limit, or for the values of `override` another maximum. `rolling`: the last `per` seconds, whenever one looks.
    def limit(key, by, max, per: nil, rolling: false, tz: nil, count: nil, missing: nil, note: nil, override: nil)
      words = window(["STOCK.LIMIT", key, by, max], per, rolling)
      words << "TZ" << tz if tz
      words << "COUNT" << count if count
      words << "MISSING" << missing if missing
      change(words, note, override)
    end

    # Removes a limit with its usage, or one override: how many were removed.
    def unlimit(key, by, per: nil, rolling: false, count: nil, note: nil, override: nil)
      words = window(["STOCK.UNLIMIT", key, by], per, rolling)
      words << "COUNT" << count if count
      words << "NOTE" << note if note
      words.push("FOR", *override) if override
      perform(words) { |reply| Replies.count(reply) }
    end

    # Returns due holds now: how many.
    def sweep(key, count: nil)
      words = ["STOCK.SWEEP", key]
      words << "COUNT" << count if count
      perform(words) { |reply| Replies.count(reply) }
    end

    # What can be reserved now, in each pool: -1 unlimited, nil no pool. In a cluster the pools share a hash tag.
    def available(*keys) = perform(["STOCK.AVAILABLE", *keys], read: true) { |reply| reply }

    # Why `reserve` of a new order (of one unit, if not said) would be answered as it would, step by step.
    def explain(key, quantity = nil, attributes: nil)
      words = ["STOCK.EXPLAIN", key]
      words << quantity if quantity
      count_by(words, attributes) if attributes
      show(words) { |reply| Replies.explanation(reply) }
    end

    # Everything about a pool; with `returning` also when held units come back if nobody pays.
    def get(key, returning: false)
      words = ["STOCK.GET", key]
      words << "RETURNING" if returning
      show(words) { |reply| Replies.pool(reply) }
    end

    def order(key, order) = show(["STOCK.ORDER", key, order]) { |reply| Replies.order(reply) }

    # One page of all orders. `attributes`: those of a buyer, as far as limits or the policy's `remember` name them.
    def orders(key, cursor = "0", state: nil, details: false, count: nil, attributes: nil)
      words = ["STOCK.ORDERS", key, cursor]
      words << "STATE" << state if state
      words << "DETAILS" if details
      words << "COUNT" << count if count
      count_by(words, attributes) if attributes
      show(words) { |reply| Replies.order_page(reply) }
    end

    # What each limit has counted for these attributes; `top`: for those that used most.
    def usage(key, top: nil, attributes: nil)
      words = ["STOCK.USAGE", key]
      words << "TOP" << top if top
      count_by(words, attributes) if attributes
      show(words) { |reply| Replies.rows(reply, Usage) }
    end

    def limits(key) = show(["STOCK.LIMITS", key]) { |reply| Replies.rows(reply, Limit) }

    # The policy, as JSON that `set_policy` takes.
    def policy(key) = show(["STOCK.POLICY", key]) { |reply| reply }

    # Recomputes every sum of the pool: the differences, none where all is right. Slow.
    def verify(key) = show(["STOCK.VERIFY", key]) { |reply| Replies.differences(reply) }

    private

    # What mixes this in has `perform(words, read: false) { |reply| answer }`.

    def decide(words, done, read: false)
      perform(words, read: read) { |reply| Replies.decision(reply, done) }
    end

    def show(words)
      perform(words, read: true) { |reply| reply.nil? ? nil : yield(reply) }
    end

    def change(words, note, override = nil)
      words << "NOTE" << note if note
      words.push("FOR", *override) if override
      perform(words) { |reply| Replies.done(reply) }
    end

    # The first pool behind the count is the place that COMMAND shows, by which a cluster client finds the node.
    def cart(verb, pools, *ids)
      lines = pools.is_a?(Hash)
      keys = lines ? pools.keys : pools
      words = [verb, *ids, keys.size, *keys]
      words.push("QTY", *pools.values) if lines
      words
    end

    def hold(words, ex, px, pxat)
      words << "EX" << ex if ex
      words << "PX" << px if px
      words << "PXAT" << pxat if pxat
      words
    end

    def window(words, per, rolling)
      words << "PER" << per if per
      words << "ROLLING" if rolling
      words
    end

    def count_by(words, attributes)
      words.push("FOR", *attributes.flatten) unless attributes.empty?
    end
  end
end
