#!/bin/sh
# What an operator's calls cost the server: CPU time of its main thread. `sh scripts/operator-figures.sh MODULE [STOCKCTL]`;
# with stockctl also what `top` takes, as a share of one core. About a minute; docs/internals/performance.md has the numbers.
set -eu
module=$1
stockctl=${2:-}
case $module in /*) ;; *) module="$PWD/$module" ;; esac
port=${PORT:-16455}
dir=$(mktemp -d)
"${REDIS_SERVER:-redis-server}" --port "$port" --bind 127.0.0.1 --save '' --dir "$dir" --loadmodule "$module" >"$dir/log" &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
cli() { redis-cli -p "$port" "$@"; }
until cli ping >/dev/null 2>&1; do sleep 0.2; done
# Microseconds of the main thread so far.
cpu() { cli info cpu | awk -F: '/main_thread/ { sum += $2 } END { printf "%d", sum * 1000000 }'; }
# per NAME COUNT COMMAND…: the command writes COUNT calls.
per() {
    name=$1
    count=$2
    shift 2
    before=$(cpu)
    "$@" | cli --pipe --pipe-timeout 0 >/dev/null
    echo "$name: $((($(cpu) - before) / count)) us"
}
repeat() { awk -v count="$1" -v line="$2" 'BEGIN { for (i = 0; i < count; i++) print line }'; }
pools() {
    awk 'BEGIN { for (i = 0; i < 100000; i++) {
        print "STOCK.SET sku:" i " 1000"; print "STOCK.LIMIT sku:" i " user 5 PER DAY"; print "STOCK.RESERVE sku:" i " o 1 FOR user u" i } }'
}
explains() { awk 'BEGIN { srand(1); for (i = 0; i < 20000; i++) print "STOCK.EXPLAIN sku:" int(rand() * 100000) " 1 FOR user u7" }'; }
holds() { awk 'BEGIN { for (i = 0; i < 1000000; i++) print "STOCK.RESERVE big o" i " 1 EX " (60 + i % 7200) " FOR user u" i }'; }

pools | cli --pipe --pipe-timeout 0 >/dev/null
echo "100,000 pools"
per "STOCK.EXPLAIN" 20000 explains
per "STOCK.TOP" 500 repeat 500 "STOCK.TOP"
per "STOCK.TOP COUNT 384" 500 repeat 500 "STOCK.TOP COUNT 384"
per "INFO stock" 500 repeat 500 "INFO stock"
if [ -n "$stockctl" ]; then
    # What the server does by itself, then with `top` (in a terminal that `script` makes), each for twenty seconds.
    before=$(cpu)
    sleep 20
    alone=$(($(cpu) - before))
    before=$(cpu)
    (sleep 20; printf q) | script -qec "$stockctl -u redis://127.0.0.1:$port top" /dev/null >/dev/null
    with=$(($(cpu) - before))
    echo "a server without calls: $alone us of 20 s; with stockctl top: $with us"
fi
cli stock.set big 2000000 >/dev/null
cli stock.limit big user 5 per day >/dev/null
holds | cli --pipe --pipe-timeout 0 >/dev/null
echo "a pool of 1,000,000 holds"
per "STOCK.EXPLAIN" 10 repeat 10 "STOCK.EXPLAIN big 1 FOR user u1"
per "STOCK.GET RETURNING" 10 repeat 10 "STOCK.GET big RETURNING"
per "STOCK.USAGE TOP 10" 5 repeat 5 "STOCK.USAGE big TOP 10"
per "STOCK.VERIFY" 3 repeat 3 "STOCK.VERIFY big"
