# frozen_string_literal: true

require_relative "redis_stock"
