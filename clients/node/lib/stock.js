// Carries calls out, again and again until there is an answer.

import { setTimeout as sleep } from "node:timers/promises";
import { StockError, Unanswered } from "./answers.js";
import * as calls from "./calls.js";

// Codes of error replies that pass by themselves: the node could not serve the call just now, and has done nothing.
const PASSES = new Set(["TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "MOVED", "ASK", "BUSY"]);

/** The code and text of an error reply; null for an error of the client's own, after which nobody knows what was done. */
export function errorReply(message) {
  const space = message.indexOf(" ");
  const code = space < 0 ? message : message.slice(0, space);
  return /^[A-Z]+$/.test(code) ? [code, message] : null;
}

export class Stock {
  /**
   * @param {{send: (call: object) => Promise<any>, errorReply?: (message: string) => [string, string] | null}} client
   *   ioredis(client), nodeRedis(client) or glide(client)
   * @param {{withinMs?: number}} options how long a call is repeated with the same order id, until there is an answer
   */
  constructor(client, { withinMs = 10_000 } = {}) {
    this.client = client;
    this.withinMs = withinMs;
    this.errorReply = client.errorReply ?? errorReply;
  }

  /** Carries a call out. Throws StockError for an error reply, Unanswered when the time is over. */
  async do(call) {
    let reply;
    try {
      reply = await this.client.send(call);
    } catch (error) {
      try {
        reply = await this.#repeat(call, error);
      } catch (final) {
        // Where an order of a batch has an error, glide throws it and drops the other answers: the orders are then asked for one by
        // one, and what the batch has just done is answered `exists`. Of all errors only these two concern one order.
        if (!call.each || !["CONFLICT", "NODIM"].includes(final.code)) throw final;
        return { type: "batch", answers: await this.pipeline(call.each()) };
      }
    }
    return call.parse(reply, this.errorReply);
  }

  async #repeat(call, error) {
    const end = Date.now() + this.withinMs;
    for (let most = 20; ; most = Math.min(2 * most, 500)) {
      const known = this.errorReply(error.message);
      if (known && !PASSES.has(known[0])) throw new StockError(known[0], known[1], error);
      // By chance: so that clients do not come back together.
      const pause = most * (0.5 + Math.random() / 2);
      if (Date.now() + pause > end) throw new Unanswered(known?.[0] ?? null, error);
      await sleep(pause);
      try {
        return await this.client.send(call);
      } catch (again) {
        error = again;
      }
    }
  }

  /** All calls in one go, without waiting between them: their answers in order, an error in the place of one that failed. */
  async pipeline(all) {
    const settled = await Promise.allSettled(all.map((call) => this.do(call)));
    return settled.map(({ value, reason }) => reason ?? value);
  }
}

// stock.reserve(...) is stock.do(calls.reserve(...)).
for (const [name, call] of Object.entries(calls)) {
  Stock.prototype[name] = function (...args) {
    return this.do(call(...args));
  };
}
