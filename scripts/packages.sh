#!/bin/sh
# Debian packages in target/packages: redis-stock (the module), stock-ledger and stockctl. Needs
# cargo-deb (cargo install cargo-deb).
set -eu
cd "$(dirname "$0")/.."
cargo deb --version >/dev/null 2>&1 || { echo "This needs cargo-deb: cargo install cargo-deb --locked" >&2; exit 1; }
target=${CARGO_TARGET_DIR:-target}
out="$target/packages"
rm -rf "$out"
mkdir -p "$out"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
cargo build --release --locked --lib -p redis-stock
cargo build --release --locked --bin stock-ledger -p stock-ledger
cargo build --release --locked --bin stockctl -p stockctl
cargo run --release --locked -q -p stock-ledger --example manual -- "$out/man" "$out/completions"
cargo run --release --locked -q -p stockctl --example stockctl-manual -- "$out/man" "$out/completions"
for file in libredis_stock.so stock-ledger stockctl; do strip -o "$out/$file" "$target/release/$file"; done
cargo deb --no-build --no-strip -q -p redis-stock -o "$out/" ${DEB_REVISION:+--deb-revision "$DEB_REVISION"}
cargo deb --no-build --no-strip -q -p stock-ledger -o "$out/" ${DEB_REVISION:+--deb-revision "$DEB_REVISION"}
cargo deb --no-build --no-strip -q -p stockctl -o "$out/" ${DEB_REVISION:+--deb-revision "$DEB_REVISION"}
ls -l "$out"/*.deb
