#!/bin/sh
# ioredis: a WATCH is gone after a reconnect, and EXEC commits all the same, without an error.
#
# A shop reads how many are left under WATCH, somebody else sells the last one, and the connection
# breaks before MULTI. ioredis connects again by itself. The new connection watches nothing, so EXEC
# answers OK and the old number is written over the new one: units are sold twice. Without the
# break EXEC answers null. node-redis throws a WatchError in the same place.
#
# What helps is a connection for transactions alone that never reconnects (`retryStrategy: () =>
# null`): its EXEC is refused, and the shop begins again. A user's report of it was closed as
# stale: https://github.com/redis/ioredis/issues/1686
#
# Seen with ioredis 6.0.0, node-redis 6.3.1, Node.js 20.20 and redis-server 7.0.15. Needs
# redis-server, redis-cli, node and npm; installs both libraries into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" ioredis@6.0.0 redis@6.3.1 >"$work/npm"
until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
cat >"$work/sell.js" <<'JS'
const { createClient } = require("redis");
const Redis = require("ioredis");
const port = Number(process.argv[2]);
const quiet = (client) => client.on("error", () => {});
const other = quiet(new Redis(port));

// Sells one by WATCH, while somebody else sells all that are left.
async function sell(name, breaks, watch, get, id, exec) {
  await other.set("stock", 5);
  await watch();
  const left = Number(await get());
  await other.set("stock", 0);
  if (breaks) {
    await other.client("KILL", "ID", await id());
    await new Promise((done) => setTimeout(done, 500));
  }
  const answer = await exec(left - 1).then(JSON.stringify, (error) => `${error.message}`);
  console.log(`${name}: ${answer}, and the stock is ${await other.get("stock")}`);
}

async function ioredis(name, breaks, options) {
  const client = quiet(new Redis(port, options));
  const exec = (left) => client.multi().set("stock", left).exec();
  const [watch, get] = [() => client.watch("stock"), () => client.get("stock")];
  await sell(name, breaks, watch, get, () => client.client("ID"), exec);
  client.disconnect();
}

async function nodeRedis(name) {
  const client = quiet(createClient({ url: `redis://127.0.0.1:${port}` }));
  await client.connect();
  const exec = (left) => client.multi().set("stock", String(left)).exec();
  const [watch, get] = [() => client.watch("stock"), () => client.get("stock")];
  await sell(name, true, watch, get, () => client.clientId(), exec);
  client.destroy();
}

async function main() {
  await ioredis("ioredis, connected all the time", false, {});
  await ioredis("ioredis, reconnected", true, {});
  await ioredis("ioredis, not to reconnect", true, { retryStrategy: () => null });
  await nodeRedis("node-redis, reconnected");
  other.disconnect();
}
main();
JS
node "$work/sell.js" "$port" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
ioredis, connected all the time: null, and the stock is 0
ioredis, reconnected: [[null,"OK"]], and the stock is 4
ioredis, not to reconnect: Connection is closed., and the stock is 0
node-redis, reconnected: Client reconnected after WATCH, and the stock is 0
TEXT
diff "$work/expected" "$work/seen"
echo "ioredis still commits what a lost WATCH should have kept back"
