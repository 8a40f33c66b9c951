#!/bin/sh
# The throughput campaign of 906ba86, as it stood there: its bare loop, with the statements of that
# build, and `run` of the one that STOCK_LEDGER names (with the module that STOCK_MODULE names).
# Builds 906ba86 below target/yardstick, which takes ten minutes the first time.
#
#   STOCK_LEDGER=…/stock-ledger STOCK_MODULE=…/libredis_stock.so sh scripts/ledger-yardstick.sh [sqlite]
set -eu
: "${STOCK_LEDGER:?names a release build of stock-ledger}" "${STOCK_MODULE:?names a release build of the module}"
cd "$(dirname "$0")/.."
there=$PWD/target/yardstick
[ -d "$there/source" ] || { git worktree prune; git worktree add --force --detach "$there/source" 906ba86; }
export CARGO_TARGET_DIR="$there/target"
(cd "$there/source" && cargo build --release -p stock-ledger)

# Each round makes two shops, the first for `run`, the second for the loop, whose tables are those
# of 906ba86. A shop has a directory, and so each second directory gets the old program.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/known"
cat > "$work/stock-ledger" <<'END'
#!/bin/sh
dir=$(dirname "$2")
grep -qxF "$dir" "$YARDSTICK/known" || echo "$dir" >> "$YARDSTICK/known"
at=$(grep -nxF "$dir" "$YARDSTICK/known" | cut -d: -f1)
if [ $((at % 2)) = 1 ]; then exec "$YARDSTICK_NEW" "$@"; fi
exec "$YARDSTICK_OLD" "$@"
END
chmod +x "$work/stock-ledger"
export YARDSTICK="$work" YARDSTICK_NEW="$STOCK_LEDGER" YARDSTICK_OLD="$there/target/release/stock-ledger"
cd "$there/source"
STOCK_LEDGER="$work/stock-ledger" cargo test --config 'profile.test.package.stock-ledger.opt-level=3' \
    --workspace --test ledger "throughput_on_${1-}" -- --ignored --nocapture --test-threads 1
