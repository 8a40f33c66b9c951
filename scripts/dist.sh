#!/bin/sh
# Release builds for other machines, in target/dist: stripped binaries with their debug files beside
# them, a tarball, checksums and a list of what was built in (CycloneDX, where cargo-cyclonedx is
# installed). The same commit and toolchain give the same bytes. QUICK=1 leaves optimisation out.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
system="$(uname -m)-$(uname -s | tr '[:upper:]' '[:lower:]')"
name="redis-stock-$version-$system"
out="${CARGO_TARGET_DIR:-$PWD/target}/dist"
# The newest glibc that a binary may need: Debian 12, Ubuntu 22.04 and RHEL 9 have it.
glibc=2.34

. scripts/release-flags.sh
cargo build --release --locked --lib -p redis-stock
cargo build --release --locked --bin stock-ledger -p stock-ledger
cargo build --release --locked --bin stockctl -p stockctl

rm -rf "$out"
tree="$out/$name"
mkdir -p "$tree/debug" "$tree/man" "$tree/completions"
for file in libredis_stock.so stock-ledger stockctl; do
    built="$CARGO_TARGET_DIR/release/$file"
    objcopy --only-keep-debug --compress-debug-sections "$built" "$tree/debug/$file.debug"
    objcopy --strip-all "$built" "$tree/$file"
    # The link is the debug file's name and checksum: gdb finds it in ./debug.
    (cd "$tree/debug" && objcopy --add-gnu-debuglink="$file.debug" "../$file")
    needs=$(objdump -T "$tree/$file" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -1)
    newest=$(printf '%s\n%s\n' "$needs" "$glibc" | sort -V | tail -1)
    [ "$newest" = "$glibc" ] || { echo "$file needs glibc $needs, more than $glibc" >&2; exit 1; }
    for directory in "$PWD/" "$cargo_home/" "$CARGO_TARGET_DIR/"; do
        if grep -qaF "$directory" "$tree/$file"; then
            echo "$file names a directory of this machine: $directory" >&2
            exit 1
        fi
    done
done
cargo run --release --locked -q -p stock-ledger --features manual --bin stock-ledger-manual -- "$tree/man" "$tree/completions"
cargo run --release --locked -q -p stockctl --features manual --bin stockctl-manual -- "$tree/man" "$tree/completions"
cp redis.conf.example packaging/stock-ledger.toml packaging/stock-ledger.service packaging/stockctl.environment \
    packaging/stockctl-metrics.service LICENSE CHANGELOG.md "$tree/"
cat >"$tree/BUILD" <<TEXT
redis-stock $version, commit $(git rev-parse HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo " with changes")${QUICK:+, NOT OPTIMISED}
$(rustc --version), $(cc --version | head -1), glibc $glibc or newer
TEXT
if cargo cyclonedx --version >/dev/null 2>&1; then
    # One for each crate of the workspace, in its directory.
    cargo cyclonedx --format json --override-filename sbom -q
    # References to crates of this workspace name its directory, which must not matter.
    for part in redis-stock=. stock-ledger=ledger stockctl=stockctl; do
        sed "s|file://$PWD|file:///redis-stock|g" "${part#*=}/sbom.json" >"$tree/${part%%=*}.cdx.json"
    done
    find . \( -name target -o -name node_modules \) -prune -o -name sbom.json -exec rm {} +
else
    echo "cargo-cyclonedx is not installed: the tarball has no list of what was built in" >&2
fi
(cd "$tree" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
find "$tree" -exec chmod u=rwX,go=rX {} +
# Redis loads no module that is not executable.
chmod 755 "$tree/stock-ledger" "$tree/stockctl" "$tree/libredis_stock.so"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$out/$name.tar.gz"
ls -l "$tree" | awk 'NR > 1 { print $5, $9 }'
