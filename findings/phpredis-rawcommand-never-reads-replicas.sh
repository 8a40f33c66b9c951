#!/bin/sh
# phpredis: RedisCluster sends a rawCommand to primaries only, also when it is told to distribute reads over replicas.
#
# The option is OPT_SLAVE_FAILOVER = FAILOVER_DISTRIBUTE_SLAVES. 300 rawCommands of STRLEN, a command that only reads, reach no replica.
# So who reads with commands of a module (or any that phpredis does not know) needs connections of its own to replicas, with READONLY.
#
# Seen with phpredis 5.3.7 (Debian 12, php-redis) and redis-server 7.0.15. Needs redis-server, redis-cli, php-cli and php-redis.
set -eu
work=$(mktemp -d)
first=$((20000 + $$ % 20000))
servers=""
trap 'kill $servers; rm -rf "$work"' EXIT
nodes=""
for n in 0 1 2 3 4 5; do
    port=$((first + n))
    mkdir "$work/$port"
    redis-server --port "$port" --cluster-enabled yes --save '' --dir "$work/$port" --daemonize no >"$work/$port/log" 2>&1 &
    servers="$servers $!"
    nodes="$nodes 127.0.0.1:$port"
done
sleep 2
# shellcheck disable=SC2086
redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes >/dev/null
sleep 6
cat >"$work/ask.php" <<'PHP'
<?php
$cluster = new RedisCluster(null, ["127.0.0.1:$argv[1]"], 0.5, 0.5);
$cluster->setOption(RedisCluster::OPT_SLAVE_FAILOVER, RedisCluster::FAILOVER_DISTRIBUTE_SLAVES);
for ($n = 0; $n < 300; $n++) {
    $cluster->rawCommand("key-$n", 'STRLEN', "key-$n");
}
echo 'phpredis ', phpversion('redis'), "\n";
PHP
php "$work/ask.php" "$first"
replicas=0
primaries=0
for n in 0 1 2 3 4 5; do
    port=$((first + n))
    calls=$(redis-cli -p "$port" info commandstats | sed -n 's/^cmdstat_strlen:calls=\([0-9]*\).*/\1/p')
    case $(redis-cli -p "$port" role | head -1) in
        master) primaries=$((primaries + ${calls:-0})) ;;
        *) replicas=$((replicas + ${calls:-0})) ;;
    esac
done
echo "primaries answered $primaries, replicas $replicas"
[ "$primaries" = 300 ] && [ "$replicas" = 0 ]
echo "phpredis still sends rawCommand to primaries only"
