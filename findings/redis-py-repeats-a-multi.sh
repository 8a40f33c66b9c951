#!/bin/sh
# redis-py 8 sends a call without an answer ten times more by itself, a whole MULTI as well.
#
# The default is 10 repeats at every timeout and lost connection (3 in version 6), whatever the
# command does. So where the server takes longer than `socket_timeout` (here for a script of 0.6 s),
# a script that takes one unit takes eleven, and one pipeline of MULTI, the script, RPUSH and EXEC
# also writes eleven orders, each the slower for the one before. The caller sees one TimeoutError.
#
# The same repeats make a blocking read that is longer than `socket_timeout` (now 5 s by itself) an
# error long after its time: XREADGROUP BLOCK 1000 of a quiet stream, with 0.5 s, ends in a
# TimeoutError in place of an empty answer. https://github.com/redis/redis-py/pull/4143
#
# What helps is `retry=Retry(NoBackoff(), 0)` for calls that must not be done twice, and for readers
# a `socket_timeout` above their BLOCK.
#
# Seen with redis-py 8.1.0 and redis-server 7.0.15. Needs redis-server, redis-cli and python3;
# installs the library into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0
until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
cat >"$work/sell.py" <<'PY'
import sys, time
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

port = int(sys.argv[1])
direct = redis.Redis(port=port, decode_responses=True)
# Takes one unit, and 0.6 s.
SLOW = """
local function ms() local now = redis.call('TIME') return now[1] * 1000 + now[2] / 1000 end
local start = ms()
while ms() < start + 600 do end
return redis.call('DECR', KEYS[1])
"""


def script(client):
    client.eval(SLOW, 1, "stock")


def multi(client):
    client.pipeline().eval(SLOW, 1, "stock").rpush("orders", "618").execute()


def sell(name, call, **options):
    direct.flushall()
    direct.set("stock", 100)
    try:
        call(redis.Redis(port=port, socket_timeout=0.5, **options))
    except redis.RedisError as error:
        answer = type(error).__name__
    time.sleep(1)
    taken, orders = 100 - int(direct.get("stock")), direct.llen("orders")
    print(f"{name}: {answer}, and {taken} units and {orders} orders")


def block():
    direct.xgroup_create("quiet", "workers", mkstream=True)
    client = redis.Redis(port=port, socket_timeout=0.5)
    try:
        client.xreadgroup("workers", "w", {"quiet": ">"}, block=1000)
    except redis.TimeoutError:
        print("a quiet stream: TimeoutError")


sell("script", script)
sell("MULTI", multi)
sell("MULTI, no repeats", multi, retry=Retry(NoBackoff(), 0))
block()
PY
timeout 120 "$work/python/bin/python" "$work/sell.py" "$port" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
script: TimeoutError, and 11 units and 0 orders
MULTI: TimeoutError, and 11 units and 11 orders
MULTI, no repeats: TimeoutError, and 1 units and 1 orders
a quiet stream: TimeoutError
TEXT
diff "$work/expected" "$work/seen"
echo "redis-py still repeats what must not be done twice"
