// What the server answers, as plain objects: `type` says which. `refused` is something to tell the buyer, not a fault.

/** An error reply: a bug of the caller, or a server that takes no such call now. Nothing of what was asked was done. */
export class StockError extends Error {
  /** @param {string} code the first word: CONFLICT, NODIM, ERR, WRONGTYPE, OOM, NOREPLICAS, NOPERM, ... */
  constructor(code, message, cause) {
    super(message, { cause });
    this.name = "StockError";
    this.code = code;
  }
}

/** No answer within the time limit. The call may have been done: make the same call again, or `release` the order. */
export class Unanswered extends Error {
  /** @param {string | null} code of the last error reply (TRYAGAIN, CLUSTERDOWN, ...); null where no answer came */
  constructor(code, cause) {
    super(`no answer within the time limit: ${cause.message}`, { cause });
    this.name = "Unanswered";
    this.code = code;
  }
}

/** Words of the server, whatever the client makes of bulk strings. */
export const text = (value) => (typeof value === "string" || value === null ? value : value.toString());

const REFUSALS = {
  SOLDOUT: ([key, available]) => ({ type: "refused", word: "SOLDOUT", key, available }),
  LIMITED: ([key, limit, value, used, max, resetsMs]) => ({
    type: "refused", word: "LIMITED", key, limit: text(limit), value, used, max, resetsMs,
  }),
  CLOSED: ([key, state]) => ({ type: "refused", word: "CLOSED", key, state: text(state) }),
  EARLY: ([key, fromMs]) => ({ type: "refused", word: "EARLY", key, fromMs }),
  ENDED: ([key, untilMs]) => ({ type: "refused", word: "ENDED", key, untilMs }),
};

/** A parser: `done` makes the object of OK, the rest is the same for all commands. */
export const decision = (done) => (reply) => {
  const word = text(reply[0]);
  if (word === "OK") return done(reply);
  const rest = reply.slice(1);
  if (word === "EXISTS") {
    const [key, state, quantity, returned, deadlineMs] = rest;
    return { type: "exists", key, state: text(state), quantity, returned, deadlineMs };
  }
  // The other words have only the key, and so has one of a newer server, for us.
  return Object.hasOwn(REFUSALS, word) ? REFUSALS[word](rest) : { type: "refused", word, key: rest[0] };
};

/** A map: an array of names and values (RESP2), a Map or an object (RESP3), or pairs as valkey-glide has them. */
export function mapping(reply) {
  if (reply instanceof Map) return Object.fromEntries([...reply].map(([name, value]) => [text(name), value]));
  if (!Array.isArray(reply)) return reply;
  if (reply.length && reply[0]?.key !== undefined && !Buffer.isBuffer(reply[0])) {
    return Object.fromEntries(reply.map(({ key, value }) => [text(key), value]));
  }
  const map = {};
  for (let i = 0; i + 1 < reply.length; i += 2) map[text(reply[i])] = reply[i + 1];
  return map;
}

const orNothing = (parse) => (reply) => (reply === null ? { type: "nothing" } : parse(reply));

export const held = decision(([, quantity, available, deadlineMs]) => ({ type: "held", quantity, available, deadlineMs }));
export const confirmed = decision(([, quantity, sold]) => ({ type: "confirmed", quantity, sold }));
export const released = decision(([, quantity, available]) => ({ type: "released", quantity, available }));
export const amended = decision(([, quantity, available]) => ({ type: "amended", quantity, available }));
export const split = decision(([, quantity, left, deadlineMs]) => ({ type: "split", quantity, left, deadlineMs }));
export const extended = decision(([, deadlineMs]) => ({ type: "extended", deadlineMs }));
export const returned = decision(([, quantity, available, sold]) => ({ type: "returned", quantity, available, sold }));
export const cartHeld = decision(([, deadlineMs]) => ({ type: "cartHeld", deadlineMs }));
export const added = decision(([, onHand, available]) => ({ type: "added", onHand, available }));
export const transferred = decision(([, onHand, available, toOnHand, toAvailable]) => ({ type: "transferred", onHand, available, toOnHand, toAvailable }));
export const reconciled = decision(([, drift, onHand, available]) => ({ type: "reconciled", drift, onHand, available }));
/** An array of answers, each read by `one`. An error reply among them is a StockError in its place. */
const batch = (one) => (reply, errorReply) => ({
  type: "batch",
  answers: reply.map((answer) => {
    if (!(answer instanceof Error)) return one(answer);
    const [code, message] = errorReply(answer.message) ?? ["ERR", answer.message];
    return new StockError(code, message, answer);
  }),
});
export const heldBatch = batch(held);
export const confirmedBatch = batch(confirmed);
const cartDone = decision(() => ({ type: "done" }));
export const done = orNothing((reply) => (Array.isArray(reply) ? cartDone(reply) : { type: "done" }));
export const count = (reply) => (typeof reply === "number" ? { type: "count", count: reply } : cartDone(reply));
export const available = (reply) => ({ type: "available", available: reply });
export const policy = orNothing((reply) => ({ type: "policy", policy: text(reply) }));
export const verified = orNothing((reply) => {
  const lines = Array.isArray(reply) ? reply.map(text) : [text(reply)];
  return { type: "verified", differences: lines[0] === "OK" ? [] : lines };
});
function orderView(reply) {
  const { state, qty, returned: back, deadline_ms, for: attributes } = mapping(reply);
  return { state: text(state), quantity: qty, returned: back, deadlineMs: deadline_ms, for: mapping(attributes ?? []) };
}
export const order = orNothing((reply) => ({ type: "order", ...orderView(reply) }));
export const orders = orNothing(([cursor, flat]) => {
  const pairs = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const plain = typeof flat[i + 1] === "string" || Buffer.isBuffer(flat[i + 1]);
    pairs.push([flat[i], plain ? text(flat[i + 1]) : orderView(flat[i + 1])]);
  }
  return { type: "orders", cursor: text(cursor), orders: pairs };
});
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
export const pool = orNothing((reply) => {
  const result = { type: "pool" };
  for (const [name, value] of Object.entries(mapping(reply))) {
    result[camel(name)] = name === "orders" || name === "returning" ? mapping(value) : typeof value === "number" ? value : text(value);
  }
  return result;
});
export const usage = orNothing((reply) => ({
  type: "usage",
  usage: reply.map((row) => {
    const { limit, values, used, max, remaining, resets_ms } = mapping(row);
    return { limit: text(limit), ...(values && { values }), used, max, remaining, resetsMs: resets_ms };
  }),
}));
export const limits = orNothing((reply) => ({
  type: "limits",
  limits: reply.map((row) => {
    const { limit, max, tz, missing, overrides } = mapping(row);
    return { limit: text(limit), max, tz: text(tz), missing: text(missing), overrides };
  }),
}));
/** EXPLAIN: the steps of a decision; `answer` is what `reserve` would return, a StockError where it would throw one. Of a key that is
 * not there `exists` and `answer` alone. */
export function explained(reply) {
  const { answer, limits: each, stock, missing, returning, ...plain } = mapping(reply);
  const code = text(answer[0]);
  const isError = ["CONFLICT", "NODIM", "ERR"].includes(code);
  const result = { type: "explained", answer: isError ? new StockError(code, `${code} ${text(answer[1])}`) : held(answer) };
  for (const [name, value] of Object.entries(plain)) result[camel(name)] = value;
  if (!result.exists) return result;
  const { on_hand: onHand, ...units } = mapping(stock);
  const limits = each.map((row) => {
    const { limit, verdict, missing: lacks, resets_ms: resetsMs, ...rest } = mapping(row);
    return { limit: text(limit), verdict: text(verdict), missing: lacks.map(text), resetsMs, ...rest };
  });
  // within_1m, within_5m, ..., later: the names are the server's.
  return { ...result, missing: missing.map(text), stock: { onHand, ...units }, limits, returning: mapping(returning) };
}
