// A function that calls a command, and one that ends the connection.

import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { withIoredis, withNodeRedis } from "./stock.js";

export async function connect(library, port, isCluster, timeoutMs = 500) {
  const host = "127.0.0.1";
  if (library === "ioredis") {
    const redisOptions = { commandTimeout: timeoutMs };
    const client = isCluster
      ? new Cluster([{ host, port }], { redisOptions })
      : new Redis({ host, port, ...redisOptions });
    client.on("error", () => {});
    return { call: withIoredis(client), client, end: () => client.disconnect() };
  }
  const url = `redis://${host}:${port}`;
  const client = isCluster ? createCluster({ rootNodes: [{ url }] }) : createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return { call: withNodeRedis(client, timeoutMs), client, end: () => client.destroy() };
}
