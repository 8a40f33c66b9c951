# frozen_string_literal: true

module RedisStock
  # Collects the calls of many threads into one: STOCK.RESERVEBATCH and STOCK.CONFIRMBATCH.
  #
  #   shop = RedisStock::Collector.new(RedisStock::Stock.new(RedisClient.config(timeout: 0.5).new_pool(size: 5)))
  #   answer = shop.reserve("sku:618", "order-6", 2, ex: 900, attributes: { user: 43 })
  #
  # What is asked for within a millisecond goes to the server as one call for each pool, hold and set of dimensions, and every thread gets
  # the answer of its own order. That costs a buyer up to `wait` seconds and spares the server most of a call's cost.
  class Collector
    # The most orders that the server takes in one call.
    MOST = 128

    Ticket = Struct.new(:order, :answer)
    # `together` makes the call of all orders, `alone` that of one; `due` is when it is sent.
    Batch = Struct.new(:due, :together, :alone, :tickets)
    private_constant :Ticket, :Batch

    # A batch is sent when it has `most` orders, or `wait` seconds after its first. So many `senders` are at work: each is a thread, so the
    # client of `stock` is a pool with a connection for each.
    def initialize(stock, most: 64, wait: 0.001, senders: 4)
      raise ArgumentError, "1 to #{MOST} orders" unless most.between?(1, MOST)

      @stock = stock
      @most = most
      @wait = wait
      @count = senders
      @lock = Mutex.new
      @work = ConditionVariable.new
      @closed = false
    end

    # As `reserve` of Stock.
    def reserve(key, order, quantity, ex: nil, px: nil, pxat: nil, attributes: nil)
      attributes = attributes.to_h.sort_by { |name, _| name.to_s }.to_h
      Stock.checked([key, order, quantity, *attributes.values])
      hold = { ex: ex, px: px, pxat: pxat }
      join(
        [:reserve, key, hold, attributes.keys], [order, quantity, attributes],
        ->(orders) { @stock.reserve_batch(key, orders, **hold) },
        ->(shop, (id, units, by)) { shop.reserve(key, id, units, attributes: by, **hold) }
      )
    end

    # As `confirm` of Stock without options.
    def confirm(key, order)
      Stock.checked([key, order])
      join(
        [:confirm, key], order, ->(orders) { @stock.confirm_batch(key, orders) }, ->(shop, id) { shop.confirm(key, id) }
      )
    end

    # Sends what is waiting, and ends the threads.
    def close
      @lock.synchronize do
        @closed = true
        @work.broadcast
      end
      @senders&.each(&:join)
      nil
    end

    private

    def join(group, order, together, alone)
      ticket = Ticket.new(order, Thread::Queue.new)
      @lock.synchronize do
        raise ClosedQueueError, "this collector is closed" if @closed

        start unless @process == Process.pid
        batch = @open[group] ||= Batch.new(now + @wait, together, alone, [])
        batch.tickets << ticket
        @full << @open.delete(group) if batch.tickets.size >= @most
        @work.signal if batch.tickets.size == 1 || batch.tickets.size >= @most
      end
      answer = ticket.answer.pop
      raise answer if answer.is_a?(Exception)

      answer
    end

    # With the first call: the threads of a process that forks do not come with it.
    def start
      @process = Process.pid
      @open = {}
      @full = []
      @senders = Array.new(@count) { Thread.new { send_batches } }
    end

    def send_batches
      while (batch = next_batch)
        answer(batch)
      end
    end

    # The next batch to send; nil where there will be none.
    def next_batch
      @lock.synchronize do
        loop do
          return @full.shift unless @full.empty?

          # They are due in the order in which they were opened.
          group, batch = @open.first
          return if batch.nil? && @closed

          left = batch && batch.due - now
          return @open.delete(group) if batch && (left <= 0 || @closed)

          @work.wait(@lock, left)
        end
      end
    end

    def answer(batch)
      orders = batch.tickets.map(&:order)
      answers = begin
        batch.together.call(orders)
      rescue Bug => error
        raise error unless error.code == "ERR"

        # One order has arguments that the server refuses, and with it the whole call: it must not harm the others.
        @stock.pipelined { |pipe| orders.each { |order| batch.alone.call(pipe, order) } }
      end
      batch.tickets.zip(answers) { |ticket, one| ticket.answer << one }
    rescue StandardError => error
      batch.tickets.each { |ticket| ticket.answer << error }
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
