#!/bin/sh
# redis-cluster-client (Ruby): WAIT goes to every primary, and the answer is the sum of all of them.
#
# A key is written to a primary whose replica is stopped: no replica has it. `WAIT 1 300` behind that, over the same client, answers 2 in a
# cluster of three primaries with a replica each, since the two other primaries have nothing to wait for. So an answer of 1 or more does
# not say that the write stands on a second machine. Who needs that asks the primary of the slot by a RedisClient of its own, over which the write
# went, too: there the answer is 0.
#
# Seen with redis-cluster-client 0.17.4, redis-client 0.31.0 (Debian's sid), connection_pool 2.2.5 (Debian 12), Ruby 3.1.2 and redis-server
# 7.0.15. Needs redis-server, redis-cli, ruby, and apt-helper of Debian's apt.
set -eu
work=$(mktemp -d)
first=$((20000 + $$ % 20000))
servers=""
trap 'kill $servers 2>/dev/null || true; rm -rf "$work"' EXIT
pool=http://deb.debian.org/debian/pool/main/r
for package in \
    ruby-redis-client_0.31.0-1=c60ec7e4198dbc330c2dc18252f0ba23d01366df4b4aa0cc4db12bb84281bcbf \
    ruby-redis-cluster-client_0.17.4-1=6574309dfcf02982b8de6e678f798afd222110eb281fc3d847cc39c73f2fb467 \
    ruby-connection-pool_2.2.5-1=4fb65345d50c507faf7efaf3219cb0ccf1ab12a66b6eb00116556f33d01995e5; do
    file="${package%%=*}_all.deb"
    /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "$pool/${package%%_*}/$file" "$work/$file" "SHA256:${package#*=}" >"$work/log"
    dpkg -x "$work/$file" "$work"
done
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
cat >"$work/wait.rb" <<'RUBY'
require "redis_cluster_client"
cluster = RedisClient.cluster(nodes: ["redis://127.0.0.1:#{ARGV[0]}"], timeout: 1).new_client
cluster.call("SET", "key", "1")
slot = cluster.call("CLUSTER", "KEYSLOT", "key")
primary = replica = nil
until replica
  sleep 0.5
  _, _, primary, replica = cluster.call("CLUSTER", "SLOTS").find { |range| slot.between?(range[0], range[1]) }
end
begin
  RedisClient.new(host: replica[0], port: replica[1]).call("SHUTDOWN", "NOSAVE")
rescue RedisClient::ConnectionError
  sleep 1
end
direct = RedisClient.new(host: primary[0], port: primary[1], timeout: 1)
direct.call("SET", "key", "2")
puts "by the primary of the slot: #{direct.call("WAIT", 1, 300)}"
cluster.call("SET", "key", "3")
puts "by the cluster's client: #{cluster.call("WAIT", 1, 300)}"
RUBY
gems="$work/usr/share/rubygems-integration/all/gems"
ruby --disable-gems -I "$gems/redis-client-0.31.0/lib" -I "$gems/redis-cluster-client-0.17.4/lib" -I "$gems/connection_pool-2.2.5/lib" \
    "$work/wait.rb" "$first" | tee "$work/said"
grep -q '^by the primary of the slot: 0$' "$work/said"
grep -q "^by the cluster's client: 2\$" "$work/said"
echo "redis-cluster-client still adds up what all primaries answer to WAIT"
