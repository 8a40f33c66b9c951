#!/bin/sh
# ioredis: a call that has failed with `Command timed out` is sent all the same, when the server is
# back.
#
# While there is no connection, calls wait in the offline queue. `commandTimeout` rejects the
# promise of one that waits there, but leaves the call in the queue. So a shop that tells its buyer
# "not sold" after half a second takes the unit minutes later, for nobody, and once more for each
# time that the buyer has tried. node-redis, with a timeout for its commands, takes such a call out
# of its queue: it is never sent.
#
# What helps is `enableOfflineQueue: false`, with which a call without a connection fails at once
# and is not sent, or calls that can be repeated. An open report:
# https://github.com/redis/ioredis/issues/2130
#
# Seen with ioredis 6.0.0, node-redis 6.3.1, Node.js 20.20 and redis-server 7.0.15. Needs
# redis-server, redis-cli, node and npm; installs both libraries into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
trap 'redis-cli -p "$port" SHUTDOWN NOSAVE >"$work/log" 2>&1 || true; rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" ioredis@6.0.0 redis@6.3.1 >"$work/npm"
cat >"$work/sell.js" <<'JS'
const { spawn } = require("child_process");
const { createClient } = require("redis");
const Redis = require("ioredis");
const port = Number(process.argv[2]);
const quiet = (client) => client.on("error", () => {});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// Starts an empty server.
async function start() {
  const options = ["--port", port, "--save", "", "--dir", __dirname];
  const server = spawn("redis-server", options, { stdio: "ignore" });
  await wait(1000);
  return server;
}

// Tries three times to sell one while the server is away.
async function sell(name, connect) {
  const server = await start();
  const client = quiet(connect());
  if (client.isOpen === false) await client.connect();
  await client.set("sold", 0);
  server.kill("SIGKILL");
  await wait(1000);
  let answer;
  for (let n = 0; n < 3; n++) {
    answer = await client.incr("sold").then(String, (error) => error.constructor.name);
  }
  const back = await start();
  await wait(4000);
  const sold = (await client.get("sold")) ?? 0;
  console.log(`${name}: ${answer}, and when the server is back: ${sold}`);
  client.disconnect ? client.disconnect() : client.destroy();
  back.kill("SIGKILL");
  await wait(500);
}

async function main() {
  const [commandTimeout, enableOfflineQueue] = [500, false];
  const url = `redis://127.0.0.1:${port}`;
  await sell("ioredis", () => new Redis(port, { commandTimeout }));
  await sell("ioredis, no queue", () => {
    const client = new Redis(port, { commandTimeout, enableOfflineQueue, lazyConnect: true });
    return Object.assign(client, { isOpen: false });
  });
  await sell("node-redis", () => createClient({ url, commandOptions: { timeout: 500 } }));
}
main().then(() => process.exit(0));
JS
timeout 120 node "$work/sell.js" "$port" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
ioredis: Error, and when the server is back: 3
ioredis, no queue: Error, and when the server is back: 0
node-redis: TimeoutError, and when the server is back: 0
TEXT
diff "$work/expected" "$work/seen"
echo "ioredis still sends calls whose timeout is long over"
