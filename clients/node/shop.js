// A small shop: node shop.js ioredis|node-redis 6379 [--cluster]

import { asMap, cart, isDone } from "./stock.js";
import { connect } from "./connect.js";

// One hash tag: the pools of a cart share a slot.
const [PEN, INK, CAP] = ["{618}pen", "{618}ink", "{618}cap"];
const [library, port, ...flags] = process.argv.slice(2);
const { call, end } = await connect(library, Number(port), flags.includes("--cluster"));

// Before the sale. NX: a second run does not put sold units back.
await call(PEN, "STOCK.SET", PEN, 10, "NX");
await call(INK, "STOCK.SET", INK, 5, "NX");
await call(CAP, "STOCK.SET", CAP, "UNLIMITED", "NX");
await call(PEN, "STOCK.LIMIT", PEN, "user", 2, "PER", "DAY");
await call(CAP, "STOCK.LIMIT", CAP, "user", 4);
console.log("preloaded");

// One call per sale: it checks stock and limits, takes the units, and remembers the order.
const reserve = (key, order, quantity, hold, user) =>
  call(key, "STOCK.RESERVE", key, order, quantity, ...hold, "FOR", "user", user);
const HOLD = ["EX", 900];
const [, quantity, left] = await reserve(PEN, "order-1", 2, HOLD, 42);
console.log(`held: ${quantity}, ${left} left`);
// Where an answer gets lost the helper asks again, and EXISTS tells where the order stands.
for (const [order, user] of [["order-lost", 43], ["order-slow", 44]]) {
  if (isDone(await reserve(PEN, order, 1, HOLD, user))) console.log("held:", order);
}

// What a buyer is told.
function tell([word, key, ...details]) {
  switch (word) {
    case "LIMITED": {
      const [limit, , used, most] = details;
      return `${word} ${limit}, ${used} of ${most}`;
    }
    case "SOLDOUT":
      return `${word}, ${details[0]} left`;
    default:
      return `${word} ${key}`;
  }
}
for (const [key, order, wanted, user] of [[PEN, "order-2", 1, 42], [INK, "order-3", 6, 45]]) {
  const answer = await reserve(key, order, wanted, [], user);
  if (!isDone(answer)) console.log("refused:", tell(answer));
}

// A cart: all of it, or nothing.
const all = [PEN, INK, CAP];
if (isDone(await call(...cart("MRESERVE", "order-cart", all, "QTY", 1, 1, 2, ...HOLD, "FOR", "user", 45)))) {
  console.log("cart held");
}
const no = await call(...cart("MRESERVE", "order-cart-2", [INK, CAP], "QTY", 3, 3, "FOR", "user", 45));
if (!isDone(no)) console.log("cart refused:", no[0], no[1]);

// Paid, cancelled, and the page that polls.
console.log("paid:", ...(await call(PEN, "STOCK.CONFIRM", PEN, "order-1")).slice(1));
if (isDone(await call(...cart("MCONFIRM", "order-cart", all)))) console.log("cart paid");
console.log("cancelled:", ...(await call(PEN, "STOCK.RELEASE", PEN, "order-lost")).slice(1));
const order = asMap(await call(PEN, "STOCK.ORDER", PEN, "order-1"));
console.log("poll:", order.state, order.qty);

// The payment comes when the hold is over.
await reserve(INK, "order-late", 1, ["PX", 1], 46);
await new Promise((done) => setTimeout(done, 50));
const late = await call(INK, "STOCK.CONFIRM", INK, "order-late");
if (!isDone(late)) {
  console.log("too late:", late[0]);
  console.log("honoured:", ...(await call(INK, "STOCK.CONFIRM", INK, "order-late", "LATE")).slice(0, 2));
}

// One of the two pens comes back. The token makes the refund repeatable.
const refund = await call(PEN, "STOCK.RETURN", PEN, "order-1", "QTY", 1, "TOKEN", "refund-1");
console.log("refunded:", ...refund.slice(1));

// Errors are bugs of the caller, and not caught by a shop.
for (const words of [["order-1", 1, "FOR", "user", 42], ["order-4", 1]]) {
  await call(PEN, "STOCK.RESERVE", PEN, ...words).catch((bug) => console.log("bug:", bug.message.split(" ")[0]));
}

console.log("left:", ...(await call(PEN, "STOCK.AVAILABLE", PEN, INK)));
end();
