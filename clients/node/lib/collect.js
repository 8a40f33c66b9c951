// Collects the calls of many buyers into one: STOCK.RESERVEBATCH and STOCK.CONFIRMBATCH.

import { StockError } from "./answers.js";
import * as calls from "./calls.js";

/** The most orders that the server takes in one call. */
const MOST = 128;

/**
 * What is asked for within a millisecond goes to the server as one call for each pool, hold and set of dimensions, and everybody gets the
 * answer of their own order. That costs a buyer up to `waitMs` and spares the server most of a call's cost.
 *
 *     const shop = new Collector(new Stock(ioredis(new Redis())));
 *     const answer = await shop.reserve("sku:618", "order-6", 2, { ex: 900, for: { user: 43 } });
 */
export class Collector {
  #stock;
  #most;
  #waitMs;
  #open = new Map();

  /** A batch is sent when it has `most` orders, or `waitMs` after its first. */
  constructor(stock, { most = 64, waitMs = 1 } = {}) {
    if (!(most >= 1 && most <= MOST)) throw new RangeError(`1 to ${MOST} orders`);
    this.#stock = stock;
    this.#most = most;
    this.#waitMs = waitMs;
  }

  /** As `calls.reserve`; of its options a time to hold, and `for`. */
  reserve(key, order, quantity, { ex, px, pxat, for: given } = {}) {
    const attributes = Object.fromEntries((Array.isArray(given) ? given : Object.entries(given ?? {})).toSorted());
    const hold = { ex, px, pxat };
    const group = JSON.stringify(["reserve", String(key), ex, px, pxat, Object.keys(attributes)]);
    return this.#join(group, [order, quantity, attributes], {
      together: (orders) => calls.reserveBatch(key, orders, hold),
      alone: ([id, units, by]) => calls.reserve(key, id, units, { ...hold, for: by }),
    });
  }

  /** As `calls.confirm` without options. */
  confirm(key, order) {
    return this.#join(JSON.stringify(["confirm", String(key)]), order, {
      together: (orders) => calls.confirmBatch(key, orders),
      alone: (id) => calls.confirm(key, id),
    });
  }

  #join(group, order, how) {
    let batch = this.#open.get(group);
    if (!batch) {
      batch = { waiting: [], timer: setTimeout(() => this.#send(group, how), this.#waitMs) };
      this.#open.set(group, batch);
    }
    return new Promise((resolve, reject) => {
      batch.waiting.push({ order, resolve, reject });
      if (batch.waiting.length >= this.#most) this.#send(group, how);
    });
  }

  async #send(group, { together, alone }) {
    const { waiting, timer } = this.#open.get(group);
    this.#open.delete(group);
    clearTimeout(timer);
    const orders = waiting.map(({ order }) => order);
    let answers;
    try {
      ({ answers } = await this.#stock.do(together(orders)));
    } catch (error) {
      // One order has arguments that the server refuses, and with it the whole call: it must not harm the others.
      const one = error instanceof StockError && error.code === "ERR";
      answers = one ? await this.#stock.pipeline(orders.map(alone)) : orders.map(() => error);
    }
    waiting.forEach(({ resolve, reject }, n) => (answers[n] instanceof Error ? reject(answers[n]) : resolve(answers[n])));
  }
}
