// What the tests ask of every client library: node drive.js LIBRARY PORT [--cluster] [--resp3] [--replicas] MODE [ARGS]
// LIBRARY is ioredis, node-redis or glide. The modes are described in clients/README.md.

import { createInterface } from "node:readline";
import { Command } from "ioredis";
import { askOf, bucketOf, calls, Collector, Stock, StockError, Unanswered } from "../lib/index.js";
import { run as shop } from "../shop.js";

const flags = process.argv.filter((word) => word.startsWith("--"));
const [library, port, mode, ...args] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const has = (flag) => flags.includes(`--${flag}`);
const timeoutMs = Number(process.env.STOCK_TIMEOUT_MS ?? 500);
const withinMs = Number(process.env.STOCK_PATIENCE_MS ?? 10_000);
const binary = mode === "driver";
const host = "127.0.0.1";

async function connect() {
  if (library === "ioredis") {
    const { Cluster, Redis } = await import("ioredis");
    const { ioredis } = await import("../lib/ioredis.js");
    const redisOptions = { commandTimeout: timeoutMs, protocol: has("resp3") ? 3 : 2 };
    const client = has("cluster")
      ? new Cluster([{ host, port }], { redisOptions, scaleReads: has("replicas") ? "slave" : "master" })
      : new Redis({ host, port, ...redisOptions });
    client.on("error", () => {});
    const bare = (...words) => client.sendCommand(new Command(words[0], words.slice(1), { replyEncoding: "utf8" }));
    return { client: ioredis(client, { binary }), bare, end: () => client.disconnect() };
  }
  if (library === "node-redis") {
    const { createClient, createCluster } = await import("redis");
    const { nodeRedis } = await import("../lib/node-redis.js");
    const url = `redis://${host}:${port}`;
    const RESP = has("resp3") ? 3 : 2;
    const client = has("cluster")
      ? createCluster({ rootNodes: [{ url }], useReplicas: has("replicas"), RESP })
      : createClient({ url, RESP });
    client.on("error", () => {});
    await client.connect();
    const bare = (...words) => client.sendCommand(words.map(String));
    return { client: nodeRedis(client, { timeoutMs, binary }), bare, end: () => client.destroy() };
  }
  const { GlideClient, GlideClusterClient, Logger, ProtocolVersion } = await import("@valkey/valkey-glide");
  const { glide } = await import("../lib/glide.js");
  Logger.init("off");
  const client = await (has("cluster") ? GlideClusterClient : GlideClient).createClient({
    addresses: [{ host, port: Number(port) }],
    requestTimeout: timeoutMs,
    protocol: has("resp3") ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2,
    ...(has("replicas") ? { readFrom: "preferReplica" } : {}),
  });
  const bare = (...words) => client.customCommand(words.map(String));
  return { client: glide(client, { replicas: has("replicas"), binary }), bare, end: () => client.close() };
}

async function sendLines(stock) {
  const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  for (let next = await input.next(); !next.done; next = await input.next()) {
    if (next.value === "MARK") {
      console.log("warm");
      await input.next();
      continue;
    }
    const [key, ...words] = JSON.parse(next.value);
    // The arguments are of no interest here.
    await stock.do({ words, key, parse: (reply) => reply, reads: has("replicas") }).catch((error) => {
      if (!(error instanceof StockError)) throw error;
    });
  }
  console.log("done");
}

async function carts(stock, tag, count) {
  for (let n = 0; n < Number(count); n += 1) {
    const answer = await stock.reserveCart(`order-${n}`, [[`{${tag}}a`, 1], [`{${tag}}b`, 1]]);
    console.log({ cartHeld: "OK", exists: "EXISTS" }[answer.type] ?? answer.word);
  }
}

// So many buyers ask at once, one unit each, two of them with what the server refuses: the answer of each, then the payments.
async function collect(stock, count) {
  const shop = new Collector(stock, { most: 32 });
  const buy = async (n) => {
    const last = Number(count) - 1;
    try {
      // The last but one has no dimension that the limit needs; the last one asks for nothing.
      const buyer = n === last - 1 ? {} : { for: { user: Math.floor(n / 2) } };
      const answer = await shop.reserve("k", `o${n}`, n === last ? 0 : 1, { ex: 900, ...buyer });
      console.log(`o${n}`, { held: "OK", exists: "EXISTS" }[answer.type] ?? answer.word);
      if (answer.type === "held") {
        const paid = await shop.confirm("k", `o${n}`);
        console.log("paid", `o${n}`, paid.type === "confirmed" ? "OK" : "no");
      }
    } catch (error) {
      if (!(error instanceof StockError)) throw error;
      console.log(`o${n}`, error.code);
    }
  };
  await Promise.all(Array.from({ length: Number(count) }, (_, n) => buy(n)));
}

// What the library costs over its bare call: single calls in turn, and the lower quarter of each, since whatever else runs on
// the machine only adds.
async function bench(stock, bare, count = "10000") {
  await stock.set("bench", "UNLIMITED");
  const [withLibrary, without] = [[], []];
  for (let n = 0; n < Number(count); n += 1) {
    const start = performance.now();
    await stock.reserve("bench", `a${n}`, 1, { ex: 900, for: { user: n } });
    const middle = performance.now();
    await bare("STOCK.RESERVE", "bench", `b${n}`, 1, "EX", 900, "FOR", "user", n);
    without.push(performance.now() - middle);
    withLibrary.push(middle - start);
  }
  const [took, call] = [withLibrary, without].map((all) => all.sort((x, y) => x - y)[all.length >> 2]);
  const over = (100 * (took / call - 1)).toFixed(1);
  console.log(`${library}: a bare call takes ${(1000 * call).toFixed(0)} us, the library ${over < 0 ? "" : "+"}${over} %`);
}

// A string of the vectors is bytes: a character each.
const bytes = (value) => Buffer.from(value, "latin1");
const pairs = (all) => all?.map(([name, value]) => [name, bytes(value)]);
/** Words that may be any bytes. */
const words = ({ note, replaces }) => ({ note: note && bytes(note), replaces: replaces && bytes(replaces) });
const lines = (all) => all.map(([key, quantity]) => [bytes(key), quantity]);
const CALLS = {
  reserve: (g) => calls.reserve(bytes(g.key), bytes(g.order), g.quantity, { ...g.hold, partial: g.partial, ...words(g), for: pairs(g.for) }),
  check: (g) => calls.check(bytes(g.key), g.quantity, { for: pairs(g.for) }),
  confirm: (g) =>
    calls.confirm(bytes(g.key), bytes(g.order), { quantity: g.quantity, late: g.late, sinceMs: g.since_ms, for: pairs(g.for) }),
  release: (g) => calls.release(bytes(g.key), bytes(g.order)),
  amend: (g) => calls.amend(bytes(g.key), bytes(g.order), g.quantity),
  extend: (g) => calls.extend(bytes(g.key), bytes(g.order), g.hold),
  return: (g) =>
    calls.refund(bytes(g.key), bytes(g.order), {
      quantity: g.quantity, token: g.token && bytes(g.token), late: g.late, keepUsage: g.keep_usage, noRestock: g.no_restock,
      for: pairs(g.for),
    }),
  split: (g) => calls.split(bytes(g.key), bytes(g.order), bytes(g.part), g.quantity),
  reservebatch: (g) => {
    const order = ([id, n, ...values]) => [bytes(id), n, Object.fromEntries(values.map((v, i) => [g.dims[i], bytes(v)]))];
    return calls.reserveBatch(bytes(g.key), g.orders.map(order), g.hold);
  },
  confirmbatch: (g) => calls.confirmBatch(bytes(g.key), g.orders.map(bytes)),
  mreserve: (g) =>
    calls.reserveCart(bytes(g.order), lines(g.lines), { ...g.hold, ...words(g), for: pairs(g.for) }),
  mconfirm: (g) =>
    g.lines
      ? calls.confirmCartInPart(bytes(g.order), lines(g.lines), { late: g.late })
      : calls.confirmCart(bytes(g.order), g.keys.map(bytes), { late: g.late }),
  msplit: (g) => calls.splitCart(bytes(g.order), bytes(g.part), lines(g.lines)),
  mrelease: (g) => calls.releaseCart(bytes(g.order), g.keys.map(bytes)),
  mextend: (g) => calls.extendCart(bytes(g.order), g.keys.map(bytes), g.hold),
  mreturn: (g) => calls.refundCart(bytes(g.order), g.keys.map(bytes), { keepUsage: g.keep_usage, noRestock: g.no_restock }),
  set: (g) => calls.set(bytes(g.key), g.on_hand, { onlyIf: g.only_if, policy: g.policy, ...words(g) }),
  add: (g) => calls.add(bytes(g.key), g.delta, bytes(g.token), words(g)),
  transfer: (g) => calls.transfer(bytes(g.key), bytes(g.to), g.quantity, bytes(g.token), words(g)),
  reconcile: (g) => calls.reconcile(bytes(g.key), g.on_hand, { after: g.after, dryRun: g.dry_run, ...words(g) }),
  suspend: (g) => calls.suspend(bytes(g.key), words(g)),
  resume: (g) => calls.resume(bytes(g.key), words(g)),
  schedule: (g) => calls.schedule(bytes(g.key), { fromMs: g.from_ms, untilMs: g.until_ms, ...words(g) }),
  sweep: (g) => calls.sweep(bytes(g.key), { count: g.count }),
  limit: (g) => calls.limit(bytes(g.key), g.by, g.max, { ...g, ...words(g), for: g.for?.map(bytes) }),
  unlimit: (g) => calls.unlimit(bytes(g.key), g.by, { ...g, ...words(g), for: g.for?.map(bytes) }),
  setpolicy: (g) => calls.setPolicy(bytes(g.key), bytes(g.policy), { merge: g.merge, ...words(g) }),
  policy: (g) => calls.policy(bytes(g.key)),
  limits: (g) => calls.limits(bytes(g.key)),
  usage: (g) => calls.usage(bytes(g.key), { top: g.top, for: pairs(g.for) }),
  explain: (g) => calls.explain(bytes(g.key), { quantity: g.quantity, for: pairs(g.for) }),
  get: (g) => calls.get(bytes(g.key), g),
  available: (g) => calls.available(g.keys.map(bytes)),
  order: (g) => calls.order(bytes(g.key), bytes(g.order)),
  orders: (g) => calls.orders(bytes(g.key), g.cursor, { ...g, for: pairs(g.for) }),
  verify: (g) => calls.verify(bytes(g.key)),
};

function shown(value) {
  if (Buffer.isBuffer(value)) return value.toString("latin1");
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Error) return result(value);
  if (value === null || typeof value !== "object") return value;
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [snake(name), shown(inner)]));
}

function result(answer) {
  if (answer instanceof StockError) {
    const unavailable = ["NOREPLICAS", "OOM", "MISCONF"].includes(answer.code);
    return { type: "error", class: unavailable ? "unavailable" : "bug", code: answer.code };
  }
  if (answer instanceof Unanswered) {
    return { type: "error", class: "unsure", code: answer.code };
  }
  if (answer instanceof Error) throw answer;
  const { type, ...rest } = shown(answer);
  return { type: type === "cartHeld" ? "cart_held" : type, ...rest };
}

async function driver(stock) {
  for await (const line of createInterface({ input: process.stdin })) {
    const given = JSON.parse(line);
    if (given.bucket !== undefined) {
      console.log(bucketOf(bytes(given.bucket), given.count));
      continue;
    }
    if (given.ask !== undefined) {
      console.log(askOf(given.refused, given.ask) ?? "null");
      continue;
    }
    const make = ({ method, args: of }) => CALLS[method](of);
    const all = await stock.pipeline([given].flat().map(make));
    console.log(JSON.stringify(Array.isArray(given) ? all.map(result) : result(all[0])));
  }
}

const { client, bare, end } = await connect();
const stock = new Stock(client, { withinMs });
const modes = { shop, lines: sendLines, collect, carts, driver, bench: (one, ...rest) => bench(one, bare, ...rest) };
await modes[mode](stock, ...args);
end();
