#!/bin/sh
# A node of Redis 8.6.3 that imports a slot (CLUSTER MIGRATION IMPORT) takes the slot although commands of it have failed there.
#
# What the source sends is run by a client to which nobody answers: an error is logged (`== CRITICAL == This destination is sending an
# error to its source`), the state of the task becomes `completed`, its last_error stays empty, and the source deletes its keys. So a write
# that the new owner does not know, because its version, its modules or its configuration are others, is lost. Here it is an INCRBY that
# the new owner has renamed away. Look for CRITICAL in the log of the new owner after a migration, or let
# `propagation-error-behavior panic` end it in place of the slot. (Valkey 9.1.2 calls such a migration off.)
#
# Seen with Redis 8.6.3 out of Debian's experimental suite, as scripts/servers.sh fetches it (pinned by hash). Needs redis-cli and apt-get.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=""
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || :; done; rm -rf "$work"' EXIT
CARGO_TARGET_DIR="$work" sh scripts/servers.sh >"$work/fetched" 2>&1 || [ $? = 3 ]
redis="$work/servers/redis-8.6/server"
[ -x "$redis" ] || { cat "$work/fetched"; exit 2; }
"$redis" --version
# A directory, a port, and more arguments.
node() {
    dir="$work/$1" port=$2
    shift 2
    mkdir "$dir"
    "$redis" --port "$port" --bind 127.0.0.1 --unixsocket "$dir/socket" --dir "$dir" --save '' --cluster-enabled yes "$@" >"$dir/log" 2>&1 &
    pids="$pids $!"
    until redis-cli -s "$dir/socket" PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
}
at() {
    dir="$work/$1"
    shift
    redis-cli -s "$dir/socket" "$@"
}
# The source takes half a second for each key of its snapshot.
node source 17391 --rdb-key-save-delay 500000
node target 17392 --rename-command INCRBY ''
at source CLUSTER ADDSLOTSRANGE 0 16383 >/dev/null
at source CLUSTER MEET 127.0.0.1 17392 >/dev/null
until at target CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.1; done
slot=$(at source CLUSTER KEYSLOT paid)
at source MSET paid 100 '{paid}1' x '{paid}2' x '{paid}3' x >/dev/null
task=$(at target CLUSTER MIGRATION IMPORT "$slot" "$slot")
until at source CLUSTER MIGRATION STATUS ALL | grep -q migrate; do sleep 0.1; done
sleep 0.5
before=$(at source INCRBY paid 7)
state=""
for _ in $(seq 300); do
    state=$(at target CLUSTER MIGRATION STATUS ID "$task" | sed -n '/^state$/{n;p;}')
    case $state in completed | failed | canceled) break ;; esac
    sleep 0.1
done
after=$(at target GET paid)
grep -a -m 1 CRITICAL "$work/target/log"
echo "the source answered $before; the task is $state; the new owner has $after"
[ "$before" = 107 ] && [ "$state" = completed ] && [ "$after" = 100 ]
