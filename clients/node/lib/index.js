// Selling limited stock with redis-stock, from Node.js. The three clients are in redis-stock/ioredis, /node-redis and /glide.

export { askOf, bucketOf } from "./buckets.js";
export { Collector } from "./collect.js";
export * as calls from "./calls.js";
export { StockError, Unanswered } from "./answers.js";
export { Stock } from "./stock.js";
