#!/bin/sh
# RESERVE with three limits beside the Lua script that a shop would write for the same sale, on one server, in turns.
# CPU is that of the server's main thread per call (INFO cpu); every order and every user is new.
set -eu
module=$1
lua=$2
calls=${CALLS:-200000}
rounds=${ROUNDS:-3}
[ -f "$lua" ] || { echo "usage: make bench LUA=path/of/C2.lua (KEYS: stock, order, expiries, 3 counters)" >&2; exit 2; }
case $module in /*) ;; *) module="$PWD/$module" ;; esac
dir=$(mktemp -d)
socket="$dir/socket"
"${REDIS_SERVER:-redis-server}" --port 0 --unixsocket "$socket" --dir "$dir" --save '' --loadmodule "$module" >"$dir/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT INT TERM
cli() { redis-cli -s "$socket" "$@"; }
tries=0
until cli PING >/dev/null 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || { cat "$dir/log" >&2; exit 1; }
    sleep 0.1
done
sha=$(cli SCRIPT LOAD "$(cat "$lua")")
cpu() { cli INFO cpu | tr -d '\r' | awk -F: '/used_cpu_(user|sys)_main_thread/ { s += $2 } END { printf "%.6f", s }'; }
measure() {
    name=$1; shift
    cli FLUSHALL >/dev/null
    case $name in
    RESERVE) cli STOCK.SET sku UNLIMITED >/dev/null
        for by in user region store; do cli STOCK.LIMIT sku $by 1000000000 PER DAY >/dev/null; done ;;
    *) cli SET stock 1000000000 >/dev/null ;;
    esac
    before=$(cpu)
    rate=$(redis-benchmark -s "$socket" -n "$calls" -c 16 -P 16 -r 1000000000 --csv "$@" | tail -1 | cut -d, -f2 | tr -d '"')
    after=$(cpu)
    echo "$name $before $after $calls $rate" | awk '{ printf "%-8s %6.2f us of main-thread CPU a call, %8.0f calls/s\n", $1, ($3 - $2) * 1e6 / $4, $5 }'
}
echo "$(cli INFO server | tr -d '\r' | awk -F: '/^redis_version/ { print $2 }'), pipeline 16, 16 connections, $calls calls, $rounds rounds in turns"
for _ in $(seq "$rounds"); do
    measure PING PING
    measure RESERVE STOCK.RESERVE sku __rand_int____rand_int__ 1 EX 900 FOR user u:__rand_int__ region r1 store s1
    measure LUA EVALSHA "$sha" 6 stock __rand_int____rand_int__ expiries user:__rand_int__ region:1 store:1 \
        order-id sku 1 1700000000 900 86400 1000000000 1000000000 1000000000
done
