#!/bin/sh
# cargo-mutants over the core: changes the sources at one place at a time; the tests must fail.
# usage: mutants.sh            every place that fits behind a switch, in one build (tests/mutants)
#        mutants.sh ARGUMENTS  cargo mutants with these arguments, one build a place
#
# In a copy in which core, command and the tests of the model are one crate, without the server's bindings.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
work=${WORK:-"$root/target/mutants"}
copy="$work/src"
cargo mutants --version >/dev/null 2>&1 || { echo "This needs cargo-mutants: cargo install cargo-mutants --locked" >&2; exit 1; }
rm -rf "$copy"
mkdir -p "$copy"
git ls-files balance src/core src/command testkit/src tests/model tests/golden Cargo.toml Cargo.lock .cargo | tar -cf - -T - | tar -xf - -C "$copy"
CARGO_TARGET_DIR="$work/tool" cargo build --quiet --release --manifest-path tests/mutants/Cargo.toml
tool="$work/tool/release/stock-mutants"
cd "$copy"
{
    echo 'extern crate self as redis_stock;'
    echo 'extern crate self as testkit;'
    echo 'pub mod core;'
    echo 'pub mod command;'
    # The parts of testkit that need no server.
    for name in generate host payload reference reply scope shards simulation targets; do
        at="../testkit/src/$name.rs"
        [ -e "src/$at" ] || at="../testkit/src/$name/mod.rs"
        echo "#[cfg(test)] #[path = \"$at\"] pub mod $name;"
    done
    for name in $(sed -n 's/^mod \(.*\);/\1/p' tests/model/main.rs); do
        at="../tests/model/$name.rs"
        [ -e "src/$at" ] || at="../tests/model/$name/mod.rs"
        echo "#[cfg(test)] #[path = \"$at\"] mod $name;"
    done
    # Which place is switched on. There the first panic ends the run: it is caught.
    cat <<'RUST'
pub fn switched(id: u32) -> bool {
    static ON: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        let on = std::env::var("STOCK_SWITCHED").ok().and_then(|id| id.parse().ok()).unwrap_or(0);
        if on != 0 {
            std::panic::set_hook(Box::new(|_| std::process::exit(101)));
        }
        on
    });
    *ON == id
}
RUST
} >src/lib.rs
sed -e 's/^members = .*/members = [".", "balance"]/' -e 's/^crate-type = .*//' -e 's/^publish = .*/&\nautotests = false/' -e '/^redis-module = /d' \
    -e 's/^testkit = .*/stock-balance = { path = "balance" }/' -e '/^\[\[/,/^$/d' Cargo.toml >Cargo.toml.new
mv Cargo.toml.new Cargo.toml
export STOCK_MODEL_OPS="${OPS:-4000}" RUST_BACKTRACE=0 RUSTFLAGS="--cap-lints warn"
# What asks the generator and the reference alone, and the speed of large pools, says nothing of the core.
filters="core:: regressions selftest agreement hostile golden simulated arriving
    --skip enough_of_the_generated --skip generated_carts_meet --skip reads_change_nothing --skip tails"
if [ $# -gt 0 ]; then
    # shellcheck disable=SC2086
    exec cargo mutants --output "$work" "$@" -- --lib -- $filters
fi
export CARGO_TARGET_DIR="$work/target"
cargo mutants --list --json >"$work/places.json"
"$tool" plant . "$work/places.json" "$work/unfit.txt"
tests=$(cargo test --no-run --lib --message-format json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
# A run without end must not take the machine's memory.
ulimit -v 4000000
# shellcheck disable=SC2086
exec "$tool" run "$tests" "$work/places.json" "$work/unfit.txt" "$work/report.txt" $filters
