// The commands. Each function makes a call, which a `Stock` carries out: `stock.do(calls.reserve(...))`, or shorter
// `stock.reserve(...)`. A call carries an order id or a token, so the same call again changes nothing.
//
// `key`, `order`, `token` are strings or Buffers. A time to hold is one of `ex` (seconds), `px` (milliseconds), `pxat` (Unix time in
// milliseconds). `for` is what limits count by: `{ user: 42 }`, or pairs.

import * as a from "./answers.js";

const make = (words, key, parse, reads = false) => ({ words, key, parse, reads });
/** A call of many orders; `each` makes the call of each of them. */
const makeBatch = (words, key, parse, each) => ({ ...make(words, key, parse), each });

function until(words, { ex, px, pxat }) {
  if (ex !== undefined) words.push("EX", ex);
  if (px !== undefined) words.push("PX", px);
  if (pxat !== undefined) words.push("PXAT", pxat);
}

function attributes(words, given) {
  if (!given) return;
  if (Array.isArray(given)) {
    if (given.length) words.push("FOR", ...given.flat());
    return;
  }
  if (!Object.keys(given).length) return;
  words.push("FOR");
  for (const name in given) words.push(name, given[name]);
}

const flag = (words, name, given) => given && words.push(name);
const option = (words, name, value) => value !== undefined && words.push(name, value);

/** Holds units, if stock and every limit allow it. `partial` takes as many as they allow, at least 1. `replaces` names an order whose
 * hold is given up in the same step; it is kept where this one is refused. */
export function reserve(key, order, quantity, options = {}) {
  const words = ["STOCK.RESERVE", key, order, quantity];
  until(words, options);
  flag(words, "PARTIAL", options.partial);
  option(words, "REPLACES", options.replaces);
  attributes(words, options.for);
  return make(words, key, a.held);
}

/** What `reserve` of a new order would answer. */
export function check(key, quantity, options = {}) {
  const words = ["STOCK.CHECK", key, quantity];
  attributes(words, options.for);
  return make(words, key, a.held, true);
}

/** Turns a hold into a sale. `late`: also one that has expired, if stock and limits still allow it. */
export function confirm(key, order, options = {}) {
  const words = ["STOCK.CONFIRM", key, order];
  option(words, "QTY", options.quantity);
  flag(words, "LATE", options.late);
  option(words, "SINCE", options.sinceMs);
  attributes(words, options.for);
  return make(words, key, a.confirmed);
}

/** RESERVEBATCH: up to 128 orders, [order, quantity, attributes] each, all with the same dimensions and hold. Each is judged as by a
 * `reserve` of its own: `answers`, with a StockError in the place of an error reply. */
export function reserveBatch(key, orders, options = {}) {
  const words = ["STOCK.RESERVEBATCH", key];
  until(words, options);
  const dims = Object.keys(orders[0][2] ?? {});
  if (dims.length) words.push("DIMS", dims.length, ...dims);
  words.push("ORDERS", orders.length);
  for (const [order, quantity, given = {}] of orders) {
    if (Object.keys(given).length !== dims.length || !dims.every((dim) => Object.hasOwn(given, dim))) {
      throw new TypeError("the orders of a batch have the same dimensions");
    }
    words.push(order, quantity, ...dims.map((dim) => given[dim]));
  }
  const each = () => orders.map(([order, quantity, given]) => reserve(key, order, quantity, { ...options, for: given }));
  return makeBatch(words, key, a.heldBatch, each);
}

/** CONFIRMBATCH: up to 128 orders, each judged as by a `confirm` of its own. */
export const confirmBatch = (key, orders) =>
  makeBatch(["STOCK.CONFIRMBATCH", key, "ORDERS", orders.length, ...orders], key, a.confirmedBatch, () =>
    orders.map((order) => confirm(key, order)),
  );

/** Gives up a hold. NOORDER is remembered: a `reserve` that arrives later takes nothing. */
export const release = (key, order) => make(["STOCK.RELEASE", key, order], key, a.released);

/** The hold's new total. */
export const amend = (key, order, quantity) => make(["STOCK.AMEND", key, order, quantity], key, a.amended);

/** Some units of a hold become an order of their own, with the same deadline. */
export const split = (key, order, part, quantity) => make(["STOCK.SPLIT", key, order, part, quantity], key, a.split);

/** Moves the deadline of a hold, never to an earlier time. */
export function extend(key, order, options) {
  const words = ["STOCK.EXTEND", key, order];
  until(words, options);
  return make(words, key, a.extended);
}

/** RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. `late`: also of an order that is
 * forgotten; with `for` its buyer's limits get the units back, too. */
export function refund(key, order, options = {}) {
  const words = ["STOCK.RETURN", key, order];
  if (options.quantity !== undefined) words.push("QTY", options.quantity, "TOKEN", options.token);
  flag(words, "LATE", options.late);
  flag(words, "KEEPUSAGE", options.keepUsage);
  flag(words, "NORESTOCK", options.noRestock);
  attributes(words, options.for);
  return make(words, key, a.returned);
}

/** MRESERVE: `lines` are pairs of pool and quantity. All of it, or nothing. In a cluster the pools share a hash tag. `replaces` names
 * a cart whose holds in these pools are given up in the same step; a pool in which only that one has units has quantity 0. */
export function reserveCart(order, lines, options = {}) {
  const words = ["STOCK.MRESERVE", order, ...pools(lines)];
  until(words, options);
  option(words, "REPLACES", options.replaces);
  attributes(words, options.for);
  return make(words, lines[0][0], a.cartHeld);
}

/** Pools, and behind QTY the quantity of each. */
const pools = (lines) => [lines.length, ...lines.map(([key]) => key), "QTY", ...lines.map(([, quantity]) => quantity)];
const cart = (verb, order, keys) => [verb, order, keys.length, ...keys];

export function confirmCart(order, keys, options = {}) {
  const words = cart("STOCK.MCONFIRM", order, keys);
  flag(words, "LATE", options.late);
  return make(words, keys[0], a.done);
}

/** MCONFIRM of pairs of pool and quantity: sells so much, and releases the rest. */
export function confirmCartInPart(order, lines, options = {}) {
  const words = ["STOCK.MCONFIRM", order, ...pools(lines)];
  flag(words, "LATE", options.late);
  return make(words, lines[0][0], a.done);
}

/** MSPLIT: `lines`, pairs of pool and quantity, go over to `part`. In all pools or in none. */
export const splitCart = (order, part, lines) => make(["STOCK.MSPLIT", order, part, ...pools(lines)], lines[0][0], a.done);

export const releaseCart = (order, keys) => make(cart("STOCK.MRELEASE", order, keys), keys[0], a.done);

export function extendCart(order, keys, options) {
  const words = cart("STOCK.MEXTEND", order, keys);
  until(words, options);
  return make(words, keys[0], a.done);
}

/** MRETURN: all that is left, in all pools or in none. */
export function refundCart(order, keys, options = {}) {
  const words = cart("STOCK.MRETURN", order, keys);
  flag(words, "KEEPUSAGE", options.keepUsage);
  flag(words, "NORESTOCK", options.noRestock);
  return make(words, keys[0], a.done);
}

// `note` says who and why: it is published with the change, in the pool's event stream, and kept nowhere else.

/** Creates the pool, or corrects what is on hand (a number, or "UNLIMITED"). `onlyIf`: "NX" or "XX"; after a lost answer NX
 * may have been the call's own doing. Without it a repeat writes the number again: for quiet moments only. With NX, `policy`
 * (JSON) is the pool's from its first moment on. */
export function set(key, onHand, options = {}) {
  const words = ["STOCK.SET", key, onHand];
  flag(words, options.onlyIf, options.onlyIf);
  option(words, "POLICY", options.policy);
  option(words, "NOTE", options.note);
  return make(words, key, a.done);
}

/** Moves free units to another pool of the same slot. The token makes it repeatable. */
export function transfer(from, to, quantity, token, options = {}) {
  const words = ["STOCK.TRANSFER", from, to, quantity, "TOKEN", token];
  option(words, "NOTE", options.note);
  return make(words, from, a.transferred);
}

/** A restock, or a write-off (negative). The token, the delivery's number say, makes it repeatable. */
export function add(key, delta, token, options = {}) {
  const words = ["STOCK.ADD", key, delta, "TOKEN", token];
  option(words, "NOTE", options.note);
  return make(words, key, a.added);
}

/** Corrects what is on hand. `after` is { epoch, seq, out } of the last event that the database has followed. */
export function reconcile(key, onHand, options = {}) {
  const words = ["STOCK.RECONCILE", key, onHand];
  if (options.after) words.push("AFTER", options.after.epoch, options.after.seq, options.after.out);
  flag(words, "DRYRUN", options.dryRun);
  option(words, "NOTE", options.note);
  return make(words, key, a.reconciled);
}

const noted = (words, { note }) => (note === undefined ? words : [...words, "NOTE", note]);
export const suspend = (key, options = {}) => make(noted(["STOCK.SUSPEND", key], options), key, a.done);
export const resume = (key, options = {}) => make(noted(["STOCK.RESUME", key], options), key, a.done);

/** From when and until when the pool sells, in Unix ms; "NONE" removes a bound, one that is left out stays. */
export function schedule(key, options) {
  const words = ["STOCK.SCHEDULE", key];
  option(words, "FROM", options.fromMs);
  option(words, "UNTIL", options.untilMs);
  option(words, "NOTE", options.note);
  return make(words, key, a.done);
}

/** Replaces the whole policy; with `merge` (a JSON merge patch) only what it names. */
export function setPolicy(key, json, options = {}) {
  const words = ["STOCK.SETPOLICY", key, json];
  flag(words, "MERGE", options.merge);
  option(words, "NOTE", options.note);
  return make(words, key, a.done);
}

/** Sets a limit, or for the values of `for` another maximum. `rolling`: the last `per` seconds, whenever one looks. */
export function limit(key, by, max, options = {}) {
  const words = ["STOCK.LIMIT", key, by, max];
  option(words, "PER", options.per);
  flag(words, "ROLLING", options.rolling);
  option(words, "TZ", options.tz);
  option(words, "COUNT", options.count);
  option(words, "MISSING", options.missing);
  option(words, "NOTE", options.note);
  if (options.for) words.push("FOR", ...options.for);
  return make(words, key, a.done);
}

/** Removes a limit with its usage, or one override: how many were removed. */
export function unlimit(key, by, options = {}) {
  const words = ["STOCK.UNLIMIT", key, by];
  option(words, "PER", options.per);
  flag(words, "ROLLING", options.rolling);
  option(words, "COUNT", options.count);
  option(words, "NOTE", options.note);
  if (options.for) words.push("FOR", ...options.for);
  return make(words, key, a.count);
}

/** Returns due holds now: how many. */
export function sweep(key, options = {}) {
  const words = ["STOCK.SWEEP", key];
  option(words, "COUNT", options.count);
  return make(words, key, a.count);
}

/** What can be reserved now, in each pool: -1 unlimited, null no pool. In a cluster the pools share a hash tag. */
export const available = (keys) => make(["STOCK.AVAILABLE", ...keys], keys[0], a.available, true);
/** Why `reserve` of a new order (of one unit, if not said) would be answered as it would, step by step. */
export function explain(key, options = {}) {
  const words = ["STOCK.EXPLAIN", key];
  if (options.quantity !== undefined) words.push(options.quantity);
  attributes(words, options.for);
  return make(words, key, a.explained, true);
}

export const order = (key, id) => make(["STOCK.ORDER", key, id], key, a.order, true);

/** A page of the orders: the next cursor ("0": the end), and pairs of order and state; with `details` of order and what `order` shows.
 * `for`: attributes of a buyer, as far as limits or the policy's `remember` name them. */
export function orders(key, cursor = "0", options = {}) {
  const words = ["STOCK.ORDERS", key, cursor];
  option(words, "STATE", options.state);
  flag(words, "DETAILS", options.details);
  option(words, "COUNT", options.count);
  attributes(words, options.for);
  return make(words, key, a.orders, true);
}

/** Everything about a pool; with `returning` also when held units come back if nobody pays. */
export const get = (key, { returning = false } = {}) =>
  make(returning ? ["STOCK.GET", key, "RETURNING"] : ["STOCK.GET", key], key, a.pool, true);

/** What each limit has counted for these attributes; `top`: for those that used most. */
export function usage(key, options = {}) {
  const words = ["STOCK.USAGE", key];
  option(words, "TOP", options.top);
  attributes(words, options.for);
  return make(words, key, a.usage, true);
}

export const limits = (key) => make(["STOCK.LIMITS", key], key, a.limits, true);

/** The policy, as JSON that `setPolicy` takes. */
export const policy = (key) => make(["STOCK.POLICY", key], key, a.policy, true);

/** Recomputes every sum of the pool: the differences, none where all is right. Slow. */
export const verify = (key) => make(["STOCK.VERIFY", key], key, a.verified, true);
