// What every shop writes again around ioredis and node-redis: copy the half that you need.

import { Cluster, Command } from "ioredis";
import calculateSlot from "cluster-key-slot";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Nobody knows whether the call was done, or the node could not serve it just now. The server's own errors begin with a code in
// capitals; of those only these pass by themselves.
const isUnsure = (error) =>
  /^(TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|MOVED|ASK) /.test(error.message) || !/^[A-Z]+ /.test(error.message);

// Repeats a call until there is an answer. That is safe: it carries an order id (STOCK.ADD and STOCK.RETURN QTY: a TOKEN).
async function repeat(call) {
  for (const ms of [20, 100, 500, 1000, 2000]) {
    try {
      return await call();
    } catch (error) {
      if (!isUnsure(error)) throw error;
      await pause(ms);
    }
  }
  return call();
}

// ioredis, `Redis` or `Cluster`, with `commandTimeout`. It sends a command that it does not know to any node unless the
// command's slot is set: so set it.
export function withIoredis(client) {
  return (key, ...words) =>
    repeat(() => {
      const [name, ...args] = words;
      const command = new Command(name, args, { replyEncoding: "utf8" });
      if (client instanceof Cluster) command.slot = calculateSlot(key);
      return client.sendCommand(command);
    });
}

// node-redis, `createClient` or `createCluster`. The cluster client takes the key beside the words; `false`: not read-only, so
// from the primary. Its commands have no time limit of their own: without one, a call to a dead machine waits for ever.
export function withNodeRedis(client, timeoutMs = 500) {
  const isCluster = "slots" in client;
  return (key, ...words) =>
    repeat(() => {
      const args = words.map(String);
      const call = isCluster ? client.sendCommand(key, false, args) : client.sendCommand(args);
      let timer;
      const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("no answer")), timeoutMs)));
      return Promise.race([call, late]).finally(() => clearTimeout(timer));
    });
}

// A refusal is a value. What it means to the buyer is the shop's word.
export const isDone = (answer) => answer[0] === "OK" || answer[0] === "EXISTS";

// A map comes as a flat array in RESP2 (ioredis) and as an object in RESP3.
export const asMap = (answer) =>
  Array.isArray(answer)
    ? Object.fromEntries(answer.flatMap((name, i) => (i % 2 ? [] : [[name, answer[i + 1]]])))
    : answer;

// The words of a command on several pools that share a hash tag.
export const cart = (verb, order, keys, ...rest) => [keys[0], `STOCK.${verb}`, order, keys.length, ...keys, ...rest];
