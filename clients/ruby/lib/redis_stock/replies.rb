# frozen_string_literal: true

module RedisStock
  # Makes answers of replies, in RESP2 and RESP3. A reply is taken apart, and not to be used again.
  module Replies
    FIELDS = { "SOLDOUT" => SoldOut, "LIMITED" => Limited, "CLOSED" => Closed, "EARLY" => Early, "ENDED" => Ended, "EXISTS" => Exists }.freeze
    private_constant :FIELDS

    module_function

    # Of a status word and what follows: `done` is made of OK.
    def decision(reply, done)
      word = reply.shift
      return done.new(*reply).freeze if word == "OK"

      known = FIELDS[word]
      (known ? known.new(*reply) : Refused.new(reply.first, word)).freeze
    end

    # Of an order of a batch: its error stands in place of its answer.
    def of_batch(reply, done)
      reply.is_a?(RedisClient::Error) ? Error.of(reply) : decision(reply, done)
    end

    # SET, LIMIT and their like; nil where NX or XX forbade it.
    def done(reply)
      return decision(reply, Done) if reply.is_a?(Array)

      reply && Done.new.freeze
    end

    # SWEEP, UNLIMIT: how many.
    def count(reply)
      reply.is_a?(Array) ? decision(reply, Done) : reply
    end

    def pool(reply)
      fields = map(reply)
      fields["suspended"] = fields["suspended"] == 1
      fields["unlimited"] = fields["unlimited"] == 1
      fields["orders"] = map(fields["orders"])
      fields["returning"] &&= map(fields["returning"])
      row(Pool, fields)
    end

    def order(reply)
      fields = map(reply)
      Order.new(fields["state"], fields["qty"], fields["returned"], fields["deadline_ms"], map(fields["for"])).freeze
    end

    def order_page(reply)
      cursor, flat = reply
      pairs = flat.each_slice(2).map { |id, state| [id, state.is_a?(String) ? state : order(state)] }
      OrderPage.new(cursor, pairs).freeze
    end

    def rows(reply, kind)
      reply.map { |one| row(kind, map(one)) }
    end

    def explanation(reply)
      fields = map(reply)
      code, text = fields["answer"]
      # An error is shown as its code and its text.
      is_error = %w[CONFLICT NODIM ERR].include?(code)
      fields["answer"] = is_error ? Bug.new(code, "#{code} #{text}") : decision(fields["answer"], Held)
      fields["exists"] = fields["exists"] == 1
      if fields.key?("limits")
        fields["suspended"] = fields["suspended"] == 1
        fields["stock"] = row(ExplainedStock, map(fields["stock"]))
        fields["limits"] = rows(fields["limits"], ExplainedLimit)
        fields["returning"] = map(fields["returning"])
      end
      row(Explanation, fields)
    end

    # VERIFY: the differences, none where all is right.
    def differences(reply)
      reply.is_a?(Array) ? reply : []
    end

    # RESP3 has maps, RESP2 flat arrays.
    def map(reply)
      reply.is_a?(Array) ? reply.each_slice(2).to_h : reply || {}
    end

    # Fields that this library does not know are left out.
    def row(kind, fields)
      kind.new(*kind.members.map { |name| fields[name.name] }).freeze
    end
  end
end
