#!/bin/sh
# redis-cluster-client (Ruby): `call_once` is sent four times where no answer comes.
#
# redis-client's `call_once` is for commands that must not be done twice, and its `reconnect_attempts: 0` sends nothing again. The cluster client
# has both, but tries a call up to four times at every connection error: an INCR whose answers get lost (here by a proxy that closes the
# connection in their place) is done four times. So its calls are repeated whatever one sets; only commands that may be repeated are safe with it.
#
# Seen with redis-cluster-client 0.17.4, redis-client 0.31.0 (Debian's sid), connection_pool 2.2.5 (Debian 12), Ruby 3.1.2 and redis-server
# 7.0.15. Needs redis-server, redis-cli, ruby, and apt-helper of Debian's apt.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
server=""
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
pool=http://deb.debian.org/debian/pool/main/r
for package in \
    ruby-redis-client_0.31.0-1=c60ec7e4198dbc330c2dc18252f0ba23d01366df4b4aa0cc4db12bb84281bcbf \
    ruby-redis-cluster-client_0.17.4-1=6574309dfcf02982b8de6e678f798afd222110eb281fc3d847cc39c73f2fb467 \
    ruby-connection-pool_2.2.5-1=4fb65345d50c507faf7efaf3219cb0ccf1ab12a66b6eb00116556f33d01995e5; do
    file="${package%%=*}_all.deb"
    /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "$pool/${package%%_*}/$file" "$work/$file" "SHA256:${package#*=}" >"$work/log"
    dpkg -x "$work/$file" "$work"
done
proxy=$((port + 1))
# Clients find the node behind the proxy.
redis-server --port "$port" --cluster-enabled yes --cluster-announce-ip 127.0.0.1 --cluster-announce-port "$proxy" --save '' --dir "$work" \
    --daemonize no >"$work/log" 2>&1 &
server=$!
sleep 1
redis-cli -p "$port" CLUSTER ADDSLOTSRANGE 0 16383 >/dev/null
sleep 2
cat >"$work/once.rb" <<'RUBY'
require "redis_cluster_client"
require "socket"

# Closes the connection in place of an answer to INCR.
def serve(client, server)
  is_incr = false
  loop do
    from = IO.select([client, server]).first.first
    data = from.readpartial(65_536)
    if from == client
      is_incr = data.include?("INCR")
      server.write(data)
    else
      break if is_incr

      client.write(data)
    end
  end
rescue IOError, SystemCallError
  # It is gone.
ensure
  client.close
  server.close
end

port, proxy = ARGV.map(&:to_i)
listener = TCPServer.new("127.0.0.1", proxy)
Thread.new { loop { Thread.new(listener.accept) { |client| serve(client, TCPSocket.new("127.0.0.1", port)) } } }
options = { timeout: 1, reconnect_attempts: 0 }
clients = {
  "redis-client" => RedisClient.new(host: "127.0.0.1", port: proxy, **options),
  "redis-cluster-client" => RedisClient.cluster(nodes: ["redis://127.0.0.1:#{proxy}"], **options).new_client
}
direct = RedisClient.new(host: "127.0.0.1", port: port)
clients.each do |name, client|
  direct.call("SET", "key", 0)
  begin
    client.call_once("INCR", "key")
  rescue RedisClient::ConnectionError
    puts "#{name}: no answer, and INCR was done #{direct.call("GET", "key")} times"
  end
end
RUBY
gems="$work/usr/share/rubygems-integration/all/gems"
ruby --disable-gems -I "$gems/redis-client-0.31.0/lib" -I "$gems/redis-cluster-client-0.17.4/lib" -I "$gems/connection_pool-2.2.5/lib" \
    "$work/once.rb" "$port" "$proxy" | tee "$work/said"
grep -q '^redis-client: no answer, and INCR was done 1 times$' "$work/said"
grep -q '^redis-cluster-client: no answer, and INCR was done 4 times$' "$work/said"
echo "redis-cluster-client still repeats what call_once sends"
