#!/bin/sh
# node-redis: a worker that reads what it has not acknowledged gets a TypeError for ever, once one
# of these entries was deleted or trimmed.
#
# XREADGROUP with the id 0 gives a worker its own entries after a restart. For one that is no longer
# in the stream the server answers its id and a nil, so that the worker can acknowledge it.
# xReadGroup of node-redis takes the nil for fields, and rejects with `Cannot read properties of
# null`. The entries behind it are not seen either, and the next try is the same: the worker never
# gets going, and what buyers have paid for waits. Nothing is wrong with `sendCommand`, nor with
# ioredis. An open report: https://github.com/redis/node-redis/issues/2865
#
# What helps is `sendCommand(["XREADGROUP", ...])`, or xAutoClaim, with which the server takes such
# entries out of the worker's list (from Redis 7 on) and names them in `deletedMessages`.
#
# Seen with node-redis 6.3.1, ioredis 6.0.0, Node.js 20.20 and redis-server 7.0.15. Needs
# redis-server, redis-cli, node and npm; installs both libraries into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" ioredis@6.0.0 redis@6.3.1 >"$work/npm"
until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
cat >"$work/read.js" <<'JS'
const { createClient } = require("redis");
const Redis = require("ioredis");
const port = Number(process.argv[2]);

async function main() {
  const ioredis = new Redis(port);
  await ioredis.xgroup("CREATE", "events", "orders", "0", "MKSTREAM");
  for (const order of ["1", "2"]) await ioredis.xadd("events", `${order}-0`, "order", order);
  await ioredis.xreadgroup("GROUP", "orders", "worker", "STREAMS", "events", ">");
  await ioredis.xtrim("events", "MAXLEN", 1);
  const words = ["XREADGROUP", "GROUP", "orders", "worker", "STREAMS", "events", "0"];
  const say = async (name, reading) => {
    const answer = await reading.then(JSON.stringify, (error) => error.constructor.name);
    console.log(`${name}: ${answer}`);
  };
  for (const RESP of [2, 3]) {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
    await client.connect();
    const read = () => client.xReadGroup("orders", "worker", { key: "events", id: "0" });
    await say(`node-redis, RESP${RESP}`, read());
    await say(`node-redis, RESP${RESP}, again`, read());
    await say(`node-redis, RESP${RESP}, sendCommand`, client.sendCommand(words));
    client.destroy();
  }
  await say("ioredis", ioredis.xreadgroup(...words.slice(1)));
  ioredis.disconnect();
}
main();
JS
timeout 60 node "$work/read.js" "$port" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
node-redis, RESP2: TypeError
node-redis, RESP2, again: TypeError
node-redis, RESP2, sendCommand: [["events",[["1-0",null],["2-0",["order","2"]]]]]
node-redis, RESP3: TypeError
node-redis, RESP3, again: TypeError
node-redis, RESP3, sendCommand: {"events":[["1-0",null],["2-0",["order","2"]]]}
ioredis: [["events",[["1-0",null],["2-0",["order","2"]]]]]
TEXT
diff "$work/expected" "$work/seen"
echo "node-redis still cannot read a list with an entry that was trimmed"
