#!/bin/sh
# What the counters behind STOCK.STATS and STOCK.TOP cost a call: instructions by callgrind, of the
# module as it is and of one that counts nothing. Needs valgrind; builds two modules and the bench.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null 2>&1 || { echo "This needs valgrind: apt install valgrind" >&2; exit 1; }
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work="$target/stats-cost"
line='let counter = counter(outcome, refused);'
cargo build --release --locked -p redis-stock -p stock-floor -p stock-bench
mkdir -p "$work"
cp "$target/release/libredis_stock.so" "$work/with.so"
rm -rf "$work/src"
mkdir "$work/src"
git ls-files | tar -cf - -T - | tar -xf - -C "$work/src"
[ "$(grep -cF "$line" "$work/src/src/redis/call.rs")" = 1 ] || { echo "src/redis/call.rs counts in another way now" >&2; exit 1; }
sed -i "s/$line/let counter: Option<usize> = None;/" "$work/src/src/redis/call.rs"
(cd "$work/src" && CARGO_TARGET_DIR="$target" cargo build --release --locked -p redis-stock)
cp "$target/release/libredis_stock.so" "$work/without.so"
# What lies there afterwards is the module as it is.
cp "$work/with.so" "$target/release/libredis_stock.so"
for which in with without; do
    echo "== $which the counters"
    "$target/release/stock-bench" rows --rounds 1 --calls 200 --callgrind-calls "${CALLS:-3200}" --server "${REDIS_SERVER:-redis-server}" \
        --module "$work/$which.so" --floor "$target/release/libstock_floor.so" >"$work/$which.txt" 2>"$work/$which.log"
    grep -i 'instructions' -m1 "$work/$which.txt"
    grep -E '^\| (RESERVE with|RESERVE, 3|SOLDOUT|LIMITED|CONFIRM|MRESERVE)' "$work/$which.txt"
done
