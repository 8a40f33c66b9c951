#!/bin/sh
# Debian packages in target/packages: redis-stock (the module), stock-ledger and stockctl, with the
# binaries of `make dist`. Needs cargo-deb (cargo install cargo-deb). MODULE names another build of the
# module, DEB_REVISION another revision, ONLY one package.
set -eu
cd "$(dirname "$0")/.."
cargo deb --version >/dev/null 2>&1 || { echo "This needs cargo-deb: cargo install cargo-deb --locked" >&2; exit 1; }
target=${CARGO_TARGET_DIR:-target}
out="$target/packages"
tree=$(find "$target/dist" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -1)
[ -n "$tree" ] || { echo "This needs the binaries of make dist" >&2; exit 1; }
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
mkdir -p "$out"
[ -n "${ONLY:-}" ] || rm -rf "${out:?}"/*
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
cp -r "$tree/man" "$tree/completions" "$tree/stock-ledger" "$tree/stockctl" "$out/"
cp "${MODULE:-$tree/libredis_stock.so}" "$out/libredis_stock.so"
for package in ${ONLY:-redis-stock stock-ledger stockctl}; do
    cat >"$out/$package.changelog" <<TEXT
$package ($version-${DEB_REVISION:-1}) unstable; urgency=medium

  * redis-stock $version: see CHANGELOG.md of the package redis-stock.

 -- The redis-stock maintainers <maintainers@redis-stock.invalid>  $(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")
TEXT
    cargo deb --no-build --no-strip -q -p "$package" -o "$out/" ${DEB_REVISION:+--deb-revision "$DEB_REVISION"}
done
cp "$tree/libredis_stock.so" "$out/libredis_stock.so"
ls -l "$out"/*.deb
