// A small shop: node shop.js redis://127.0.0.1:6379

import { pathToFileURL } from "node:url";
import { Redis } from "ioredis";
import { calls, Stock } from "redis-stock";
import { ioredis } from "redis-stock/ioredis";

// One hash tag: the pools of a cart share a slot.
const [PEN, INK, CAP] = ["{618}pen", "{618}ink", "{618}cap"];
const all = [PEN, INK, CAP];

// What a buyer is told.
function tell({ word, key, limit, used, max, available }) {
  switch (word) {
    case "LIMITED":
      return `${word} ${limit}, ${used} of ${max}`;
    case "SOLDOUT":
      return `${word}, ${available} left`;
    default:
      return `${word} ${key}`;
  }
}

export async function run(shop) {
  // Before the sale. NX: a second run does not put sold units back.
  await shop.pipeline([
    calls.set(PEN, 10, { onlyIf: "NX" }),
    calls.set(INK, 5, { onlyIf: "NX" }),
    calls.set(CAP, "UNLIMITED", { onlyIf: "NX" }),
    calls.limit(PEN, "user", 2, { per: "DAY" }),
    calls.limit(CAP, "user", 4),
  ]);
  console.log("preloaded");

  // One call per sale: it checks stock and limits, takes the units, and remembers the order.
  const taken = await shop.reserve(PEN, "order-1", 2, { ex: 900, for: { user: 42 } });
  console.log(`held: ${taken.quantity}, ${taken.available} left`);
  // Where an answer gets lost the call is made again, and `exists` tells where the order stands.
  for (const [order, user] of [["order-lost", 43], ["order-slow", 44]]) {
    const { type } = await shop.reserve(PEN, order, 1, { ex: 900, for: { user } });
    if (type !== "refused") console.log("held:", order);
  }
  console.log("refused:", tell(await shop.reserve(PEN, "order-2", 1, { for: { user: 42 } })));
  console.log("refused:", tell(await shop.reserve(INK, "order-3", 6, { for: { user: 45 } })));

  // A cart: all of it, or nothing.
  const lines = [[PEN, 1], [INK, 1], [CAP, 2]];
  const cart = await shop.reserveCart("order-cart", lines, { ex: 900, for: { user: 45 } });
  if (cart.type !== "refused") console.log("cart held");
  const no = await shop.reserveCart("order-cart-2", [[INK, 3], [CAP, 3]], { for: { user: 45 } });
  if (no.type === "refused") console.log("cart refused:", no.word, no.key);

  // Paid, cancelled, and the page that polls.
  const paid = await shop.confirm(PEN, "order-1");
  console.log("paid:", paid.quantity, paid.sold);
  if ((await shop.confirmCart("order-cart", all)).type !== "refused") console.log("cart paid");
  const back = await shop.release(PEN, "order-lost");
  console.log("cancelled:", back.quantity, back.available);
  const order = await shop.order(PEN, "order-1");
  console.log("poll:", order.state, order.quantity);

  // The payment comes when the hold is over.
  await shop.reserve(INK, "order-late", 1, { px: 1, for: { user: 46 } });
  await new Promise((done) => setTimeout(done, 50));
  const late = await shop.confirm(INK, "order-late");
  if (late.type === "refused") {
    console.log("too late:", late.word);
    console.log("honoured: OK", (await shop.confirm(INK, "order-late", { late: true })).quantity);
  }

  // One of the two pens comes back. The token makes the refund repeatable.
  const refund = await shop.refund(PEN, "order-1", { quantity: 1, token: "refund-1" });
  console.log("refunded:", refund.quantity, refund.available, refund.sold);

  // Errors are bugs of the caller, and not caught by a shop.
  for (const wrong of [calls.reserve(PEN, "order-1", 1, { for: { user: 42 } }), calls.reserve(PEN, "order-4", 1)]) {
    await shop.do(wrong).catch((bug) => console.log("bug:", bug.code));
  }

  console.log("left:", ...(await shop.available([PEN, INK])).available);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const client = new Redis(process.argv[2], { commandTimeout: 500 });
  await run(new Stock(ioredis(client)));
  client.disconnect();
}
