# Each target is one obvious command line. `make` alone says what there is.
PORT ?= 6379
REDIS_SERVER ?= redis-server
TARGET := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(TARGET)/release/libredis_stock.so
export REDIS_SERVER

CAMPAIGN := $(TARGET)/campaign/stock-campaign
.PHONY: docs
.PHONY: vectors
.PHONY: campaign controls fuzz miri mutants suites
.PHONY: servers exchange ledger-databases
.PHONY: shop shop-load compare
.PHONY: dist dist-again package-crates docs-rs packages packages-test services-test images-test docker-test deploy-check msrv
.PHONY: test-first-half test-second-half
.PHONY: help deps deps-tests clients clients-overhead build run test model feed demo bench golden ledger-campaign

help:
	@echo "make run     build, start Redis with the module on port $(PORT)"
	@echo "make shop    a flash sale in the browser: Redis, stock-ledger and a web shop, at one address of 127.0.0.1;"
	@echo "             DATABASE=postgres://… or mysql://… in place of SQLite, ARGS='--units 20 --hold-seconds 15'"
	@echo "make shop-load  page views and orders a second of that shop, and how fast 200 open pages show that it is sold out"
	@echo "make compare  the same buyers on redis-stock and on the designs that shops build instead, below ten minutes;"
	@echo "             writes docs/internals/designs.md; ARGS='--redis' for those in Redis, PAGE= writes nothing"
	@echo "make test    every test"
	@echo "make servers every server and cluster test on Redis 8.2.3, 8.6.3 and Valkey 9.1.2, fetched below target/servers"
	@echo "make exchange  which of these servers hands pools to which, each pair run"
	@echo "make demo    a flash sale in the terminal, Redis killed once, beside a naive shop; HTML=file.html to forward it;"
	@echo "             with DATA=file.csv.gz real purchases"
	@echo "make model   the core against the naive model, OPS=1000000 calls a profile"
	@echo "make ledger-campaign   stock-ledger while everything dies, and its throughput; ONLY=storm for a part, OPS=30000 for less"
	@echo "make ledger-databases  the ledger's tests on PostgreSQL 14, 17 and 18, MariaDB 11.8, MySQL 9.7 and a Galera cluster, fetched below"
	@echo "             target/databases; ONLY=mysql-9.7 for one"
	@echo "make feed    readers of the event streams killed 200 times, a failover, 1,000 reconciliations"
	@echo "make campaign NAME=simulate  attack it for longer; NAME=help lists the campaigns, ARGS='--seeds 100' says how long"
	@echo "make controls                bugs on purpose, which the tests must catch"
	@echo "make fuzz TARGET_OF=codec    a target of fuzz/ under libFuzzer (a C++ compiler), SECONDS=60: arguments, codec, commands, effect, policy"
	@echo "make mutants                 cargo-mutants over the core: all places that fit behind a switch, in one build;"
	@echo "                             ARGS='--shard 0/100' or ARGS='--re PATTERN': one build a place, as cargo mutants takes it"
	@echo "make docs    docs/reference/commands.md from the table of commands, and the answers in the guides"
	@echo "make miri    the unit tests under miri, where a nightly toolchain has it; TESTS=core::store for some of them"
	@echo "make suites  Redis's own test suites, with the module and without"
	@echo "make bench   all measurements, below half an hour a server; writes docs/internals/benchmarks.md and the summary in performance.md."
	@echo "             SERVERS=\"redis-server path/of/valkey-server\"; ROUNDS=1 CALLS=20000 SCALE=0.05 OUT=dir: a short run;"
	@echo "             PART=rows, tails, memory, rdb or shards: that part alone, printed (of tails ONLY=grow, rollover or due); IO_THREADS=2: the server's"
	@echo "             PART=cold: lines that the caches lack in a large pool; PART=against BEFORE=other.so: that build in turns with this one"
	@echo "make clients  the client libraries; CLIENT=python for one"
	@echo "make vectors  writes clients/vectors/vectors.json anew, from a real server"
	@echo "make dist    stripped release builds, a tarball, checksums: target/dist; make dist-again builds it elsewhere, and compares"
	@echo "make packages  Debian packages (cargo-deb): target/packages; make packages-test tries them in Debian 12 and 13 (root, debootstrap)"
	@echo "make services-test  after it: their services under systemd, in namespaces (root)"
	@echo "make docker-test  the images by Docker, and how long a build takes after an edit of a document;"
	@echo "make images-test  the images by buildah, without Docker; make deploy-check  workflows, compose.yaml, Kubernetes (Go)"
	@echo "make msrv    each crate with the oldest compiler that it promises (rustup); make package-crates docs-rs  as crates.io and docs.rs"
	@echo "             build those that are published"
	@echo "make build, make deps, make golden: parts of these"

# Installs what is missing, where apt can.
deps:
	@sh scripts/deps.sh

# Also the databases, Python, Node.js and the client libraries, which the tests need.
deps-tests:
	@sh scripts/deps.sh tests

build: deps
	cargo build --release

run: build
	@sh scripts/run.sh "$(MODULE)" "$(PORT)"

shop: deps
	@echo "Building; the first time this takes about five minutes."
	cargo build --release -p redis-stock -p stock-shop
	DATABASE="$(or $(DATABASE),sqlite)" "$(TARGET)/release/stock-shop" --module "$(MODULE)" --dir "$(TARGET)/shop" $(ARGS)

shop-load: deps
	cargo build --release -p redis-stock -p stock-shop
	cargo run --release -p stock-shop --example load

# Needs the databases, too, and the machine for itself.
PAGE ?= docs/internals/designs.md
compare: deps-tests
	cargo build --release -p redis-stock -p stock-compare
	STOCK_MODULE="$(abspath $(MODULE))" "$(TARGET)/release/stock-compare" $(if $(PAGE),--page "$(PAGE)") $(ARGS)

test: deps-tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --no-run
	$(MAKE) -j2 --output-sync=target test-first-half test-second-half

# The tests wait for servers more than they compute, so two halves run at once.
WITH_DATABASES := ledger shop
test-first-half:
	cargo test --workspace $(addprefix --test ,$(WITH_DATABASES))
	sh scripts/on-servers.sh

test-second-half:
	cargo test --workspace $$(python3 scripts/test-targets.py $(WITH_DATABASES))

# All server and cluster tests on Redis 8.2, 8.6 and Valkey 9.1 (make test runs there what depends on the server).
servers: deps-tests
	sh scripts/on-servers.sh all

# Which server hands pools to which: the table of docs/operating/servers.md.
exchange: build
	sh scripts/servers.sh
	python3 scripts/exchange.py "$(MODULE)" "redis-server=$$(command -v redis-server)" \
		$$(for name in $$(sh scripts/servers.sh list); do echo "$$name=$(TARGET)/servers/$$name/server"; done)

# The client libraries alone; CLIENT=python for one language, CLIENT=ioredis for one library.
clients: deps-tests
	CLIENT="$(CLIENT)" cargo test --workspace --test clients

# What each library costs over its bare call.
clients-overhead: deps-tests
	CLIENT="$(CLIENT)" cargo test --workspace --test clients overhead -- --ignored --nocapture

# What other machines get: docs/operating/install.md.
dist: deps
	@sh scripts/dist.sh

# A second time, from another directory, as of the same commit: the same bytes.
dist-again:
	@sh scripts/dist-again.sh

packages: dist
	@sh scripts/packages.sh

# Installs, enables, upgrades, removes and purges them in a debootstrap of each release; BEFORE names the module of an
# older build, which they then replace.
packages-test:
	@for suite in $(or $(SUITES),bookworm trixie); do sh scripts/packages-test.sh $$suite || exit 1; done

# Their services under systemd, which is booted in what packages-test has unpacked.
services-test:
	@for suite in $(or $(SUITES),bookworm trixie); do sh scripts/services-test.sh $$suite || exit 1; done

# Of the crates that are published: what crates.io would get, built from that alone, and what docs.rs would show.
PUBLISHED := redis-stock stock-balance redis-stock-client stock-ledger stockctl
package-crates:
	cargo package --locked $(addprefix -p ,$(PUBLISHED))

docs-rs:
	RUSTDOCFLAGS="-D warnings --cfg docsrs" cargo doc --locked --no-deps --lib $(addprefix -p ,$(PUBLISHED))

# Each crate with the oldest compiler that it promises; needs rustup.
msrv:
	@sh scripts/msrv.sh

# The images by buildah, on a debootstrap of Debian 12.
images-test:
	@sh scripts/images-test.sh

# The images by Docker, from the compiler to the sale; OPTIONS for more options of docker build.
docker-test:
	@sh scripts/docker-test.sh

# The workflows, compose.yaml and the Kubernetes example; needs Go.
deploy-check:
	cd deploy/check && go run .

# The test vectors of the client libraries, from clients/vectors/calls.txt.
vectors: deps
	STOCK_WRITE_VECTORS=1 cargo test --workspace --test clients libraries::vectors

model: deps
	STOCK_MODEL_OPS=$(or $(OPS),1000000) cargo test --workspace --test model agreement -- --nocapture

feed: deps-tests
	FEED_FULL=1 cargo test --workspace --test feed -- --nocapture --test-threads 1

# The unit tests under miri: core, command, and the parts of the shell that need no server. Needs a nightly toolchain
# with miri. Slow: TESTS=core::store for those of one folder; what counts tens of thousands counts hundreds there.
miri:
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo "This needs miri: rustup toolchain install nightly --component miri" >&2; exit 1; }
	MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --lib -- $(TESTS)

demo: deps
	@echo "Building; the first time this takes some minutes."
	cargo build --release -p redis-stock -p stock-demo
	"$(TARGET)/release/stock-demo" --module "$(MODULE)" $(if $(DATA),--data "$(DATA)") $(if $(HTML),--html "$(HTML)")

bench: deps
	cargo build --release -p redis-stock -p stock-floor -p stock-bench
	"$(TARGET)/release/stock-bench" $(PART) $(foreach server,$(or $(SERVERS),$(REDIS_SERVER)),--server "$(server)") \
		--module "$(MODULE)" --floor "$(TARGET)/release/libstock_floor.so" $(if $(NOTE),--note "$(NOTE)") \
		$(if $(PART),,--out "$(or $(OUT),docs/internals)" $(if $(OUT),,--readme docs/internals/performance.md))

# Writes the golden files of the encoding's current version. Only after it has changed, with a new version.
golden: deps
	STOCK_WRITE_GOLDEN=1 cargo test --workspace --test model golden

# Writes what is made: the answers in the guides and examples as a server gives them, and docs/reference/commands.md.
# Look at the difference before you commit it.
docs: deps
	STOCK_WRITE_DOCS=1 cargo test --workspace --test server documents::
	STOCK_WRITE_DOCS=1 cargo test --workspace --test tidy commands_page::

# Long runs of stock-ledger, one after the other: needs the machine for itself.
ledger-campaign: deps-tests
	cargo test --config 'profile.test.package.stock-ledger.opt-level=3' --workspace --test ledger -- --ignored --nocapture --test-threads 1 $(ONLY)

# The matrix of databases in docs/internals/ledger.md. About two minutes for each database.
ledger-databases: deps-tests
	ONLY="$(ONLY)" sh scripts/ledger-databases.sh

# One campaign; it begins behind the last row that it has in docs/internals/testing.md, and appends one. RECORD= leaves the table alone.
NAME ?= simulate
RECORD ?= --record docs/internals/testing.md
campaign: deps
	cargo build --profile campaign -p stock-campaign -p stockctl
	STOCK_MODULE="$(abspath $(TARGET))/campaign/deps/libredis_stock.so" $(CAMPAIGN) $(NAME) $(ARGS) $(if $(filter help,$(NAME)),,$(RECORD))

controls: deps
	@sh scripts/controls.sh "$(ONLY)"

# As cargo-fuzz builds without a sanitizer, but with any compiler: counters of coverage, and every check.
TARGET_OF ?= codec
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Ccodegen-units=1 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions
fuzz: deps
	mkdir -p fuzz/corpus/$(TARGET_OF)
	cd fuzz && RUSTFLAGS="$(FUZZ_FLAGS)" cargo run --release --target "$$(rustc -vV | sed -n 's/^host: //p')" --bin $(TARGET_OF) -- \
		-max_total_time=$(or $(SECONDS),60) corpus/$(TARGET_OF)

# Needs cargo-mutants (cargo install cargo-mutants). A run that was ended goes on where it was: target/mutants/report.txt.
mutants:
	@sh scripts/mutants.sh $(ARGS)

suites: build
	@sh scripts/redis-suites.sh "$(MODULE)"
