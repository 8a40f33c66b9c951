# frozen_string_literal: true

module RedisStock
  # What is no answer. `code` is the first word of the server's error reply, nil where no answer came.
  class Error < StandardError
    # Codes that pass by themselves: the node could not serve the call just now, and has done nothing.
    PASSES = %w[TRYAGAIN CLUSTERDOWN LOADING MASTERDOWN READONLY MOVED ASK BUSY].freeze
    UNAVAILABLE = %w[NOREPLICAS OOM MISCONF].freeze
    private_constant :PASSES, :UNAVAILABLE

    attr_reader :code

    def initialize(code, message)
      super(message)
      @code = code
    end

    class << self
      # The one that an error of redis-client stands for; nil for those that say nothing about a call.
      def of(error)
        code = code_of(error)
        return unless code || unanswered?(error)

        kind = if code.nil? || PASSES.include?(code)
          Unsure
        else
          UNAVAILABLE.include?(code) ? Unavailable : Bug
        end
        kind.new(code, error.message)
      end

      private

      def code_of(error)
        # READONLY and MASTERDOWN are connection errors to redis-client, but have a code, too.
        return error.code if error.is_a?(RedisClient::HasCode)
        return unless cluster?(error)

        case error
        when RedisClient::Cluster::ErrorCollection
          codes = error.errors.each_value.map { |one| code_of(one) }
          codes.first unless codes.any?(&:nil?)
        when RedisClient::Cluster::InitialSetupError
          # Of what the nodes said only the text is left.
          error.message[/\b(?:NOAUTH|WRONGPASS|NOPERM)(?= )/]
        end
      end

      def unanswered?(error)
        error.is_a?(RedisClient::ConnectionError) || error.is_a?(RedisClient::ProtocolError) || cluster?(error)
      end

      def cluster?(error)
        defined?(RedisClient::Cluster::Error) && error.is_a?(RedisClient::Cluster::Error)
      end
    end
  end

  # Nobody knows whether the call was done, or no node could serve it within the time limit: make the same call again later, or `release` the
  # order.
  class Unsure < Error; end

  # The server takes no such call now, and has done nothing: raise an alarm, and try later.
  class Unavailable < Error; end

  # A bug of the caller, or of the configuration: CONFLICT, NODIM, ERR, WRONGTYPE, NOPERM, ... Never repeat it.
  class Bug < Error; end
end
