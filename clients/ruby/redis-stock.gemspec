# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = "redis-stock"
  spec.version = "0.1.0"
  spec.summary = "Selling limited stock with the Redis module redis-stock"
  spec.authors = ["redis-stock"]
  spec.license = "Apache-2.0"
  spec.required_ruby_version = ">= 3.1"
  spec.files = Dir["lib/**/*.rb"] + ["README.md"]
  # For a cluster bring redis-cluster-client, too.
  spec.add_dependency "redis-client", "~> 0.31"
end
