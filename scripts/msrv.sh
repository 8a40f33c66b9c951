#!/bin/sh
# Checks every crate with the oldest compiler that its Cargo.toml promises (rust-version). Needs rustup;
# installs the compilers that are missing.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo metadata --no-deps --locked --format-version 1 | python3 -c '
import collections, json, sys
crates = collections.defaultdict(list)
for package in json.load(sys.stdin)["packages"]:
    crates[package["rust_version"]].append(package["name"])
for version, names in sorted(crates.items()):
    print(version, *names)
' | while read -r version crates; do
    echo "$version: $crates"
    rustup toolchain list | grep -q "^$version[-.]" || rustup toolchain install "$version" --profile minimal
    # shellcheck disable=SC2046
    CARGO_TARGET_DIR="$target/msrv" cargo "+$version" check --locked $(for crate in $crates; do echo "-p $crate"; done)
done
