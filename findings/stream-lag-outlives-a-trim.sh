#!/bin/sh
# XINFO GROUPS shows a lag where a group has nothing left to read, once a trim has overtaken it.
#
# A group is late, entries that it has not read are trimmed, and it reads all the rest. Redis 7.0.15
# goes on counting what was trimmed, for ever: each new entry makes the lag longer by one, and
# reading takes off no more than that. Valkey 9.1.2 gets it right with the next entry that is read,
# but of a stream that was trimmed to nothing it shows a lag of 4 with 0 entries; no reader can help
# that. So an alert on lag wakes somebody for nothing, night after night. Redis 8.2.3 and 8.6.3 show
# 0.
#
# A group whose last-delivered-id is the stream's last-generated-id has read all, and none has more
# to read than XLEN. On 7.0 `XGROUP SETID key group ID ENTRIESREAD n` repairs a group that has read
# all: with its last-delivered-id, and as many as the stream's entries-added. Reports, fixed in
# Redis: https://github.com/redis/redis/issues/13957, https://github.com/redis/redis/pull/13473
#
# Seen with redis-server 7.0.15, and with Redis 8.2.3, Redis 8.6.3 and Valkey 9.1.2, as
# scripts/servers.sh fetches them (pinned by hash). Needs redis-server, redis-cli, python3, apt-get.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pid=""
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
CARGO_TARGET_DIR="$work" sh scripts/servers.sh >"$work/fetched" 2>&1 || [ $? = 3 ]
cli() { redis-cli -s "$work/socket" "$@"; }
lag() {
    echo "lag $(cli XINFO GROUPS events | sed -n '/^lag$/{n;p;}'), entries $(cli XLEN events)"
}
# read_entries COUNT: as the group does, and acknowledged.
read_entries() { cli XREADGROUP GROUP mail worker COUNT "$1" NOACK STREAMS events '>' >/dev/null; }

# late MAXLEN: six entries, of which a group has read two when the rest is trimmed.
late() {
    cli DEL events >/dev/null
    cli XGROUP CREATE events mail 0 MKSTREAM >/dev/null
    for n in 1 2 3 4 5 6; do cli XADD events "$n-0" order "$n" >/dev/null; done
    read_entries 2
    cli XTRIM events MAXLEN "$1" >/dev/null
    read_entries 100
}

# seen NAME SERVER
seen() {
    mkdir "$work/$1"
    "$2" --port 0 --unixsocket "$work/socket" --dir "$work/$1" --save '' >"$work/$1/log" 2>&1 &
    pid=$!
    until cli PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
    late 1
    echo "$1, one entry was left: $(lag)"
    cli XADD events 7-0 order 7 >/dev/null
    read_entries 100
    echo "$1, and another one: $(lag)"
    late 0
    echo "$1, none was left: $(lag)"
    kill "$pid"
    wait "$pid" || true
    pid=""
}
{
    seen redis-7.0 "$(command -v redis-server)"
    for name in $(CARGO_TARGET_DIR="$work" sh scripts/servers.sh list); do
        seen "$name" "$work/servers/$name/server"
    done
} >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
redis-7.0, one entry was left: lag 3, entries 1
redis-7.0, and another one: lag 3, entries 2
redis-7.0, none was left: lag 4, entries 0
redis-8.2, one entry was left: lag 0, entries 1
redis-8.2, and another one: lag 0, entries 2
redis-8.2, none was left: lag 0, entries 0
redis-8.6, one entry was left: lag 0, entries 1
redis-8.6, and another one: lag 0, entries 2
redis-8.6, none was left: lag 0, entries 0
valkey-9.1, one entry was left: lag 0, entries 1
valkey-9.1, and another one: lag 0, entries 2
valkey-9.1, none was left: lag 4, entries 0
TEXT
diff "$work/expected" "$work/seen"
echo "Redis 7.0 and Valkey 9.1 still show a lag with nothing left to read"
