// The commands. Each function makes a call, which a `Stock` carries out: `stock.do(calls.reserve(...))`, or shorter
// `stock.reserve(...)`. A call carries an order id or a token, so the same call again changes nothing.
//
// `key`, `order`, `token` are strings or Buffers. A time to hold is one of `ex` (seconds), `px` (milliseconds), `pxat` (Unix time in
// milliseconds). `for` is what limits count by: `{ user: 42 }`, or pairs.

import * as a from "./answers.js";

const make = (words, key, parse, reads = false) => ({ words, key, parse, reads });

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
  words.push("FOR");
  for (const name in given) words.push(name, given[name]);
}

const flag = (words, name, given) => given && words.push(name);
const option = (words, name, value) => value !== undefined && words.push(name, value);

/** Holds units, if stock and every limit allow it. `partial` takes as many as they allow, at least 1. */
export function reserve(key, order, quantity, options = {}) {
  const words = ["STOCK.RESERVE", key, order, quantity];
  until(words, options);
  flag(words, "PARTIAL", options.partial);
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

/** Gives up a hold. NOORDER is remembered: a `reserve` that arrives later takes nothing. */
export const release = (key, order) => make(["STOCK.RELEASE", key, order], key, a.released);

/** The hold's new total. */
export const amend = (key, order, quantity) => make(["STOCK.AMEND", key, order, quantity], key, a.amended);

/** Moves the deadline of a hold, never to an earlier time. */
export function extend(key, order, options) {
  const words = ["STOCK.EXTEND", key, order];
  until(words, options);
  return make(words, key, a.extended);
}

/** RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. */
export function refund(key, order, options = {}) {
  const words = ["STOCK.RETURN", key, order];
  if (options.quantity !== undefined) words.push("QTY", options.quantity, "TOKEN", options.token);
  flag(words, "LATE", options.late);
  flag(words, "KEEPUSAGE", options.keepUsage);
  flag(words, "NORESTOCK", options.noRestock);
  return make(words, key, a.returned);
}

/** MRESERVE: `lines` are pairs of pool and quantity. All of it, or nothing. In a cluster the pools share a hash tag. */
export function reserveCart(order, lines, options = {}) {
  const words = ["STOCK.MRESERVE", order, lines.length];
  for (const [key] of lines) words.push(key);
  words.push("QTY");
  for (const [, quantity] of lines) words.push(quantity);
  until(words, options);
  attributes(words, options.for);
  return make(words, lines[0][0], a.cartHeld);
}

const cart = (verb, order, keys) => [verb, order, keys.length, ...keys];

export function confirmCart(order, keys, options = {}) {
  const words = cart("STOCK.MCONFIRM", order, keys);
  flag(words, "LATE", options.late);
  return make(words, keys[0], a.done);
}

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

/** Creates the pool, or corrects what is on hand (a number, or "UNLIMITED"). `onlyIf`: "NX" or "XX"; after a lost answer NX
 * may have been the call's own doing. Without it a repeat writes the number again: for quiet moments only. */
export function set(key, onHand, options = {}) {
  const words = ["STOCK.SET", key, onHand];
  flag(words, options.onlyIf, options.onlyIf);
  return make(words, key, a.done);
}

/** Moves free units to another pool of the same slot. The token makes it repeatable. */
export const transfer = (from, to, quantity, token) =>
  make(["STOCK.TRANSFER", from, to, quantity, "TOKEN", token], from, a.transferred);

/** A restock, or a write-off (negative). The token, the delivery's number say, makes it repeatable. */
export const add = (key, delta, token) => make(["STOCK.ADD", key, delta, "TOKEN", token], key, a.added);

/** Corrects what is on hand. `after` is { epoch, seq, out } of the last event that the database has followed. */
export function reconcile(key, onHand, options = {}) {
  const words = ["STOCK.RECONCILE", key, onHand];
  if (options.after) words.push("AFTER", options.after.epoch, options.after.seq, options.after.out);
  flag(words, "DRYRUN", options.dryRun);
  return make(words, key, a.reconciled);
}

export const suspend = (key) => make(["STOCK.SUSPEND", key], key, a.done);
export const resume = (key) => make(["STOCK.RESUME", key], key, a.done);

/** From when and until when the pool sells, in Unix ms; "NONE" removes a bound, one that is left out stays. */
export function schedule(key, options) {
  const words = ["STOCK.SCHEDULE", key];
  option(words, "FROM", options.fromMs);
  option(words, "UNTIL", options.untilMs);
  return make(words, key, a.done);
}

/** Replaces the whole policy. */
export const setPolicy = (key, json) => make(["STOCK.SETPOLICY", key, json], key, a.done);

/** Sets a limit, or for the values of `for` another maximum. */
export function limit(key, by, max, options = {}) {
  const words = ["STOCK.LIMIT", key, by, max];
  option(words, "PER", options.per);
  option(words, "TZ", options.tz);
  option(words, "COUNT", options.count);
  option(words, "MISSING", options.missing);
  if (options.for) words.push("FOR", ...options.for);
  return make(words, key, a.done);
}

/** Removes a limit with its usage, or one override: how many were removed. */
export function unlimit(key, by, options = {}) {
  const words = ["STOCK.UNLIMIT", key, by];
  option(words, "PER", options.per);
  option(words, "COUNT", options.count);
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
export const order = (key, id) => make(["STOCK.ORDER", key, id], key, a.order, true);

/** A page of the orders: the next cursor ("0": the end), and pairs of order and state. */
export function orders(key, cursor = "0", options = {}) {
  const words = ["STOCK.ORDERS", key, cursor];
  option(words, "STATE", options.state);
  option(words, "COUNT", options.count);
  return make(words, key, a.orders, true);
}

/** Everything about a pool. */
export const get = (key) => make(["STOCK.GET", key], key, a.pool, true);

export function usage(key, options = {}) {
  const words = ["STOCK.USAGE", key];
  attributes(words, options.for);
  return make(words, key, a.usage, true);
}

export const limits = (key) => make(["STOCK.LIMITS", key], key, a.limits, true);

/** The policy, as JSON that `setPolicy` takes. */
export const policy = (key) => make(["STOCK.POLICY", key], key, a.policy, true);

/** Recomputes every sum of the pool: the differences, none where all is right. Slow. */
export const verify = (key) => make(["STOCK.VERIFY", key], key, a.verified, true);
