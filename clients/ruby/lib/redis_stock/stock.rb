# frozen_string_literal: true

module RedisStock
  # Sells through redis-client: a RedisClient, a pool of them, or a RedisClient::Cluster. Give it a `timeout`: it bounds one attempt. A client
  # without a pool is for one thread.
  class Stock
    include Commands

    # `within`: seconds in which a call is repeated, the same, until there is an answer. `replica`: a client of a replica, for what only
    # reads; a cluster's client has `replica: true` in its own configuration.
    def initialize(client, within: 10.0, replica: nil)
      @client = client
      @replica = replica || client
      @within = within
    end

    # Sends any command, again and again until there is an answer, and gives the reply as redis-client does.
    def call(*words, read: false) = perform(words, read: read) { |reply| reply }

    # Makes the calls of the block, which gets what they are made through, in one go to each node: their answers in order, an Error in the
    # place of a call that failed.
    #
    #   held, pool = shop.pipelined do |pipe|
    #     pipe.reserve("sku:618", "order-6", 1)
    #     pipe.get("sku:618")
    #   end
    def pipelined
      pipeline = Pipeline.new
      yield pipeline
      calls = pipeline.calls
      answers = Array.new(calls.size)
      todo = calls.each_index.to_a
      pauses = nil
      until todo.empty?
        unsure = send_all(calls, todo, answers)
        todo = todo.select { |n| unsure.key?(n) }
        next if todo.empty? || (pauses ||= Pauses.new(@within)).pause

        todo.each { |n| answers[n] = unsure[n] }
        break
      end
      answers
    end

    # Words as they are sent. redis-client puts the elements of an array, or hash, in its place: an id out of a request's parameters must not
    # become arguments.
    def self.checked(words)
      raise TypeError, "an array, or a hash, in place of one word" if words.any?(Enumerable)

      words
    end

    private

    def perform(words, read: false) = yield(reply_to(words, read))

    # As Commands has it, without a block: this is every sale.
    def decide(words, done, read: false) = Replies.decision(reply_to(words, read), done)

    def reply_to(words, read)
      Stock.checked(words)
      client = read ? @replica : @client
      client.call_v(words)
    rescue RedisClient::Error => error
      repeat(client, words, error)
    end

    def repeat(client, words, error)
      pauses = Pauses.new(@within)
      loop do
        failure = Error.of(error)
        raise failure || error unless failure.is_a?(Unsure) && pauses.pause

        begin
          return client.call_v(words)
        rescue RedisClient::Error => again
          error = again
        end
      end
    end

    # Sends once, and puts the answers in their places: what is still unsure, by its place.
    def send_all(calls, todo, answers)
      # Errors as values: one of a call must not take the answers of the others with it.
      replies = @client.pipelined(exception: false) { |pipe| todo.each { |n| pipe.call_v(calls[n].first) } }
      todo.zip(replies).each_with_object({}) do |(n, reply), unsure|
        failure = Error.of(reply) if reply.is_a?(RedisClient::Error)
        if failure.is_a?(Unsure)
          unsure[n] = failure
        else
          answers[n] = failure || calls[n].last.call(reply)
        end
      end
    rescue RedisClient::Error => error
      failure = Error.of(error)
      raise failure || error unless failure.is_a?(Unsure)

      todo.to_h { |n| [n, failure] }
    end
  end

  # The calls of a pipeline that is being filled: their words, and what makes their answers.
  class Pipeline
    include Commands

    attr_reader :calls

    def initialize
      @calls = []
    end

    private

    def perform(words, read: false, &answer)
      @calls << [Stock.checked(words), answer]
      nil
    end
  end

  # The time that is left for a call: 20 ms, then twice as long each time, up to half a second; shorter by chance, so that clients do not
  # come back together.
  class Pauses
    FIRST = 0.02
    LONGEST = 0.5

    def initialize(within)
      @end = now + within
      @most = FIRST
    end

    # Waits; false where the time is over.
    def pause
      seconds = @most * rand(0.5..1.0)
      return false if now + seconds > @end

      @most = [2 * @most, LONGEST].min
      sleep(seconds)
      true
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
  private_constant :Pauses
end
