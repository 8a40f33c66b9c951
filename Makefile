# Each target is one obvious command line. `make` alone says what there is.
PORT ?= 6379
REDIS_SERVER ?= redis-server
TARGET := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(TARGET)/release/libredis_stock.so
export REDIS_SERVER

.PHONY: help deps deps-examples examples build run test model demo bench golden

help:
	@echo "make run     build, start Redis with the module on port $(PORT)"
	@echo "make test    every test"
	@echo "make demo    replay a flash sale; with DATA=file.csv.gz real purchases"
	@echo "make model   the core against the naive model, OPS=1000000 calls a profile"
	@echo "make examples  the examples of the client libraries"
	@echo "make bench   RESERVE with three limits beside the Lua script that it replaces; LUA=path of the script"

# Installs what is missing, where apt can.
deps:
	@sh scripts/deps.sh

# Also Python, Node.js and the client libraries, which the tests of the examples need.
deps-examples:
	@sh scripts/deps.sh examples

build: deps
	cargo build --release

run: build
	@sh scripts/run.sh "$(MODULE)" "$(PORT)"

test: deps-examples
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

# The examples of the client libraries alone.
examples: deps-examples
	cargo test --test clients

model: deps
	STOCK_MODEL_OPS=$(or $(OPS),1000000) cargo test --test model agreement -- --nocapture

demo: build
	cargo run --release -p stock-demo -- --module "$(MODULE)" $(if $(DATA),--data "$(DATA)")

bench: build
	@sh scripts/bench.sh "$(MODULE)" "$(LUA)"

# Writes the golden files of the encoding's current version. Only after it has changed, with a new version.
golden: deps
	STOCK_WRITE_GOLDEN=1 cargo test --test model golden
