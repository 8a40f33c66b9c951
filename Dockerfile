# docker build -t redis-stock .
# docker run -p 127.0.0.1:6379:6379 -v stock:/data redis-stock [--requirepass ...] [--stock.hold-seconds 600 ...]

FROM rust:1-bookworm AS builder
# bindgen makes the bindings to the module API with libclang.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --lib

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis /data
COPY --from=builder /build/target/release/libredis_stock.so /usr/lib/redis/modules/libredis_stock.so
USER redis
WORKDIR /data
VOLUME /data
EXPOSE 6379
# A server with a password replies NOAUTH, which also means that it is up.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD redis-cli ping | grep -Eq 'PONG|NOAUTH'
# Protected mode would refuse every connection from outside the container. Arguments of `docker run`
# follow these.
ENTRYPOINT ["redis-server", "--dir", "/data", "--appendonly", "yes", "--maxmemory-policy", "noeviction", \
    "--protected-mode", "no", "--loadmodule", "/usr/lib/redis/modules/libredis_stock.so"]
