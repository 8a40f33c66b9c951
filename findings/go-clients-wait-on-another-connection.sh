#!/bin/sh
# go-redis and rueidis send WAIT over another connection than the write before it, so it answers 1
# where no replica has the write.
#
# WAIT speaks of what its own connection has written: on Redis 8 and Valkey 9 it answers at once
# where that is nothing. rueidis sends all writes over one connection and WAIT,
# because it blocks, over another: it never waits for them. go-redis takes the connection of its
# pool that was given back last: alone in a test that is the one of the write, under load it is that
# of whichever call ended last. Its cluster client sends WAIT to any node, also out of a pipeline.
# So a shop that confirms a payment after WAIT has an answer that means nothing, and loses the
# payment with the primary.
#
# What helps is both in one round trip: `DoMulti` of rueidis, `Pipelined` of go-redis, in a cluster
# that of `MasterForKey`. Redis 7.0 waits for everything before, whoever wrote it.
#
# Seen with go-redis 9.23.0, rueidis 1.0.79 and Go 1.26; with redis-server 7.0.15, and with Redis
# 8.2.3, Redis 8.6.3 and Valkey 9.1.2, as scripts/servers.sh fetches them (pinned by hash). Needs
# redis-server, redis-cli, python3, apt-get and go, which fetches the libraries into a temporary
# folder.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=""
stop() {
    for pid in $pids; do kill -CONT "$pid" && kill "$pid" && wait "$pid" || true; done
    pids=""
}
trap 'stop; chmod -R u+w "$work"; rm -rf "$work"' EXIT
CARGO_TARGET_DIR="$work" sh scripts/servers.sh >"$work/fetched" 2>&1 || [ $? = 3 ]
mkdir "$work/go"
cat >"$work/go/go.mod" <<'MOD'
module finding
go 1.26.0
require (
	github.com/redis/go-redis/v9 v9.23.0
	github.com/redis/rueidis v1.0.79
)
MOD
cat >"$work/go/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

var (
	ctx        = context.Background()
	name, port = os.Args[1], os.Args[2]
)

func say(what string, answer any, err error) {
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s, %s: %v\n", name, what, answer)
}

// Both in one round trip, by one server.
func together(c redis.Cmdable) *redis.Cmd {
	var wait *redis.Cmd
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "paid")
		wait = p.Do(ctx, "WAIT", 1, 100)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return wait
}

func single() {
	one := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	two, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}, DisableCache: true})
	if err != nil {
		panic(err)
	}
	// Another call ends between the two; its connection has written nothing.
	ended := make(chan bool)
	go func() {
		one.BLPop(ctx, time.Second, "nothing")
		ended <- true
	}()
	time.Sleep(300 * time.Millisecond)
	one.Incr(ctx, "paid")
	<-ended
	between, err := one.Wait(ctx, 1, 100*time.Millisecond).Result()
	say("go-redis, another call ends in between", between, err)
	one.Incr(ctx, "paid")
	alone, err := one.Wait(ctx, 1, 100*time.Millisecond).Result()
	say("go-redis, alone", alone, err)
	say("go-redis, Pipelined", together(one).Val(), nil)

	two.Do(ctx, two.B().Incr().Key("paid").Build())
	apart, err := two.Do(ctx, two.B().Wait().Numreplicas(1).Timeout(100).Build()).AsInt64()
	say("rueidis, Do", apart, err)
	answers := two.DoMulti(ctx, two.B().Incr().Key("paid").Build(), two.B().Wait().Numreplicas(1).Timeout(100).Build())
	multi, err := answers[1].AsInt64()
	say("rueidis, DoMulti", multi, err)
}

func cluster() {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:" + port}})
	var most int64
	for range 50 {
		c.Incr(ctx, "paid")
		answer, err := c.Wait(ctx, 1, 100*time.Millisecond).Result()
		if err != nil {
			panic(err)
		}
		most = max(most, answer)
	}
	say("go-redis, cluster, 50 times, at most", most, nil)
	node, err := c.MasterForKey(ctx, "paid")
	if err != nil {
		panic(err)
	}
	say("go-redis, cluster, Pipelined of MasterForKey", together(node).Val(), nil)
}

func main() {
	// The replica that should have the writes.
	if err := exec.Command("kill", "-STOP", os.Args[4]).Run(); err != nil {
		panic(err)
	}
	if os.Args[3] == "cluster" {
		cluster()
	} else {
		single()
	}
}
GO
(cd "$work/go" && GOFLAGS=-mod=mod GOPATH="$work/gopath" go build -o seller . >"$work/build" 2>&1) ||
    { cat "$work/build"; exit 2; }

base=$((20000 + $$ % 5000))
cli() { at=$1; shift; redis-cli -p $((base + at)) "$@"; }
# start SERVER NUMBER OPTION...
start() {
    server=$1 number=$2
    shift 2
    mkdir -p "$work/$number"
    "$server" --port $((base + number)) --dir "$work/$number" --save '' "$@" >"$work/log" 2>&1 &
    pids="$pids $!"
    until cli "$number" PING 2>/dev/null | grep -q PONG; do sleep 0.1; done
}
# both NUMBER: until the replica of this server has all.
both() { until [ "$(cli "$1" WAIT 1 1000)" = 1 ]; do sleep 0.1; done; }

# seen NAME SERVER
seen() {
    start "$2" 0 --repl-diskless-sync-delay 0
    start "$2" 1 --replicaof "127.0.0.1 $base"
    replica=$!
    cli 0 SET paid 0 >/dev/null
    both 0
    timeout 60 "$work/go/seller" "$1" "$base" single "$replica"
    stop
    rm -rf "$work/0" "$work/1"
    # Two primaries; the key is a matter of the second one, and only its replica is stopped.
    for number in 0 1 2 3; do
        start "$2" $number --cluster-enabled yes --cluster-node-timeout 60000 \
            --repl-diskless-sync-delay 0
    done
    replica=$!
    cli 0 CLUSTER ADDSLOTSRANGE 0 4999 >/dev/null
    cli 1 CLUSTER ADDSLOTSRANGE 5000 16383 >/dev/null
    for number in 1 2 3; do cli 0 CLUSTER MEET 127.0.0.1 $((base + number)) >/dev/null; done
    until [ "$(for n in 0 1 2 3; do cli $n CLUSTER NODES; done | grep -c connected)" = 16 ]; do
        sleep 0.1
    done
    for number in 0 1; do
        cli $((number + 2)) CLUSTER REPLICATE "$(cli $number CLUSTER MYID)" >/dev/null
        both $number
    done
    until [ "$(for n in 0 1 2 3; do cli $n CLUSTER NODES; done | grep -c slave)" = 8 ] &&
        cli 0 CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.1; done
    timeout 60 "$work/go/seller" "$1" "$base" cluster "$replica"
    stop
    rm -rf "$work/0" "$work/1" "$work/2" "$work/3"
}
{
    seen redis-7.0 "$(command -v redis-server)"
    for name in $(CARGO_TARGET_DIR="$work" sh scripts/servers.sh list); do
        seen "$name" "$work/servers/$name/server"
    done
} >"$work/seen"
cat "$work/seen"
for name in redis-7.0 redis-8.2 redis-8.6 valkey-9.1; do
    at_once=1
    [ "$name" != redis-7.0 ] || at_once=0
    cat <<TEXT
$name, go-redis, another call ends in between: $at_once
$name, go-redis, alone: 0
$name, go-redis, Pipelined: 0
$name, rueidis, Do: $at_once
$name, rueidis, DoMulti: 0
$name, go-redis, cluster, 50 times, at most: 1
$name, go-redis, cluster, Pipelined of MasterForKey: 0
TEXT
done >"$work/expected"
diff "$work/expected" "$work/seen"
echo "go-redis and rueidis still answer a WAIT for writes that no replica has"
