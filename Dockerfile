# docker build --target server -t redis-stock .           Redis with the module
# docker build --target ledger -t stock-ledger .          stock-ledger
# docker build --target stockctl -t stockctl .            stockctl, also the exporter for Prometheus
# docker build --target shop -t stock-shop .              the shop of docs/guides/see-it.md, with a Redis of its own
# docker run -p 127.0.0.1:6379:6379 -v stock:/data redis-stock [--requirepass ...] [--stock.hold-seconds 600 ...]
#
# SERVER: a base that has redis-server or valkey-server already, e.g. redis:8.2-bookworm (the module
# needs glibc 2.34). `--build-context build=docker-image://IMAGE` takes an image that has the binaries
# in /out, in place of a build.
# Needs BuildKit (Docker 20.10 with DOCKER_BUILDKIT=1, 23 and later as it is) or buildah.
ARG SERVER=debian:12.11-slim
ARG BASE=debian:12.11-slim
ARG RUST=rust:1.95-slim-bookworm

FROM ${RUST} AS build
# bindgen makes the bindings to the module API with libclang; the databases' C library needs a compiler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libclang-dev build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# Only what is compiled: an edit of a document rebuilds nothing. What was compiled before stays in a
# cache beside the layers.
# tests/tidy checks that every member of the workspace is here.
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY balance balance
COPY testkit testkit
COPY bench bench
COPY campaign campaign
COPY clients/rust clients/rust
COPY compare compare
COPY demo demo
COPY ledger ledger
COPY shop shop
COPY stockctl stockctl
COPY tests/second_module tests/second_module
# Files of another commit may be older than what was compiled of this one: touched, they are compiled anew.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    find . -path ./target -prune -o -type f -exec touch {} + \
    && cargo build --release --locked --lib -p redis-stock \
    && cargo build --release --locked --bins -p stock-ledger -p stockctl -p stock-shop \
    && mkdir /out \
    && for file in libredis_stock.so stock-ledger stockctl stock-shop; do \
        strip -o "/out/$file" "target/release/$file" || exit 1; done

FROM ${SERVER} AS server
RUN if ! command -v redis-server >/dev/null && ! command -v valkey-server >/dev/null; then \
        apt-get update \
        && apt-get install -y --no-install-recommends redis-server \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && (getent passwd redis >/dev/null || useradd --system --user-group --no-create-home redis) \
    && install -d -o redis -g redis /data
COPY --from=build --chmod=755 /out/libredis_stock.so /usr/lib/redis/modules/libredis_stock.so
COPY --chmod=755 packaging/server-entrypoint /usr/local/bin/server-entrypoint
USER redis
WORKDIR /data
VOLUME /data
EXPOSE 6379
# A server with a password replies NOAUTH, which also means that it is up.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["server-entrypoint", "healthy"]
# Arguments of `docker run` are the server's. The root file system may be read-only.
ENTRYPOINT ["server-entrypoint"]

# Everything behind the shop runs in this one container, and ends with it.
# docker run --rm -p 127.0.0.1:8618:8618 stock-shop
FROM server AS shop
COPY --from=build --chmod=755 /out/stock-shop /usr/local/bin/stock-shop
EXPOSE 8618
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["stock-shop", "healthy"]
# In a container it must listen on more than its own loopback. Publish the port on 127.0.0.1 only: the
# back office kills servers, and asks for no password.
ENTRYPOINT ["stock-shop", "--module", "/usr/lib/redis/modules/libredis_stock.so", "--dir", "/data/shop", "--bind", "0.0.0.0"]
CMD []

FROM ${BASE} AS ledger
RUN if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends ca-certificates \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && useradd --system --user-group --no-create-home ledger \
    && install -d -o ledger -g ledger /data
COPY --from=build --chmod=755 /out/stock-ledger /usr/local/bin/stock-ledger
COPY --from=build --chmod=755 /out/stockctl /usr/local/bin/stockctl
USER ledger
WORKDIR /data
VOLUME /data
# What it follows and where it writes: STOCK_LEDGER_REDIS_URL, STOCK_LEDGER_DATABASE_URL, STOCK_LEDGER_CONFIG.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD ["stock-ledger", "--log", "error", "status"]
ENTRYPOINT ["stock-ledger"]
CMD ["run"]

FROM ${BASE} AS stockctl
RUN if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends ca-certificates \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && useradd --system --user-group --no-create-home stockctl
COPY --from=build --chmod=755 /out/stockctl /usr/local/bin/stockctl
USER stockctl
# STOCKCTL_URL says which servers. A question a run: `docker run --rm -e STOCKCTL_URL=… stockctl pools --sold-out`.
ENTRYPOINT ["stockctl"]
CMD ["--help"]

# Without --target: the server.
FROM server
